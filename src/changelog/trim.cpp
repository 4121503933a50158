// Trimming: deletes records that no retention and no consumer needs.
//
// What had ended in the newest recorded snapshot that is older than the retention may go, unless somebody has
// pinned that snapshot or an older one.
#include "changelog/trim.hpp"

#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/consumers.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/partition.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr int kBatch = 10000;

// Runs a statement that may write as the owner of the extension; the result is in SPI.
void Run(const char *sql, int expected) { RunAsOwner(sql, false, expected); }

// Writes the condition that nobody needs a snapshot `s` or an older one to be answered for.
constexpr const char *kUnpinned =
    "s.scn <= COALESCE((SELECT pg_catalog.min(p.scn) FROM heliosdb_log.pins p), s.scn)";

// Writes the condition that no consumer of a table, or of what it is a partition of, needs a record.
const char *ReadByAll(const TrackedTable &tracked) {
  return psprintf(
      "NOT EXISTS (SELECT FROM heliosdb.consumers c WHERE c.relid IN (%u, %u) "
      "AND NOT pg_catalog.pg_visible_in_snapshot(l.xid, c.position))",
      tracked.relation, tracked.root);
}

// Lets the history of a table start later, where it does not yet.
void MoveStart(Oid relation, FullTransactionId since, TimestampTz since_at, int64 since_scn) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked) || since_at <= tracked.since_at) return;
  // Another one may be about to move it further.
  LockTracked(relation);
  if (!FindTracked(relation, &tracked) || since_at <= tracked.since_at) return;
  tracked.since = since;
  tracked.since_at = since_at;
  tracked.since_scn = since_scn;
  tracked.reason = kTrimmed;
  SaveTracked(tracked);
}

// Lets the history of a table, and of what it is a partition of, start at the cut.
void MoveStarts(const TrackedTable &tracked, const Cut &cut) {
  MoveStart(tracked.relation, cut.since, cut.at, cut.scn);
  if (!OidIsValid(tracked.root)) return;
  ListCell *cell;
  foreach (cell, get_partition_ancestors(tracked.relation))
    MoveStart(lfirst_oid(cell), cut.since, cut.at, cut.scn);
}

// Trims one log; returns how many records went.
int64 TrimOne(const TrackedTable &tracked) {
  Cut cut;
  if (!FindCut(tracked, &cut)) return 0;
  int64 deleted = 0, batch;
  do {
    CHECK_FOR_INTERRUPTS();
    BlockNumber from = 0;
    batch = TrimBatch(tracked, cut, kBatch, &from);
    deleted += batch;
  } while (batch == kBatch);
  return deleted;
}

}  // namespace

bool FindCut(const TrackedTable &tracked, Cut *cut) {
  Run(psprintf("SELECT s.xid, s.at, s.seen::text, s.scn, EXTRACT(epoch FROM r.retention)::float8 "
               "FROM heliosdb_log.snapshots s, (SELECT COALESCE(t.retention, " INT64_FORMAT
               " * interval '1 microsecond') AS retention FROM heliosdb.tracked t WHERE t.relid = "
               "%u) r WHERE s.at <= pg_catalog.clock_timestamp() - r.retention AND %s "
               "ORDER BY s.scn DESC LIMIT 1",
               DefaultRetention(), tracked.relation, kUnpinned),
      SPI_OK_SELECT);
  if (SPI_processed == 0) return false;
  const HeapTuple row = SPI_tuptable->vals[0];
  const TupleDesc desc = SPI_tuptable->tupdesc;
  bool is_null;
  cut->since = DatumGetFullTransactionId(SPI_getbinval(row, desc, 1, &is_null));
  cut->at = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &is_null));
  cut->seen = SPI_getvalue(row, desc, 3);
  cut->scn = DatumGetInt64(SPI_getbinval(row, desc, 4, &is_null));
  cut->retention_seconds = DatumGetFloat8(SPI_getbinval(row, desc, 5, &is_null));
  return true;
}

int64 TrimBatch(const TrackedTable &tracked, const Cut &cut, int limit, BlockNumber *from) {
  const char *log = LogName(tracked);
  const char *seen = quote_literal_cstr(cut.seen);
  Run(psprintf("WITH gone AS (DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT l.ctid FROM %s l WHERE "
               "l.ctid >= '(%u,0)' AND l.xid < pg_catalog.pg_snapshot_xmax(%s) AND "
               "pg_catalog.pg_visible_in_snapshot(l.xid, %s) AND %s LIMIT %d)) RETURNING ctid) "
               "SELECT pg_catalog.count(*), pg_catalog.max(ctid) FROM gone",
               log, log, *from, seen, seen, ReadByAll(tracked), limit),
      SPI_OK_SELECT);
  bool is_null;
  const HeapTuple row = SPI_tuptable->vals[0];
  const int64 deleted = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
  // A log that held nothing older answers for older instants still.
  if (deleted == 0) return 0;
  auto *last = reinterpret_cast<ItemPointer>(
      DatumGetPointer(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null)));
  *from = ItemPointerGetBlockNumber(last);
  MoveStarts(tracked, cut);
  return deleted;
}

