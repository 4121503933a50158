// At the end of a transaction that has written what immediate views read, behind its deferred triggers, their locks are
// taken in the order of their OIDs and kept until it has ended. So those who maintain a view come one after the other,
// each sees what the one before has done, and what there is to apply is what the transaction did itself.
#include "mview/immediate.hpp"

#include "changelog/changelog.hpp"
#include "mview/catalog.hpp"
#include "mview/refresh.hpp"
#include "mview/statements.hpp"
#include "pg/invalidation.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

using changelog::RunAsOwner;

// What immediate views read, as this backend knows it.
struct Known {
  bool is_valid;
  bool has_changed;  // since it began to be read
  Oid mviews;        // heliosdb.mviews: who changes something about it invalidates that
  List *bases;
};
constinit Known known = {};

// A condition on pg_class c.
constexpr const char *kIsImmediate =
    "EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) o WHERE pg_catalog.lower(o) = "
    "'refresh_mode=immediate')";

Oid MviewsTable() {
  const Oid schema = get_namespace_oid("heliosdb", true);
  return OidIsValid(schema) ? get_relname_relid("mviews", schema) : InvalidOid;
}

// Forgets what is known when it may have changed.
void Forget(Datum, Oid relation) {
  if (OidIsValid(relation) && relation != known.mviews) return;
  known.is_valid = false;
  known.has_changed = true;
}

// Returns the column of OIDs that a query has had as its result.
List *ReadOids() {
  List *oids = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    oids = lappend_oid(oids, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                            SPI_tuptable->tupdesc, 1, &is_null)));
  }
  return oids;
}

// Reads what immediate views read.
void Learn() {
  known.is_valid = false;
  known.has_changed = false;
  list_free(known.bases);
  known.bases = NIL;
  known.mviews = MviewsTable();
  if (!OidIsValid(known.mviews)) return;
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_connect();
  RunAsOwner(psprintf("SELECT DISTINCT b.relid FROM heliosdb.mview_bases b JOIN "
                      "pg_catalog.pg_class c ON c.oid = b.view WHERE %s",
                      kIsImmediate),
             true, SPI_OK_SELECT);
  const List *bases = ReadOids();
  MemoryContext before = MemoryContextSwitchTo(CacheMemoryContext);
  known.bases = list_copy(bases);
  MemoryContextSwitchTo(before);
  SPI_finish();
  PopActiveSnapshot();
  known.is_valid = !known.has_changed;
}

// Lists what this transaction has written, and what that is a partition of.
List *WrittenWithAncestors() {
  List *written = NIL;
  const ListCell *cell;
  foreach (cell, changelog::WrittenRelations()) {
    written = list_append_unique_oid(written, lfirst_oid(cell));
    if (get_rel_relispartition(lfirst_oid(cell)))
      written = list_concat_unique_oid(written, get_partition_ancestors(lfirst_oid(cell)));
  }
  return written;
}

// Lists the immediate views that read one of these relations, also through each other, by OID.
List *ViewsAbove(const List *relations) {
  static constinit const char *sql = nullptr;
  if (sql == nullptr) {
    sql = MemoryContextStrdup(
        TopMemoryContext,
        psprintf("WITH RECURSIVE immediate AS MATERIALIZED (SELECT b.view, b.relid FROM "
                 "heliosdb.mview_bases b JOIN pg_catalog.pg_class c ON c.oid = b.view WHERE %s), "
                 "above AS (SELECT view FROM immediate WHERE relid = ANY ($1) UNION SELECT i.view "
                 "FROM above a JOIN immediate i ON i.relid = a.view) "
                 "SELECT view FROM above ORDER BY view",
                 kIsImmediate));
  }
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_connect();
  changelog::RunKeptAsOwner(sql, {changelog::OidsArgument(relations)}, true, SPI_OK_SELECT);
  const List *found = ReadOids();
  // What SPI has allocated ends with it.
  MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
  List *views = list_copy(found);
  MemoryContextSwitchTo(before);
  SPI_finish();
  PopActiveSnapshot();
  return views;
}

// Lists what a view reads, as of its last refresh.
List *BasesOf(Oid view) {
  changelog::RunKeptAsOwner("SELECT relid FROM heliosdb.mview_bases WHERE view = $1",
                            {changelog::OidArgument(view)}, true, SPI_OK_SELECT);
  return ReadOids();
}

