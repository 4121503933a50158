#include "branch/partial.hpp"

#include "branch/clone.hpp"
#include "branch/copy_up.hpp"
#include "branch/fork.hpp"
#include "pg/guc.hpp"
#include "pg/names.hpp"
#include "pg/tables.hpp"
#include "pg/triggers.hpp"

#include <cstring>

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constexpr int kDefaultLimit = 8192;
constexpr int kBytesPerKilobyte = 1024;
constexpr const char *kKeyTrigger = "~heliosdb_branch_key";

int row_copy_above = kDefaultLimit;  // kB; -1: never

bool IsLarge(Relation table) {
  return row_copy_above >= 0 && static_cast<int64>(pg::PagesOf(table)) * BLCKSZ >
                                    static_cast<int64>(row_copy_above) * kBytesPerKilobyte;
}

// Tells whether rows that a new row could meet in an index can be found by their columns.
bool CanMeet(Relation table, Relation index) {
  const Form_pg_index form = index->rd_index;
  if (form->indisexclusion) return false;
  if (!form->indisunique) return true;
  if (!form->indimmediate || form->indnullsnotdistinct || index->rd_rel->relam != BTREE_AM_OID ||
      RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL)
    return false;
  for (int i = 0; i < form->indnkeyatts; i++) {
    // Computed after the trigger.
    const AttrNumber column = form->indkey.values[i];
    if (TupleDescAttr(RelationGetDescr(table), column - 1)->attgenerated != '\0') return false;
  }
  return true;
}

// Tells whether a trigger of users runs after ours, and could change the keys of a row.
bool HasLaterTrigger(Relation table) {
  const TriggerDesc *triggers = table->trigdesc;
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
    const Trigger &trigger = triggers->triggers[i];
    if (!trigger.tgisinternal && TRIGGER_FOR_ROW(trigger.tgtype) != 0 &&
        TRIGGER_FOR_BEFORE(trigger.tgtype) && strcmp(trigger.tgname, kKeyTrigger) >= 0)
      return true;
  }
  return false;
}

// Tells whether a partitioned table refers to a table: its foreign keys are checked when they are made.
bool IsReferencedByWhole(Relation table) {
  const TriggerDesc *triggers = table->trigdesc;
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
    const Trigger &trigger = triggers->triggers[i];
    if (RI_FKey_trigger_type(trigger.tgfoid) != RI_TRIGGER_PK) continue;
    const Oid from = trigger.tgconstrrelid;
    if (get_rel_relkind(from) == RELKIND_PARTITIONED_TABLE || get_rel_relispartition(from))
      return true;
  }
  return false;
}

// The operator classes of an index.
Oid *OperatorClassesOf(Relation index) {
  bool is_null;
  const Datum classes =
      SysCacheGetAttr(INDEXRELID, index->rd_indextuple, Anum_pg_index_indclass, &is_null);
  return reinterpret_cast<oidvector *>(DatumGetPointer(classes))->values;
}

}  // namespace

bool IsToBePartial(Oid table_oid) {
  if (get_rel_relkind(table_oid) != RELKIND_RELATION || get_rel_relispartition(table_oid))
    return false;
  Relation table = table_open(table_oid, AccessShareLock);
  bool can = IsLarge(table) && !HasLaterTrigger(table) && !IsReferencedByWhole(table);
  bool has_key = false;
  ListCell *cell;
  foreach (cell, can ? RelationGetIndexList(table) : NIL) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    can = can && CanMeet(table, index);
    has_key = has_key || (index->rd_index->indisprimary && index->rd_index->indisvalid);
    index_close(index, NoLock);
  }
  table_close(table, NoLock);
  return can && has_key;
}

