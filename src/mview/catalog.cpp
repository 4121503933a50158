#include "mview/catalog.hpp"

#include "changelog/changelog.hpp"
#include "mview/immediate.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

using changelog::FloatArgument;
using changelog::InstantArgument;
using changelog::IntArgument;
using changelog::OidArgument;
using changelog::RunAsOwner;
using changelog::RunKeptAsOwner;
using changelog::TextArgument;

constexpr int kHistoryLength = 1000;

// The part of a view that the lock of refreshes stands for.
constexpr uint16 kRefreshPart = 1;

char *TextAt(uint64 row, int column) {
  return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

// Reads a column of the last result; 0 for null.
Datum DatumAt(uint64 row, int column) {
  bool is_null;
  const Datum value =
      SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
  return is_null ? 0 : value;
}

char *LiteralOrNull(const char *text) {
  return text != nullptr ? quote_literal_cstr(text) : pstrdup("NULL");
}

// True if two lists say the same of the same relations, in the same order.
bool AreSame(const List *some, const List *others) {
  if (list_length(some) != list_length(others)) return false;
  const ListCell *a, *b;
  forboth(a, some, b, others) {
    const auto *left = static_cast<const Base *>(lfirst(a));
    const auto *right = static_cast<const Base *>(lfirst(b));
    if (left->relation != right->relation || left->kind != right->kind ||
        left->generation != right->generation)
      return false;
  }
  return true;
}

LOCKTAG RefreshLock(Oid view) {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, view, kRefreshPart);
  return tag;
}

}  // namespace

bool FindRecord(Oid view, bool lock, Record *record) {
  constexpr const char *kFind =
      "SELECT position::text, recompute, generation, failures, refreshed_at, query_hash "
      "FROM heliosdb.mviews WHERE relid = $1";
  constexpr const char *kFindAndLock =
      "SELECT position::text, recompute, generation, failures, refreshed_at, query_hash "
      "FROM heliosdb.mviews WHERE relid = $1 FOR NO KEY UPDATE";
  RunKeptAsOwner(lock ? kFindAndLock : kFind, {OidArgument(view)}, !lock, SPI_OK_SELECT);
  if (SPI_processed == 0) return false;
  *record = {TextAt(0, 1),
             TextAt(0, 2),
             DatumGetInt64(DatumAt(0, 6)),
             DatumGetInt64(DatumAt(0, 3)),
             DatumGetInt32(DatumAt(0, 4)),
             DatumGetTimestampTz(DatumAt(0, 5))};
  return true;
}

void CreateRecord(Oid view, const char *recompute) {
  RunAsOwner(psprintf("INSERT INTO heliosdb.mviews (relid, recompute) VALUES (%u, %s) "
                      "ON CONFLICT DO NOTHING",
                      view, LiteralOrNull(recompute)),
             false, SPI_OK_INSERT);
}

void DropRecord(Oid view) {
  List *bases = ReadBases(view);
  KeepConsumers(view, NIL);
  RunAsOwner(psprintf("DELETE FROM heliosdb.mview_bases WHERE view = %u", view), false,
             SPI_OK_DELETE);
  RunAsOwner(psprintf("DELETE FROM heliosdb.mviews WHERE relid = %u", view), false, SPI_OK_DELETE);
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kTable && get_rel_relkind(base->relation) != '\0')
      changelog::UntrackUnused(base->relation);
  }
}

void RequireRecompute(Oid view, const char *reason) {
  RunAsOwner(psprintf("UPDATE heliosdb.mviews SET recompute = %s, "
                      "generation = generation + 1 WHERE relid = %u",
                      quote_literal_cstr(reason), view),
             false, SPI_OK_UPDATE);
}

char *ConsumerName(Oid view, Oid base) {
  return psprintf("materialized view %u of table %u", view, base);
}

List *ReadBases(Oid view) {
  RunKeptAsOwner(
      "SELECT b.relid, b.kind, b.generation, c.started_at FROM heliosdb.mview_bases b "
      "LEFT JOIN heliosdb.consumers c ON c.relid = b.relid AND b.kind = 't' AND c.name = "
      "'materialized view ' || b.view || ' of table ' || b.relid "
      "WHERE b.view = $1 ORDER BY b.relid",
      {OidArgument(view)}, true, SPI_OK_SELECT);
  List *bases = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    auto *base = static_cast<Base *>(palloc(sizeof(Base)));
    *base = {DatumGetObjectId(DatumAt(row, 1)),
             static_cast<BaseKind>(DatumGetChar(DatumAt(row, 2))), DatumGetInt64(DatumAt(row, 3)),
             DatumGetTimestampTz(DatumAt(row, 4))};
    bases = lappend(bases, base);
  }
  return bases;
}