bool Overlap(const List *some, const List *others) {
  const ListCell *cell;
  foreach (cell, some) {
    if (list_member_oid(others, lfirst_oid(cell))) return true;
  }
  return false;
}

// Finds a view that reads none of the others.
Oid FindLowest(const List *views) {
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_connect();
  Oid lowest = InvalidOid;
  const ListCell *cell;
  foreach (cell, views) {
    lowest = lfirst_oid(cell);
    if (list_length(views) == 1 || !Overlap(BasesOf(lowest), views)) break;
  }
  SPI_finish();
  PopActiveSnapshot();
  return lowest;
}

// Raises an error where the transaction cannot maintain a view exactly.
void CheckTransaction(Oid view) {
  if (IsElsewhere()) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the session is on a branch or in the past"),
                    errhint("Go back to the present of branch main before COMMIT.")));
  }
  if (!IsolationIsSerializable()) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("SERIALIZABLE transactions cannot change what %s reads", pg::QualifiedName(view)),
           errdetail("It has refresh_mode = 'immediate', and reads of materialized views are not "
                     "tracked for conflicts."),
           errhint("Use REPEATABLE READ or READ COMMITTED, or refresh_mode = 'deferred'.")));
}

// Keeps other writers and refreshes of a view out until the end of the transaction.
void Lock(Oid view) {
  CheckTransaction(view);
  LockRelationOid(view, RowExclusiveLock);
  (void)LockRefresh(view, true);
}

// Brings a view up to date with all that the transaction has done, if it has changed what the view reads.
void Maintain(Oid view) {
  if (!IsPopulated(view)) return;
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_connect();
  const bool is_touched = Overlap(BasesOf(view), WrittenWithAncestors());
  SPI_finish();
  if (is_touched) (void)RefreshInPlace(BeginRefresh(view, kImmediate), Wanted::kIncremental);
  PopActiveSnapshot();
  CommandCounterIncrement();
}

// Does something about a view; an error of it names the view.
void Name(Oid view, void (*act)(Oid view)) {
  const char *name = get_rel_name(view) != nullptr ? pg::QualifiedName(view) : "that was dropped";
  ErrorData *error = nullptr;
  try {
    pg::Call([&] { act(view); });
  } catch (const pg::Error &failure) {
    error = failure.data();
  }
  if (error == nullptr) return;
  if (error->sqlerrcode != ERRCODE_QUERY_CANCELED && error->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN)
    error->message =
        psprintf("materialized view %s cannot be maintained: %s", name, error->message);
  ReThrowError(error);
}

// Maintains what reads what the transaction has written; what it writes to a view is read by others in turn.
void MaintainAll() {
  List *done = NIL;
  for (;;) {
    List *views = list_difference_oid(ViewsAbove(WrittenWithAncestors()), done);
    if (views == NIL) return;
    const ListCell *cell;
    foreach (cell, views) Name(lfirst_oid(cell), Lock);
    while (views != NIL) {
      const Oid view = FindLowest(views);
      Name(view, Maintain);
      done = lappend_oid(done, view);
      views = list_delete_oid(views, view);
    }
  }
}

// Maintains views if the transaction has written what immediate ones read.
void EndTransaction() {
  CommandCounterIncrement();
  if (!known.is_valid) Learn();
  if (known.bases == NIL || !Overlap(WrittenWithAncestors(), known.bases)) return;
  // Only its own statements are held to that.
  const bool read_only = XactReadOnly;
  XactReadOnly = false;
  MaintainAll();
  XactReadOnly = read_only;
}

void OnTransaction(XactEvent event, void *) {
  if ((event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE) ||
      changelog::WrittenRelations() == NIL)
    return;
  static bool is_watching = false;
  if (!is_watching) pg::WatchRelations(Forget);
  is_watching = true;
  MemoryContext context =
      AllocSetContextCreate(TopTransactionContext, "immediate views", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(context);
  EndTransaction();
  MemoryContextSwitchTo(before);
  MemoryContextDelete(context);
}

}  // namespace

void NoteImmediate() {
  const Oid mviews = MviewsTable();
  if (OidIsValid(mviews)) CacheInvalidateRelcacheByRelid(mviews);
}

void InitImmediate() { RegisterXactCallback(OnTransaction, nullptr); }

}  // namespace helios::mview
