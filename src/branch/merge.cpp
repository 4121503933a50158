// Steps of a merge that need the catalogs; the merge itself is heliosdb.merge_into_main(), run with the privileges
// of the caller.
#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/manage.hpp"
#include "branch/session.hpp"
#include "pg/names.hpp"
#include "pg/pause.hpp"

#include <cstring>

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
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
  if (branch.parent != kMain) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("branch \"%s\" cannot be merged into main", name),
                    errdetail("It comes from another branch.")));
  }
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

// merge_end(branch bigint): the branch and main have this merge as their base; sequences of main go on behind the
// values that were taken on the branch.
HELIOS_FUNCTION(merge_end) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const auto id = static_cast<long long>(branch.id);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(psprintf("UPDATE heliosdb.branch_relations SET base_xid = pg_current_xact_id() WHERE "
                  "branch = %lld "
                  "AND main_relid <> 0 AND local_relid <> 0",
                  id),
         SPI_OK_UPDATE);
  RunSql(psprintf("UPDATE heliosdb.branches SET merges = merges + 1, merged_at = clock_timestamp() "
                  "WHERE id "
                  "= %lld",
                  id),
         SPI_OK_UPDATE);
  List *sequences = QueryOids(
      psprintf("SELECT r.local_relid FROM heliosdb.branch_relations r JOIN pg_class c ON c.oid = "
               "r.local_relid WHERE r.branch = %lld AND r.main_relid <> 0 AND c.relkind = 'S'",
               id),
      CurrentMemoryContext);
  ListCell *cell;
  foreach (cell, sequences) {
    const Oid local = lfirst_oid(cell);
    const Oid main = FindCounterpart(local).main;
    RunSql(
        psprintf(
            "SELECT setval('%u'::regclass, l.last_value, l.is_called) FROM %s l, %s m, "
            "pg_sequence s "
            "WHERE s.seqrelid = %u AND (sign(l.last_value - m.last_value) = sign(s.seqincrement) "
            "OR (l.last_value = m.last_value AND l.is_called AND NOT m.is_called))",
            main, pg::QualifiedName(local), pg::QualifiedName(main), main),
        SPI_OK_SELECT);
  }
  SPI_finish();
  scope.Leave();
  NoteMerge(branch.id);
  BranchesChanged();
  pg::Pause("branch_merge_end");
  PG_RETURN_VOID();
}

}  // namespace helios::branch
