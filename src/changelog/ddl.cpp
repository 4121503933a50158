// Event triggers of the extension: what DDL does to tracked tables.
//
//   ddl_command_end  columns, key, indexes, triggers and partitions may have changed
//   table_rewrite    every row has got a new creator: history starts anew
//   sql_drop         a table takes its log along, an index that of the log; our triggers may not be
//                    dropped singly
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/consumers.hpp"
#include "changelog/log_table.hpp"
#include "changelog/track.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::changelog {

namespace {

void CheckEventTrigger(FunctionCallInfo fcinfo) {
  if (CALLED_AS_EVENT_TRIGGER(fcinfo)) return;
  ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                  errmsg("function was not called as an event trigger")));
}

// Reads a column of the last result; 0 for null.
Oid OidAt(uint64 row, int column) {
  bool is_null;
  const Datum value =
      SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
  return is_null ? InvalidOid : DatumGetObjectId(value);
}

void Query(const char *sql) {
  EnsurePortalSnapshotExists();  // commands that consist of several transactions leave none
  SPI_connect();
  if (SPI_execute(sql, true, 0) != SPI_OK_SELECT) elog(ERROR, "cannot read what DDL has done");
}

// True if a dropped trigger carries the name that we gave it.
bool IsOurTrigger(Oid trigger, const char *identity) {
  for (const char *name : kTriggerNames) {
    const char *own = psprintf("%s_%u on ", name, trigger);
    if (std::strncmp(identity, own, std::strlen(own)) == 0) return true;
  }
  return false;
}

bool Exists(Oid relation) { return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)); }

// Returns the table of an index, every other relation itself.
Oid TableOf(Oid relation) {
  const char kind = get_rel_relkind(relation);
  if (kind != RELKIND_INDEX && kind != RELKIND_PARTITIONED_INDEX) return relation;
  return IndexGetRelation(relation, true);
}

// Returns the table of a relation that this transaction has dropped if that was an index, else 0, and
// whether a log may have one like it.
Oid TableOfDropped(Oid relation, bool *may_be_mirrored) {
  Relation indexes = table_open(IndexRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_index_indexrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  // Its row is dead for us already, but nobody can have removed it yet.
  SysScanDesc scan = systable_beginscan(indexes, IndexRelidIndexId, true, SnapshotAny, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  Oid table = InvalidOid;
  if (HeapTupleIsValid(tuple)) {
    TupleDesc desc = RelationGetDescr(indexes);
    table = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple))->indrelid;
    *may_be_mirrored = heap_attisnull(tuple, Anum_pg_index_indpred, desc) &&
                       heap_attisnull(tuple, Anum_pg_index_indexprs, desc);
  }
  systable_endscan(scan);
  table_close(indexes, AccessShareLock);
  return table;
}

// Locks the log of a table to drop an index. Two that drop at once and had lesser locks at first would wait
// for each other.
void LockLog(Oid table) {
  TrackedTable tracked;
  if (FindTracked(table, &tracked) && OidIsValid(tracked.log))
    LockRelationOid(tracked.log, AccessExclusiveLock);
}

// Forgets a table that is gone, and its log.
void ForgetDropped(Oid relation) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) return;
  DropLog(tracked.log);
  DropConsumersOf(relation);
  ForgetTracked(relation);
  if (!OidIsValid(tracked.root) || !Exists(tracked.root)) return;
  RestartRow(tracked.root, kPartitionsChanged);
  ListCell *cell;
  foreach (cell, TrackedUnder(tracked.root)) {
    TrackedTable part;
    if (Exists(lfirst_oid(cell)) && FindTracked(lfirst_oid(cell), &part) && !OidIsValid(part.log))
      RestartRow(part.relation, kPartitionsChanged);
  }
}

// Reconciles the relations that are still there.
void ReconcileAll(List *relations) {
  ListCell *cell;
  foreach (cell, relations) {
    if (Exists(lfirst_oid(cell))) Reconcile(lfirst_oid(cell));
  }
}

}  // namespace

HELIOS_FUNCTION(changelog_ddl_end) {
  CheckEventTrigger(fcinfo);
  Query("SELECT classid, objid, objsubid FROM pg_catalog.pg_event_trigger_ddl_commands()");
  List *relations = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    if (OidAt(row, 1) == RelationRelationId)
      relations = list_append_unique_oid(relations, TableOf(OidAt(row, 2)));
  }
  ReconcileAll(relations);
  SPI_finish();
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(changelog_rewrite) {
  CheckEventTrigger(fcinfo);
  Restart(DatumGetObjectId(OidFunctionCall0(F_PG_EVENT_TRIGGER_TABLE_REWRITE_OID)), kRewritten);
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(changelog_drop) {
  CheckEventTrigger(fcinfo);
  Query(
      "SELECT classid, objid, objsubid, original, object_identity "
      "FROM pg_catalog.pg_event_trigger_dropped_objects()");
  // What follows runs statements of its own, so the result is read to the end first.
  List *gone = NIL;
  List *altered = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    const Oid object = OidAt(row, 2);
    if (OidAt(row, 1) == RelationRelationId) {
      List **list = OidAt(row, 3) == 0 ? &gone : &altered;
      *list = list_append_unique_oid(*list, object);
    } else if (OidAt(row, 1) == TriggerRelationId && OidAt(row, 4) != 0 &&
               IsOurTrigger(object,
                            SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 5))) {
      ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                      errmsg("cannot drop a trigger of the change log"),
                      errhint("Run heliosdb.untrack() for its table.")));
    }
  }
  ListCell *cell;
  foreach (cell, gone) {
    ForgetDropped(lfirst_oid(cell));
    bool may_be_mirrored;
    const Oid table = TableOfDropped(lfirst_oid(cell), &may_be_mirrored);
    if (!OidIsValid(table) || !Exists(table)) continue;
    if (may_be_mirrored) LockLog(table);
    altered = list_append_unique_oid(altered, table);
  }
  ReconcileAll(altered);
  SPI_finish();
  PG_RETURN_NULL();
}

}  // namespace helios::changelog
