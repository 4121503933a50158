// Consumers keep a snapshot and take what is visible now and was not visible in it: exact whatever the
// order of commits, without a sequence and without a position in the WAL.
#include "changelog/consumers.hpp"

#include "changelog/catalog.hpp"
#include "changelog/changes.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::changelog {

namespace {

// A row of heliosdb.consumers.
struct Consumer {
  Oid relation;
  char *position;
  TimestampTz started_at;
};

char *TextAt(uint64 row, int column) {
  return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

Datum DatumAt(uint64 row, int column) {
  bool is_null;
  return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
}

// Reads a consumer that the user may use.
Consumer ReadConsumer(const char *name) {
  RunAsOwner(
      psprintf("SELECT relid, position::text, started_at FROM heliosdb.consumers WHERE name = %s",
               quote_literal_cstr(name)),
      true, SPI_OK_SELECT);
  if (SPI_processed == 0) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("consumer \"%s\" does not exist", name),
             errhint("Create it with heliosdb.create_consumer(). Consumers are not part of a dump: "
                     "after a restore, recompute and create them anew.")));
  }
  const Consumer consumer = {DatumGetObjectId(DatumAt(0, 1)), TextAt(0, 2),
                             DatumGetTimestampTz(DatumAt(0, 3))};
  CheckOwner(consumer.relation);
  return consumer;
}

// Raises an error if what came after the position is not in the log any more.
TrackedTable CheckPosition(const char *name, const Consumer &consumer) {
  LockRelationOid(consumer.relation, AccessShareLock);
  TrackedTable tracked;
  const bool is_tracked = FindTracked(consumer.relation, &tracked);
  const bool valid = is_tracked && tracked.started_at == consumer.started_at;
  if (!valid) {
    ereport(ERROR,
            (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
             errmsg("changes of table \"%s\" after the position of consumer \"%s\" are not known",
                    get_rel_name(consumer.relation), name),
             is_tracked ? errdetail("Its history was started anew: %s.", tracked.reason)
                        : errdetail("The table is not tracked any more."),
             errhint("Drop the consumer, create it again, and recompute from the whole table.")));
  }
  return tracked;
}

// Refuses a transaction that changed the table: its own changes are neither before nor after.
void RefuseOwnWrites(const TrackedTable &tracked) {
  const FullTransactionId own = GetTopFullTransactionIdIfAny();
  if (!FullTransactionIdIsValid(own)) return;
  RunAsOwner(BuildOwnWritesQuery(tracked, own), true, SPI_OK_SELECT);
  if (SPI_processed == 0) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("this transaction has changed table \"%s\" itself",
                         get_rel_name(tracked.relation)),
                  errhint("Read its changes in a transaction of their own.")));
}

// Stores a new position, unless somebody else has moved it meanwhile.
void Advance(const char *name, const Consumer &consumer, const char *position) {
  RunAsOwner(psprintf("UPDATE heliosdb.consumers SET position = %s, advanced_at = pg_catalog.now() "
                      "WHERE name = %s AND position::text = %s",
                      quote_literal_cstr(position), quote_literal_cstr(name),
                      quote_literal_cstr(consumer.position)),
             false, SPI_OK_UPDATE);
  if (SPI_processed == 1) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("consumer \"%s\" was advanced by another transaction", name),
                  errhint("Read its changes again.")));
}

char *NameArgument(FunctionCallInfo fcinfo) { return text_to_cstring(PG_GETARG_TEXT_PP(0)); }

// Writes a snapshot in which these transactions were running, and those from `xmax` on.
char *WritePosition(uint64 *running, uint32 count, uint64 xmax) {
  std::sort(running, running + count);
  count = static_cast<uint32>(std::unique(running, running + count) - running);
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, UINT64_FORMAT ":" UINT64_FORMAT ":", count > 0 ? running[0] : xmax, xmax);
  for (uint32 i = 0; i < count; i++)
    appendStringInfo(&text, "%s" UINT64_FORMAT, i == 0 ? "" : ",", running[i]);
  return text.data;
}

}  // namespace

char *PositionOf(Snapshot snapshot) {
  const uint64 own = U64FromFullTransactionId(GetTopFullTransactionId());
  const uint64 xmax = U64FromFullTransactionId(WidenXmin(snapshot->xmax));
  auto *running = static_cast<uint64 *>(palloc((snapshot->xcnt + 1) * sizeof(uint64)));
  uint32 count = 0;
  for (uint32 i = 0; i < snapshot->xcnt; i++)
    running[count++] = U64FromFullTransactionId(WidenXmin(snapshot->xip[i]));
  if (own < xmax) running[count++] = own;
  return WritePosition(running, count, xmax);
}

