// The trigger of copies that are made row by row, before a row is inserted, updated or deleted: rows of main that its
// unique keys would meet are brought in, so that the indexes of the copy decide; a key that goes is noted, so that
// main's row does not show in its place. Before TRUNCATE: the copy is whole from then on.
#include "branch/commands.hpp"
#include "branch/fork_read.hpp"
#include "branch/row_copy.hpp"
#include "branch/session.hpp"
#include "pg/indexes.hpp"
#include "pg/invalidation.hpp"

extern "C" {
#include "access/genam.h"
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// The plan that finds rows of main by the columns of a unique index of the copy.
struct Lookup {
  Oid index;  // hash key
  bool valid;
  MemoryContext context;
  PlannedStmt *plan;
};

constinit HTAB *lookups = nullptr;

void Invalidate(Datum, Oid relation) {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, lookups);
  while (auto *lookup = static_cast<Lookup *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || lookup->index == relation ||
        (lookup->plan != nullptr && list_member_oid(lookup->plan->relationOids, relation)))
      lookup->valid = false;
  }
}

void CreateLookups() {
  constexpr long kExpected = 64;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(Lookup);
  lookups = hash_create("heliosdb branch lookups", kExpected, &control, HASH_ELEM | HASH_BLOBS);
  pg::WatchRelations(Invalidate);
}

// The type of the values that a column of an index is compared with: as an index on varchar is one of text.
Oid TypeOf(Relation copy, Relation index, int i) {
  const Oid type = index->rd_opcintype[i];
  if (!IsPolymorphicType(type)) return type;
  return TupleDescAttr(RelationGetDescr(copy), index->rd_index->indkey.values[i] - 1)->atttypid;
}

// column = $n for each column of an index.
List *KeyConditions(Relation copy, Relation index) {
  List *conditions = NIL;
  for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
    const Form_pg_attribute column =
        TupleDescAttr(RelationGetDescr(copy), index->rd_index->indkey.values[i] - 1);
    const Oid type = TypeOf(copy, index, i);
    Expr *var = reinterpret_cast<Expr *>(
        makeVar(1, column->attnum, column->atttypid, column->atttypmod, column->attcollation, 0));
    if (column->atttypid != type)
      var = reinterpret_cast<Expr *>(
          makeRelabelType(var, type, -1, column->attcollation, COERCE_IMPLICIT_CAST));
    Param *param = makeNode(Param);
    param->paramkind = PARAM_EXTERN;
    param->paramid = i + 1;
    param->paramtype = type;
    param->paramtypmod = -1;
    param->paramcollid = column->attcollation;
    param->location = -1;
    Expr *condition =
        make_opclause(pg::EqualityOf(index, i), BOOLOID, false, var,
                      reinterpret_cast<Expr *>(param), InvalidOid, index->rd_indcollation[i]);
    set_opfuncid(reinterpret_cast<OpExpr *>(condition));
    conditions = lappend(conditions, condition);
  }
  return conditions;
}

// The plan for an index, made now or before.
PlannedStmt *PlanLookup(Oid main, Relation copy, Relation index) {
  if (lookups == nullptr) CreateLookups();
  const Oid index_oid = RelationGetRelid(index);
  bool found;
  auto *lookup = static_cast<Lookup *>(hash_search(lookups, &index_oid, HASH_ENTER, &found));
  if (!found) {
    lookup->valid = false;
    lookup->context = nullptr;
    lookup->plan = nullptr;
  }
  if (lookup->valid) return lookup->plan;
  PlannedStmt *plan =
      PlanForkRead(main, RelationGetRelid(copy), ForkSample(), KeyConditions(copy, index));
  lookup = static_cast<Lookup *>(hash_search(lookups, &index_oid, HASH_FIND, nullptr));
  lookup->plan = nullptr;
  if (lookup->context != nullptr) MemoryContextDelete(lookup->context);
  lookup->context = AllocSetContextCreate(CacheMemoryContext, "heliosdb branch lookup",
                                          ALLOCSET_START_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(lookup->context);
  lookup->plan = static_cast<PlannedStmt *>(copyObjectImpl(plan));
  MemoryContextSwitchTo(before);
  lookup->valid = true;
  return lookup->plan;
}

// Reads the columns of a unique index from a row; false if one is null, which meets nothing.
bool ReadKey(Relation index, TupleTableSlot *row, Datum *key) {
  for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
    bool is_null;
    key[i] = slot_getattr(row, index->rd_index->indkey.values[i], &is_null);
    if (is_null) return false;
  }
  return true;
}