void PutConsumer(Oid view, Oid base, const char *position) {
  RunKeptAsOwner(
      "INSERT INTO heliosdb.consumers (name, relid, position, started_at) "
      "SELECT $1, $2, $3::pg_catalog.pg_snapshot, started_at FROM heliosdb.tracked WHERE relid = "
      "$2 "
      "ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position, "
      "started_at = EXCLUDED.started_at, advanced_at = pg_catalog.now()",
      {TextArgument(ConsumerName(view, base)), OidArgument(base), TextArgument(position)}, false,
      SPI_OK_INSERT);
}

void KeepConsumers(Oid view, List *bases) {
  StringInfoData kept;
  initStringInfo(&kept);
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kTable) appendStringInfo(&kept, ", %u", base->relation);
  }
  RunAsOwner(psprintf("DELETE FROM heliosdb.consumers WHERE name LIKE 'materialized view %u of "
                      "table %%' AND relid NOT IN (0%s)",
                      view, kept.data),
             false, SPI_OK_DELETE);
}

void SaveBases(Oid view, const List *known, List *bases) {
  if (AreSame(known, bases)) return;
  KeepConsumers(view, bases);
  StringInfoData rows;
  initStringInfo(&rows);
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    appendStringInfo(&rows, "%s(%u, %u, '%c', " INT64_FORMAT ")", rows.len > 0 ? ", " : "", view,
                     base->relation, static_cast<char>(base->kind), base->generation);
  }
  NoteImmediate();
  RunAsOwner(psprintf("DELETE FROM heliosdb.mview_bases WHERE view = %u", view), false,
             SPI_OK_DELETE);
  if (rows.len == 0) return;
  RunAsOwner(psprintf("INSERT INTO heliosdb.mview_bases (view, relid, kind, generation) VALUES %s",
                      rows.data),
             false, SPI_OK_INSERT);
}

void SaveRefresh(Oid view, const char *position, TimestampTz at, const char *recompute,
                 const List *known, List *bases, int64 query_hash, bool has_changed) {
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kTable && position != nullptr)
      PutConsumer(view, base->relation, position);
  }
  if (position == nullptr) KeepConsumers(view, NIL);
  SaveBases(view, known, bases);
  RunKeptAsOwner(
      "UPDATE heliosdb.mviews SET position = $2::pg_catalog.pg_snapshot, refreshed_at = $3, "
      "recompute = $4, query_hash = $5, generation = generation + $6, failures = 0, "
      "last_error = NULL, failed_at = NULL WHERE relid = $1",
      {OidArgument(view), TextArgument(position), InstantArgument(at), TextArgument(recompute),
       IntArgument(query_hash), IntArgument(has_changed ? 1 : 0)},
      false, SPI_OK_UPDATE);
}

void AddEvent(Oid view, const Event &event) {
  RunKeptAsOwner(
      "INSERT INTO heliosdb.mview_history (relid, name, started_at, ended_at, error, strategy, "
      "trigger, reason, rows_inserted, rows_deleted, changes, cpu_seconds) VALUES ($1, $2, $3, "
      "pg_catalog.clock_timestamp(), $4, $5, $6, $7, $8, $9, $10, $11)",
      {OidArgument(view), TextArgument(pg::QualifiedName(view)), InstantArgument(event.started_at),
       TextArgument(event.error), TextArgument(event.strategy), TextArgument(event.trigger),
       TextArgument(event.reason), IntArgument(event.inserted), IntArgument(event.deleted),
       IntArgument(event.changes), FloatArgument(event.cpu_seconds)},
      false, SPI_OK_INSERT);
  // There two that forget the same lines would fail.
  if (IsolationUsesXactSnapshot()) return;
  RunKeptAsOwner(
      "DELETE FROM heliosdb.mview_history WHERE id IN (SELECT h.id FROM "
      "heliosdb.mview_history h WHERE h.id <= (SELECT pg_catalog.max(m.id) FROM "
      "heliosdb.mview_history m) - $1 FOR UPDATE SKIP LOCKED)",
      {IntArgument(kHistoryLength)}, false, SPI_OK_DELETE);
}

int NoteFailure(Oid view, const char *error) {
  RunAsOwner(psprintf("UPDATE heliosdb.mviews SET failures = failures + 1, last_error = %s, "
                      "failed_at = pg_catalog.now() WHERE relid = %u RETURNING failures",
                      quote_literal_cstr(error), view),
             false, SPI_OK_UPDATE_RETURNING);
  return SPI_processed > 0 ? DatumGetInt32(DatumAt(0, 1)) : 0;
}

bool LockRefresh(Oid view, bool wait) {
  const LOCKTAG tag = RefreshLock(view);
  return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool IsPopulated(Oid view) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is_populated = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relispopulated;
  ReleaseSysCache(tuple);
  return is_populated;
}

bool IsRefreshing(Oid view) {
  const LOCKTAG tag = RefreshLock(view);
  int holders;
  (void)GetLockConflicts(&tag, ExclusiveLock, &holders);
  return holders > 0;
}

}  // namespace helios::mview