char *FinalPositionOf(Snapshot snapshot) {
  const uint64 own = U64FromFullTransactionId(GetTopFullTransactionId());
  const uint64 xmax = U64FromFullTransactionId(WidenXmin(snapshot->xmax));
  // None of those that began after the last that had ended in the snapshot, and before this one, had ended.
  const uint64 later = own > xmax ? own - xmax : 0;
  auto *running = static_cast<uint64 *>(
      MemoryContextAllocHuge(CurrentMemoryContext, (snapshot->xcnt + later + 1) * sizeof(uint64)));
  uint64 count = 0;
  for (uint32 i = 0; i < snapshot->xcnt; i++) {
    const uint64 xid = U64FromFullTransactionId(WidenXmin(snapshot->xip[i]));
    if (xid != own) running[count++] = xid;
  }
  for (uint64 xid = xmax; xid < own; xid++) running[count++] = xid;
  return WritePosition(running, static_cast<uint32>(count), own < xmax ? xmax : own + 1);
}

void DropConsumersOf(Oid relation) {
  RunAsOwner(psprintf("DELETE FROM heliosdb.consumers WHERE relid = %u", relation), false,
             SPI_OK_DELETE);
}

HELIOS_FUNCTION(create_consumer) {
  PreventCommandIfReadOnly("heliosdb.create_consumer()");
  const char *name = NameArgument(fcinfo);
  const Oid relation = PG_GETARG_OID(1);
  LockOwned(relation);
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" is not tracked", get_rel_name(relation)),
                    errhint("Run heliosdb.track() first.")));
  }
  // Writers are kept out by now: the snapshot misses none whose record is older than the consumer.
  const char *position =
      PositionOf(IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot());
  const bool tracked_here = FullTransactionIdEquals(tracked.since, GetTopFullTransactionId()) &&
                            !IsolationUsesXactSnapshot();
  // What it wrote before it began to track is in no log, and not in the position either.
  if (tracked_here && HasWritten(relation)) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("this transaction has changed table \"%s\" itself", get_rel_name(relation)),
             errdetail("The history of the table begins in the same transaction."),
             errhint("Create the consumer in a new transaction.")));
  }
  if (!tracked_here && !IsVisible(tracked.since, position)) {
    ereport(ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
             errmsg("the history of table \"%s\" starts after the snapshot of this transaction",
                    get_rel_name(relation)),
             errhint("Create the consumer in a new transaction.")));
  }
  SPI_connect();
  RunAsOwner(psprintf("INSERT INTO heliosdb.consumers (name, relid, position, started_at) "
                      "SELECT %s, %u, %s, started_at FROM heliosdb.tracked WHERE relid = %u "
                      "ON CONFLICT DO NOTHING",
                      quote_literal_cstr(name), relation, quote_literal_cstr(position), relation),
             false, SPI_OK_INSERT);
  if (SPI_processed == 0) {
    ereport(ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("consumer \"%s\" already exists", name)));
  }
  SPI_finish();
  PG_RETURN_VOID();
}

HELIOS_FUNCTION(drop_consumer) {
  PreventCommandIfReadOnly("heliosdb.drop_consumer()");
  const char *name = NameArgument(fcinfo);
  SPI_connect();
  ReadConsumer(name);
  RunAsOwner(psprintf("DELETE FROM heliosdb.consumers WHERE name = %s", quote_literal_cstr(name)),
             false, SPI_OK_DELETE);
  SPI_finish();
  PG_RETURN_VOID();
}

HELIOS_FUNCTION(advance_consumer) {
  PreventCommandIfReadOnly("heliosdb.advance_consumer()");
  const char *name = NameArgument(fcinfo);
  if (!IsolationUsesXactSnapshot()) {
    ereport(ERROR,
            (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
             errmsg("a consumer cannot be advanced in a READ COMMITTED transaction"),
             errdetail("What is read and what is skipped would come from different snapshots."),
             errhint("Use REPEATABLE READ, or heliosdb.read_changes(..., advance => true).")));
  }
  SPI_connect();
  const Consumer consumer = ReadConsumer(name);
  RefuseOwnWrites(CheckPosition(name, consumer));
  Advance(name, consumer, PositionOf(GetTransactionSnapshot()));
  SPI_finish();
  PG_RETURN_VOID();
}

HELIOS_FUNCTION(read_changes) {
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const char *name = NameArgument(fcinfo);
  const bool advance = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
  if (advance) PreventCommandIfReadOnly("heliosdb.read_changes(..., advance => true)");
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  SPI_connect();
  const Consumer consumer = ReadConsumer(name);
  if (get_fn_expr_argtype(fcinfo->flinfo, 1) != get_rel_type_id(consumer.relation)) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("consumer \"%s\" reads rows of table \"%s\"", name,
                           get_rel_name(consumer.relation)),
                    errhint("Pass NULL::%s as the second argument.",
                            quote_identifier(get_rel_name(consumer.relation)))));
  }
  const TrackedTable tracked = CheckPosition(name, consumer);
  RefuseOwnWrites(tracked);
  // Only who advances needs a transaction number; a standby has none to give.
  const char *position = advance ? PositionOf(GetActiveSnapshot()) : nullptr;
  StoreAsOwner(BuildChangesQuery(tracked, consumer.position), result);
  if (advance) Advance(name, consumer, position);
  SPI_finish();
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(changelog_top) {
  PG_RETURN_FULLTRANSACTIONID(TopOf(PG_GETARG_FULLTRANSACTIONID(0)));
}

}  // namespace helios::changelog