bool IsSameKey(Relation copy, Relation index, const Datum *a, const Datum *b) {
  for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
    const Form_pg_attribute column =
        TupleDescAttr(RelationGetDescr(copy), index->rd_index->indkey.values[i] - 1);
    if (!datumIsEqual(a[i], b[i], column->attbyval, column->attlen)) return false;
  }
  return true;
}

// Brings in the rows of main that have a key.
void CopyMet(Oid main, const Local &local, Relation copy, Relation index, const Datum *key) {
  PlannedStmt *plan = PlanLookup(main, copy, index);
  const int count = index->rd_index->indnkeyatts;
  ParamListInfo params = makeParamList(count);
  for (int i = 0; i < count; i++) {
    params->params[i].value = key[i];
    params->params[i].isnull = false;
    params->params[i].pflags = PARAM_FLAG_CONST;
    params->params[i].ptype = TypeOf(copy, index, i);
  }
  ForkReader reader;
  reader.Open(plan, params, GetActiveSnapshot());
  TupleTableSlot *slot = nullptr;
  RowCopier copier;
  for (TupleTableSlot *row = reader.Next(); !TupIsNull(row); row = reader.Next()) {
    if (slot == nullptr) {
      copier.Open(local.relation, local.deleted, CopyCommand());
      slot = MakeSingleTupleTableSlot(RelationGetDescr(copy), &TTSOpsHeapTuple);
    }
    ExecCopySlot(slot, row);
    copier.Copy(slot, nullptr, LockWaitBlock);
  }
  if (slot != nullptr) {
    copier.Close();
    ExecDropSingleTupleTableSlot(slot);
  }
  reader.Close();
}

// Looks at the unique keys of a new row; `old` is null for an insert.
void CheckKeys(Oid main, const Local &local, Relation copy, TupleTableSlot *old,
               TupleTableSlot *row) {
  ListCell *cell;
  foreach (cell, RelationGetIndexList(copy)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    Datum key[INDEX_MAX_KEYS], old_key[INDEX_MAX_KEYS];
    if (index->rd_index->indisunique && ReadKey(index, row, key) &&
        (old == nullptr || !ReadKey(index, old, old_key) || !IsSameKey(copy, index, key, old_key)))
      CopyMet(main, local, copy, index, key);
    index_close(index, NoLock);
  }
}

// Notes the primary key of a row that goes, or gets another one.
void NoteKey(const Local &local, Relation copy, TupleTableSlot *old, TupleTableSlot *row) {
  // The relation cache tells the primary key once it has listed the indexes.
  list_free(RelationGetIndexList(copy));
  Relation index = index_open(copy->rd_pkindex, AccessShareLock);
  Datum key[INDEX_MAX_KEYS], new_key[INDEX_MAX_KEYS];
  ReadKey(index, old, key);
  const bool stays =
      row != nullptr && ReadKey(index, row, new_key) && IsSameKey(copy, index, key, new_key);
  index_close(index, NoLock);
  if (stays) return;
  RowCopier copier;
  copier.Open(local.relation, local.deleted, CopyCommand());
  copier.NoteDeleted(key, CopyCommand() + 1);
  copier.Close();
}

}  // namespace

}  // namespace helios::branch

// branch_check_keys(): trigger of copies that are made row by row.
HELIOS_FUNCTION(branch_check_keys) {
  using namespace helios::branch;
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("branch_check_keys() is a trigger")));
  }
  const auto *call = reinterpret_cast<TriggerData *>(fcinfo->context);
  Relation copy = call->tg_relation;
  HeapTuple result =
      TRIGGER_FIRED_BY_UPDATE(call->tg_event) ? call->tg_newtuple : call->tg_trigtuple;
  const CopyOf of = FindCopyOf(RelationGetRelid(copy));
  const Oid main = of.main;
  const Local local = FindLocal(of.branch, main);
  if (!local.IsPartial()) PG_RETURN_POINTER(result);
  if (of.branch != session_branch) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" of a branch can only be changed on that branch",
                           RelationGetRelationName(copy)),
                    errhint("USE BRANCH leads there.")));
  }
  if (TRIGGER_FIRED_BY_TRUNCATE(call->tg_event)) {
    NoteWhole(of.branch, main, local.relation);
    PG_RETURN_POINTER(nullptr);
  }
  if (TRIGGER_FIRED_BY_INSERT(call->tg_event)) {
    CheckKeys(main, local, copy, nullptr, call->tg_trigslot);
  } else if (TRIGGER_FIRED_BY_UPDATE(call->tg_event)) {
    CheckKeys(main, local, copy, call->tg_trigslot, call->tg_newslot);
    NoteKey(local, copy, call->tg_trigslot, call->tg_newslot);
  } else {
    NoteKey(local, copy, call->tg_trigslot, nullptr);
  }
  PG_RETURN_POINTER(result);
}
