// Steps of a merge that need the catalogs; the merge itself is heliosdb.merge_into_main(), run with the privileges
// of the caller.
#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/manage.hpp"
#include "branch/session.hpp"
#include "changelog/changelog.hpp"
#include "pg/names.hpp"
#include "pg/pause.hpp"

#include <cstring>

extern "C" {
#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// The branch by its id, which the role must own.
Branch OwnedBranch(int64 id) {
  Branch branch;
  if (id == kMain || !FindBranchById(id, &branch)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("branch %lld does not exist", static_cast<long long>(id))));
  }
  RequireOwner(branch);
  return branch;
}

// Notes that a relation that was created on a branch is on main now.
void NoteMerged(Oid local, Oid main) {
  RunSql(psprintf("UPDATE heliosdb.branch_relations r SET main_relid = %u, columns = c.relnatts "
                  "FROM pg_class c "
                  "WHERE r.local_relid = %u AND c.oid = r.local_relid",
                  main, local),
         SPI_OK_UPDATE);
  LocalChanged(main);
}

// The relation of main that a relation of a branch stands for, with the schema it belongs to there.
struct Counterpart {
  Oid main;
  Oid schema;
};
Counterpart FindCounterpart(Oid local) {
  RunSql(psprintf("SELECT main_relid, schema FROM heliosdb.branch_relations WHERE local_relid = %u",
                  local),
         SPI_OK_SELECT);
  if (SPI_processed == 0) return {};
  bool is_null;
  return {
      DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null)),
      DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null))};
}

// The sequence on main for one of the branch, which is created now if there is none.
Oid MergeSequence(Oid sequence) {
  if (get_rel_relkind(sequence) != RELKIND_SEQUENCE) return sequence;
  const Counterpart counterpart = FindCounterpart(sequence);
  if (OidIsValid(counterpart.main) || !OidIsValid(counterpart.schema))
    return OidIsValid(counterpart.main) ? counterpart.main : sequence;
  const Oid main = CloneSequence(sequence, counterpart.schema);
  NoteMerged(sequence, main);
  return main;
}

Oid MergedTable(Oid local) { return FindCounterpart(local).main; }

// Raises an error unless the role can create a table of that name on main.
void CheckNew(Oid schema, const char *name) {
  const AclResult allowed = pg_namespace_aclcheck(schema, GetUserId(), ACL_CREATE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_SCHEMA, get_namespace_name(schema));
  if (!OidIsValid(get_relname_relid(name, schema))) return;
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
                  errmsg("table \"%s\" cannot be merged: it was created on both sides", name),
                  errhint("Rename or drop one of them.")));
}

// Lets a sequence of main go on behind a value, if it stands before it. It is read and set under the lock of its page,
// as by nextval(), of which other sessions may call some at any time.
void Advance(Oid sequence, int64 value, bool is_used) {
  HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for sequence %u", sequence);
  const FormData_pg_sequence definition = *reinterpret_cast<Form_pg_sequence>(GETSTRUCT(tuple));
  ReleaseSysCache(tuple);
  if (value < definition.seqmin || value > definition.seqmax) {
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("sequence \"%s\" of main cannot go on behind value %lld of the branch",
                           get_rel_name(sequence), static_cast<long long>(value)),
                    errhint("Let its bounds on main be those that it has on the branch.")));
  }
  Relation relation = relation_open(sequence, RowExclusiveLock);
  const Buffer buffer = ReadBuffer(relation, 0);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  GenericXLogState *change = GenericXLogStart(relation);
  Page page = GenericXLogRegisterBuffer(change, buffer, 0);
  const auto row =
      reinterpret_cast<HeapTupleHeader>(PageGetItem(page, PageGetItemId(page, FirstOffsetNumber)));
  const auto state =
      reinterpret_cast<Form_pg_sequence_data>(reinterpret_cast<char *>(row) + row->t_hoff);
  const bool is_before =
      definition.seqincrement > 0 ? state->last_value < value : state->last_value > value;
  const bool is_unused = state->last_value == value && is_used && !state->is_called;
  if (is_before || is_unused) {
    state->last_value = value;
    state->is_called = is_used;
    state->log_cnt = 0;  // the next value is logged again
    GenericXLogFinish(change);
  } else {
    GenericXLogAbort(change);
  }
  UnlockReleaseBuffer(buffer);
  relation_close(relation, NoLock);
}

// Lets the sequence of main that one of the branch stands for go on behind its values.
void MoveSequence(Oid local) {
  const Oid main = FindCounterpart(local).main;
  RunSql(psprintf("SELECT last_value, is_called FROM %s", pg::QualifiedName(local)), SPI_OK_SELECT);
  bool is_null;
  const HeapTuple row = SPI_tuptable->vals[0];
  const int64 value = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
  const bool is_used = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));
  Advance(main, value, is_used);
}

}  // namespace