void ForgetSnapshots() {
  Run(psprintf("DELETE FROM heliosdb_log.snapshots WHERE scn < (SELECT pg_catalog.max(s.scn) FROM "
               "heliosdb_log.snapshots s WHERE s.at <= pg_catalog.clock_timestamp() - (SELECT "
               "GREATEST(pg_catalog.max(t.retention), " INT64_FORMAT
               " * interval '1 microsecond') FROM heliosdb.tracked t) AND %s)",
               DefaultRetention(), kUnpinned),
      SPI_OK_DELETE);
  Run("DELETE FROM heliosdb_log.subxacts WHERE sub < LEAST("
      "(SELECT pg_catalog.pg_snapshot_xmin(seen) FROM heliosdb_log.snapshots ORDER BY scn LIMIT "
      "1), "
      "(SELECT pg_catalog.min(pg_catalog.pg_snapshot_xmin(position)) FROM heliosdb.consumers), "
      "(SELECT pg_catalog.min(since_xid) FROM heliosdb.tracked))",
      SPI_OK_DELETE);
}

namespace {

// Pins the snapshot that an expression in SQL names.
void Pin(const char *holder, const char *scn) {
  SPI_connect();
  Run(psprintf("INSERT INTO heliosdb_log.pins (scn, holder) VALUES (%s, %s)", scn,
               quote_literal_cstr(holder)),
      SPI_OK_INSERT);
  SPI_finish();
}

}  // namespace

// A state that was recorded before what is needed will do; where there is none, nothing is trimmed.
void HoldHistory(const char *holder, TimestampTz at) {
  Pin(holder, psprintf("COALESCE((SELECT pg_catalog.max(s.scn) FROM heliosdb_log.snapshots s "
                       "WHERE s.at <= %s), 0)",
                       quote_literal_cstr(timestamptz_to_str(at))));
}

void HoldSnapshot(const char *holder, int64 scn) { Pin(holder, psprintf(INT64_FORMAT, scn)); }

void ReleaseHistory(const char *holder) {
  SPI_connect();
  Run(psprintf("DELETE FROM heliosdb_log.pins WHERE holder = %s", quote_literal_cstr(holder)),
      SPI_OK_DELETE);
  SPI_finish();
}

HELIOS_FUNCTION(trim_log) {
  PreventCommandIfReadOnly("heliosdb.trim_log()");
  const Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
  if (OidIsValid(relation)) CheckOwner(relation);
  int64 deleted = 0;
  SPI_connect();
  RecordSnapshot(nullptr);
  Run(psprintf("SELECT relid FROM heliosdb.tracked WHERE log <> 0 AND (%u IN (0, relid, root)) "
               "ORDER BY relid",
               relation),
      SPI_OK_SELECT);
  List *relations = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    relations =
        lappend_oid(relations, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                              SPI_tuptable->tupdesc, 1, &is_null)));
  }
  ListCell *cell;
  foreach (cell, relations) {
    if (!pg_class_ownercheck(lfirst_oid(cell), GetUserId())) continue;
    // Against DDL and other trimmers, not against readers and writers.
    LockRelationOid(lfirst_oid(cell), ShareUpdateExclusiveLock);
    TrackedTable tracked;
    if (FindTracked(lfirst_oid(cell), &tracked)) deleted += TrimOne(tracked);
  }
  ForgetSnapshots();
  SPI_finish();
  PG_RETURN_INT64(deleted);
}

HELIOS_FUNCTION(set_retention) {
  PreventCommandIfReadOnly("heliosdb.set_retention()");
  const Oid relation = PG_GETARG_OID(0);
  CheckOwner(relation);
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" is not tracked", get_rel_name(relation))));
  }
  const Interval none = {};
  if (!PG_ARGISNULL(1) && DatumGetInt32(DirectFunctionCall2(interval_cmp, PG_GETARG_DATUM(1),
                                                            IntervalPGetDatum(&none))) < 0) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("retention must not be negative")));
  }
  const char *retention =
      PG_ARGISNULL(1)
          ? "NULL"
          : psprintf("%s::interval", quote_literal_cstr(DatumGetCString(
                                         DirectFunctionCall1(interval_out, PG_GETARG_DATUM(1)))));
  SPI_connect();
  LockRelationOid(relation, ShareUpdateExclusiveLock);
  Run(psprintf("UPDATE heliosdb.tracked SET retention = %s WHERE %u IN (relid, root)", retention,
               relation),
      SPI_OK_UPDATE);
  SPI_finish();
  PG_RETURN_VOID();
}

}  // namespace helios::changelog