Oid CreateDeleted(Oid main_oid, Oid copy) {
  Relation main = table_open(main_oid, AccessShareLock);
  list_free(RelationGetIndexList(main));
  Relation key = index_open(main->rd_pkindex, AccessShareLock);
  const int count = key->rd_index->indnkeyatts;
  TupleDesc row = CreateTemplateTupleDesc(count + 1);
  TupleDescInitEntry(row, 1, "xid", XID8OID, -1, 0);
  IndexInfo *info = makeIndexInfo(count, count, BTREE_AM_OID, NIL, NIL, false, false, true, false);
  List *names = NIL;
  for (int i = 0; i < count; i++) {
    const Form_pg_attribute column =
        TupleDescAttr(RelationGetDescr(main), key->rd_index->indkey.values[i] - 1);
    const auto number = static_cast<AttrNumber>(i + 2);
    char *name = psprintf("k%d", i + 1);
    TupleDescInitEntry(row, number, name, column->atttypid, column->atttypmod, 0);
    TupleDescInitEntryCollation(row, number, column->attcollation);
    info->ii_IndexAttrNumbers[i] = number;
    names = lappend(names, name);
  }
  for (int i = 0; i <= count; i++) TupleDescAttr(row, i)->attnotnull = true;
  const Oid schema = get_rel_namespace(copy);
  const Oid deleted =
      heap_create_with_catalog(psprintf("deleted_%u", copy), schema, InvalidOid, InvalidOid,
                               InvalidOid, InvalidOid, BOOTSTRAP_SUPERUSERID, HEAP_TABLE_AM_OID,
                               row, NIL, RELKIND_RELATION, RELPERSISTENCE_PERMANENT, false, false,
                               ONCOMMIT_NOOP, Datum{0}, false, false, true, InvalidOid, nullptr);
  CommandCounterIncrement();
  // No values outside: what an index takes fits into a page.
  Relation table = table_open(deleted, AccessExclusiveLock);
  index_create(table, psprintf("deleted_%u_key", copy), InvalidOid, InvalidOid, InvalidOid,
               InvalidOid, info, names, BTREE_AM_OID, InvalidOid, key->rd_indcollation,
               OperatorClassesOf(key), key->rd_indoption, Datum{0}, 0, 0, false, true, nullptr);
  CommandCounterIncrement();
  table_close(table, NoLock);
  index_close(key, NoLock);
  table_close(main, NoLock);
  ObjectAddress made, of;
  ObjectAddressSet(made, RelationRelationId, deleted);
  ObjectAddressSet(of, RelationRelationId, copy);
  recordDependencyOn(&made, &of, DEPENDENCY_AUTO);
  return deleted;
}

void AddKeyTrigger(Oid copy) {
  const Oid function = pg::FindFunction(kAdminSchema, "branch_check_keys", {});
  pg::CreateInternalTrigger(copy, kKeyTrigger, true, TRIGGER_TYPE_BEFORE,
                            TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
                            function);
  pg::CreateInternalTrigger(copy, kKeyTrigger, false, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_TRUNCATE,
                            function);
}

void MakeWhole(const Branch &branch, Oid main) {
  if (!FindLocal(branch.id, main).IsPartial()) return;
  const ForkPoint fork = ForkOf(RootOf(branch));
  LockBranch(branch.id, false);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  LockRelationOid(main, AccessShareLock);
  LockRelationOid(FindLocal(branch.id, main).relation, AccessExclusiveLock);
  const Local local = FindLocal(branch.id, main);
  if (local.IsPartial()) {
    // Whoever had the table before has committed: what he changed must be seen.
    PushActiveSnapshot(GetLatestSnapshot());
    CloneRows(main, local.relation, WriteOverlaidCarrier(fork, local, 'u'), false);
    PopActiveSnapshot();
    ReindexParams params = {};
    reindex_relation(local.relation, 0, &params);
    CommandCounterIncrement();
    NoteWhole(branch.id, main, local.relation);
    RunSql(psprintf("SELECT heliosdb.track(%u)", local.relation), SPI_OK_SELECT);
  }
  SPI_finish();
  scope.Leave();
}

void MakeAllWhole(const Branch &branch) {
  ListCell *cell;
  foreach (cell,
           QueryOids(psprintf("SELECT main_relid FROM heliosdb.branch_relations WHERE branch "
                              "= %lld AND deleted_relid <> 0 AND whole_xid IS NULL ORDER BY 1",
                              static_cast<long long>(branch.id))))
    MakeWhole(branch, lfirst_oid(cell));
}

void InitPartial() {
  pg::DefineInt({.name = "heliosdb.branch_row_copy_above",
                 .meaning = "Size of a table from which on a branch copies single rows of it that "
                            "change, and not all of it.",
                 .range = "A size; 0 for all tables that allow it, -1 for none.",
                 .unit = "kB",
                 .flags = GUC_UNIT_KB},
                &row_copy_above, kDefaultLimit, -1, MAX_KILOBYTES, PGC_USERSET);
}

}  // namespace helios::branch