// merge_begin(source text, target text): the id of the branch, which nobody else changes, merges or drops now.
HELIOS_FUNCTION(merge_begin) {
  PreventCommandIfReadOnly("MERGE BRANCH");
  const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  if (strcmp(name, kMainName) == 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("branch main cannot be merged into itself")));
  }
  Branch branch;
  if (!FindBranch(name, &branch)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("branch \"%s\" does not exist", name),
                    errhint("SHOW BRANCHES lists the branches of this database.")));
  }
  RequireOwner(branch);
  LockBranch(branch.id, true);
  OwnedBranch(branch.id);  // somebody may have dropped it meanwhile
  PG_RETURN_INT64(branch.id);
}

// merge_table(branch bigint, local oid): the new table of main for one that was created on the branch, still empty.
HELIOS_FUNCTION(merge_table) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const Oid local = PG_GETARG_OID(1);
  List *schemas =
      QueryOids(psprintf("SELECT schema FROM heliosdb.branch_relations WHERE branch = %lld AND "
                         "local_relid = %u AND main_relid = 0",
                         static_cast<long long>(branch.id), local));
  if (schemas == NIL) elog(ERROR, "relation %u was not created on the branch", local);
  const Oid schema = linitial_oid(schemas);
  CheckNew(schema, get_rel_name(local));
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  const Oid main = CloneTable(local, schema, MergeSequence);
  CloneIndexes(local, main);
  CloneTriggers(local, main, MergedTable);
  ClonePolicies(local, main);
  NoteMerged(local, main);
  RunSql(psprintf("SELECT heliosdb.track(%u)", main), SPI_OK_SELECT);
  SPI_finish();
  scope.Leave();
  pg::Pause("branch_merge");
  PG_RETURN_OID(main);
}

// merge_deleted(branch bigint, local oid): a temporary table of the keys that a copy had lost at its base.
HELIOS_FUNCTION(merge_deleted) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  List *found =
      QueryOids(psprintf("SELECT deleted_relid FROM heliosdb.branch_relations WHERE branch = %lld "
                         "AND local_relid = %u AND deleted_relid <> 0",
                         static_cast<long long>(branch.id), PG_GETARG_OID(1)),
                CurrentMemoryContext);
  if (found == NIL) elog(ERROR, "relation %u is not copied row by row", PG_GETARG_OID(1));
  RunSql(psprintf("CREATE TEMPORARY TABLE heliosdb_deleted ON COMMIT DROP AS SELECT d.* FROM %s d "
                  "JOIN heliosdb.branch_relations r ON r.local_relid = %u JOIN "
                  "heliosdb_log.snapshots s ON s.scn = r.base_scn WHERE d.xid = r.base_xid OR "
                  "pg_visible_in_snapshot(d.xid, s.seen)",
                  pg::QualifiedName(linitial_oid(found)), PG_GETARG_OID(1)),
         SPI_OK_UTILITY);
  RunSql("GRANT SELECT ON pg_temp.heliosdb_deleted TO PUBLIC", SPI_OK_UTILITY);
  SPI_finish();
  scope.Leave();
  PG_RETURN_VOID();
}

// merge_end(branch bigint): the branch and main have this merge as their base; sequences of main go on behind the
// values that were taken on the branch.
HELIOS_FUNCTION(merge_end) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const auto id = static_cast<long long>(branch.id);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(
      psprintf("UPDATE heliosdb.branch_relations SET base_xid = pg_current_xact_id(), base_scn = "
               "%lld WHERE branch = %lld AND main_relid <> 0 AND local_relid <> 0",
               static_cast<long long>(changelog::RecordWithOwn().scn), id),
      SPI_OK_UPDATE);
  RunSql(psprintf("UPDATE heliosdb.branches SET merges = merges + 1, merged_at = clock_timestamp() "
                  "WHERE id "
                  "= %lld",
                  id),
         SPI_OK_UPDATE);
  // What is copied row by row is tracked from here on: the next merge goes by it.
  ListCell *cell;
  foreach (cell, QueryOids(psprintf("SELECT local_relid FROM heliosdb.branch_relations r WHERE "
                                    "branch = %lld AND deleted_relid <> 0 AND NOT EXISTS (SELECT "
                                    "FROM heliosdb.tracked t WHERE t.relid = r.local_relid)",
                                    id),
                           CurrentMemoryContext))
    RunSql(psprintf("SELECT heliosdb.track(%u)", lfirst_oid(cell)), SPI_OK_SELECT);
  List *sequences = QueryOids(
      psprintf("SELECT r.local_relid FROM heliosdb.branch_relations r JOIN pg_class c ON c.oid = "
               "r.local_relid WHERE r.branch = %lld AND r.main_relid <> 0 AND c.relkind = 'S'",
               id),
      CurrentMemoryContext);
  foreach (cell, sequences) MoveSequence(lfirst_oid(cell));
  SPI_finish();
  scope.Leave();
  NoteMerge(branch.id);
  BranchesChanged();
  pg::Pause("branch_merge_end");
  PG_RETURN_VOID();
}

}  // namespace helios::branch
