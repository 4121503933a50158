// Trimming: deletes records that no retention and no consumer needs.
//
// Commits carry no order that could be compared with a clock here; so every call notes a moment, the
// clock with a snapshot. What ended before the newest moment older than the retention may go.
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

// Runs a statement as the owner of the extension; the result is in SPI.
void Run(const char *sql, int expected) {
  OwnerScope owner;
  owner.Enter();
  if (SPI_execute(sql, false, 0) != expected) elog(ERROR, "cannot run: %s", sql);
  owner.Leave();
}

// Notes this moment.
void NoteMoment() {
  Run(psprintf("INSERT INTO heliosdb_log.moments (at, xid, seen) "
               "VALUES (pg_catalog.clock_timestamp(), '" UINT64_FORMAT "', %s)",
               U64FromFullTransactionId(GetTopFullTransactionId()),
               quote_literal_cstr(PositionOf(GetLatestSnapshot()))),
      SPI_OK_INSERT);
}

// Forgets what is older than the newest moment that every retention has passed.
void ForgetMoments() {
  const char *oldest = psprintf(
      "(SELECT pg_catalog.max(m.at) FROM heliosdb_log.moments m WHERE m.at <= "
      "pg_catalog.clock_timestamp() - (SELECT GREATEST(pg_catalog.max(t.retention), " INT64_FORMAT
      " * interval '1 microsecond') FROM heliosdb.tracked t))",
      DefaultRetention());
  Run(psprintf("DELETE FROM heliosdb_log.instants WHERE at < %s", oldest), SPI_OK_DELETE);
  Run(psprintf("DELETE FROM heliosdb_log.moments WHERE at < %s", oldest), SPI_OK_DELETE);
}

// Writes the condition that no consumer of a table, or of what it is a partition of, needs a record.
const char *ReadByAll(const TrackedTable &tracked) {
  return psprintf(
      "NOT EXISTS (SELECT FROM heliosdb.consumers c WHERE c.relid IN (%u, %u) "
      "AND NOT pg_catalog.pg_visible_in_snapshot(l.xid, c.position))",
      tracked.relation, tracked.root);
}

// Lets the history of a table start later, where it does not yet.
void MoveStart(Oid relation, FullTransactionId since, TimestampTz since_at) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked) || since_at <= tracked.since_at) return;
  tracked.since = since;
  tracked.since_at = since_at;
  tracked.reason = kTrimmed;
  SaveTracked(tracked);
}

// Trims one log; returns how many records went.
int64 TrimOne(const TrackedTable &tracked) {
  Run(psprintf("SELECT m.xid, m.at, m.seen::text FROM heliosdb_log.moments m, heliosdb.tracked t "
               "WHERE t.relid = %u AND m.at <= pg_catalog.clock_timestamp() - "
               "COALESCE(t.retention, " INT64_FORMAT
               " * interval '1 microsecond') ORDER BY m.at DESC LIMIT 1",
               tracked.relation, DefaultRetention()),
      SPI_OK_SELECT);
  if (SPI_processed == 0) return 0;
  bool is_null;
  const FullTransactionId since = DatumGetFullTransactionId(
      SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  const TimestampTz since_at =
      DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null));
  const char *seen = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);

  const char *log = quote_qualified_identifier(kLogSchema, get_rel_name(tracked.log));
  const char *batch = psprintf(
      "DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT l.ctid FROM %s l WHERE l.xid < "
      "pg_catalog.pg_snapshot_xmax(%s) AND pg_catalog.pg_visible_in_snapshot(l.xid, %s) AND %s "
      "LIMIT %d))",
      log, log, quote_literal_cstr(seen), quote_literal_cstr(seen), ReadByAll(tracked), kBatch);
  int64 deleted = 0;
  do {
    CHECK_FOR_INTERRUPTS();
    Run(batch, SPI_OK_DELETE);
    deleted += static_cast<int64>(SPI_processed);
  } while (SPI_processed == kBatch);
  // A log that held nothing older answers for older instants still.
  if (deleted > 0) {
    MoveStart(tracked.relation, since, since_at);
    ListCell *cell;
    if (OidIsValid(tracked.root)) {
      foreach (cell, get_partition_ancestors(tracked.relation))
        MoveStart(lfirst_oid(cell), since, since_at);
    }
  }
  return deleted;
}

}  // namespace

HELIOS_FUNCTION(trim_log) {
  PreventCommandIfReadOnly("heliosdb.trim_log()");
  const Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
  if (OidIsValid(relation)) CheckOwner(relation);
  int64 deleted = 0;
  SPI_connect();
  NoteMoment();
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
  ForgetMoments();
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
