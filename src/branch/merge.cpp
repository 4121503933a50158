// Steps of a merge that need the catalogs; the merge itself is heliosdb.merge_into(), run with the privileges
// of the caller.
#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/copy_up.hpp"
#include "branch/inherit.hpp"
#include "branch/inherited.hpp"
#include "branch/manage.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
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

// The branch that is merged into, for the maps of relations: that of the session, which is main within a SystemScope.
constinit int64 merging_into = kMain;

// Notes that a relation that was created on a branch is on the target now.
void NoteMerged(Oid local, Oid goal, Oid schema) {
  if (merging_into == kMain) {
    RunSql(psprintf("UPDATE heliosdb.branch_relations r SET main_relid = %u, columns = c.relnatts "
                    "FROM pg_class c WHERE r.local_relid = %u AND c.oid = r.local_relid",
                    goal, local),
           SPI_OK_UPDATE);
  } else {
    AddLocal(merging_into, InvalidOid, goal, schema);
    RunSql(psprintf("UPDATE heliosdb.branch_relations r SET origin = l.origin FROM "
                    "heliosdb.branch_relations l WHERE r.local_relid = %u AND l.local_relid = %u",
                    goal, local),
           SPI_OK_UPDATE);
    RunSql(psprintf("UPDATE heliosdb.branch_relations r SET shared = c.relnatts FROM pg_class c "
                    "WHERE r.local_relid = %u AND c.oid = r.local_relid",
                    local),
           SPI_OK_UPDATE);
  }
  LocalChanged(goal);
}

// The relation of the target that a relation of a branch stands for, with the schema it belongs to on main.
struct Counterpart {
  Oid goal;
  Oid main;
  Oid schema;
};
Counterpart FindCounterpart(Oid local) {
  RunSql(psprintf("SELECT COALESCE(CASE WHEN %1$lld = %2$lld THEN r.main_relid ELSE g.local_relid "
                  "END, 0), r.main_relid, r.schema FROM heliosdb.branch_relations r LEFT JOIN "
                  "heliosdb.branch_relations g ON g.branch = %1$lld AND ((r.main_relid <> 0 AND "
                  "g.main_relid = r.main_relid) OR (r.origin <> 0 AND g.origin = r.origin)) WHERE "
                  "r.local_relid = %3$u",
                  static_cast<long long>(merging_into), static_cast<long long>(kMain), local),
         SPI_OK_SELECT);
  if (SPI_processed == 0) return {};
  bool is_null;
  const auto oid_at = [&is_null](int column) {
    return DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null));
  };
  return {oid_at(1), oid_at(2), oid_at(3)};
}

// The schema of the target for what belongs to a schema of main.
Oid SpaceOfTarget(Oid schema) {
  return merging_into == kMain ? schema : EnsureSpace(merging_into, Space::kShadow, schema);
}

// The sequence of the target for one of the branch, which is created now if there is none.
Oid MergeSequence(Oid sequence) {
  if (get_rel_relkind(sequence) != RELKIND_SEQUENCE) return sequence;
  const Counterpart counterpart = FindCounterpart(sequence);
  if (OidIsValid(counterpart.goal)) return counterpart.goal;
  if (!OidIsValid(counterpart.schema)) return sequence;
  if (OidIsValid(counterpart.main)) return BranchSequence(merging_into, counterpart.main);
  const Oid goal = CloneSequence(sequence, SpaceOfTarget(counterpart.schema));
  NoteMerged(sequence, goal, counterpart.schema);
  return goal;
}

Oid MergedTable(Oid local) { return FindCounterpart(local).goal; }

// Tells whether the target has a relation of a name.
bool IsTaken(Oid schema, const char *name) {
  const Oid main = get_relname_relid(name, schema);
  if (merging_into == kMain) return OidIsValid(main);
  const Oid space =
      get_namespace_oid(SpaceName(merging_into, Space::kShadow, get_namespace_name(schema)), true);
  if (OidIsValid(space) && OidIsValid(get_relname_relid(name, space))) return true;
  if (!OidIsValid(main)) return false;
  const Local local = FindLocal(merging_into, main);
  if (local.exists) return OidIsValid(local.relation);
  return Classify(main, merging_into) != Kind::kTable || ExistedAtFork(main);
}

// Raises an error unless the role can create a table of that name on the target.
void CheckNew(Oid schema, const char *name) {
  const AclResult allowed = pg_namespace_aclcheck(schema, GetUserId(), ACL_CREATE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_SCHEMA, get_namespace_name(schema));
  if (!IsTaken(schema, name)) return;
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
                  errmsg("table \"%s\" cannot be merged: it was created on both sides", name),
                  errhint("Rename or drop one of them.")));
}

// Lets a sequence go on behind a value, if it stands before it. It is read and set under the lock of its page,
// as by nextval(), of which other sessions may call some at any time.
void Advance(Oid sequence, int64 value, bool is_used) {
  HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for sequence %u", sequence);
  const FormData_pg_sequence definition = *reinterpret_cast<Form_pg_sequence>(GETSTRUCT(tuple));
  ReleaseSysCache(tuple);
  if (value < definition.seqmin || value > definition.seqmax) {
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("sequence \"%s\" cannot go on behind value %lld of the branch",
                           get_rel_name(sequence), static_cast<long long>(value)),
                    errhint("Let its bounds be those that it has on the branch.")));
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

// Lets a sequence go on behind the values of one of the branch.
void MoveSequence(Oid local, Oid goal) {
  RunSql(psprintf("SELECT last_value, is_called FROM %s", pg::QualifiedName(local)), SPI_OK_SELECT);
  bool is_null;
  const HeapTuple row = SPI_tuptable->vals[0];
  const int64 value = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
  const bool is_used = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));
  Advance(goal, value, is_used);
}

// Raises an error unless a branch comes from the one that it is to be merged into.
void CheckTarget(const Branch &branch, const Branch &target) {
  if (branch.parent == target.id) return;
  Branch parent;
  if (!FindBranchById(branch.parent, &parent)) elog(ERROR, "branch has no parent");
  const char *name = NameStr(branch.name), *above = NameStr(parent.name);
  Branch ancestor = parent;
  while (ancestor.id != target.id && ancestor.id != kMain) {
    if (!FindBranchById(ancestor.parent, &ancestor)) elog(ERROR, "branch has no parent");
  }
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("branch \"%s\" cannot be merged into branch \"%s\"", name, NameStr(target.name)),
       errdetail("It comes from branch \"%s\".", above),
       ancestor.id == target.id ? errhint("MERGE BRANCH %s INTO %s first.", quote_identifier(name),
                                          quote_identifier(above))
                                : errhint("A branch is merged into the one that it comes from.")));
}

// Finds a branch by its name; an error if there is none.
Branch NamedBranch(const char *name) {
  Branch branch;
  if (!FindBranch(name, &branch)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("branch \"%s\" does not exist", name),
                    errhint("SHOW BRANCHES lists the branches of this database.")));
  }
  return branch;
}

}  // namespace

// merge_begin(source text, target text): the id of the branch, which nobody else changes, merges or drops now.
HELIOS_FUNCTION(merge_begin) {
  PreventCommandIfReadOnly("MERGE BRANCH");
  const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  const char *into = text_to_cstring(PG_GETARG_TEXT_PP(1));
  if (strcmp(name, into) == 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("branch %s cannot be merged into itself", quote_identifier(name))));
  }
  if (strcmp(name, kMainName) == 0) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("branch main cannot be merged into branch \"%s\"", into),
                    errhint("Create a new branch of main, or merge branch %s into main.",
                            quote_identifier(into))));
  }
  const Branch branch = NamedBranch(name);
  const Branch target = NamedBranch(into);
  RequireOwner(branch);
  CheckTarget(branch, target);
  if (target.id != kMain) {
    LockBranch(target.id, true);
    NamedBranch(into);  // somebody may have dropped it meanwhile
  }
  LockBranch(branch.id, true);
  OwnedBranch(branch.id);
  PG_RETURN_INT64(branch.id);
}

// merge_goal(relation oid): the table of the session's branch for one of main or its own, with rows of its own.
HELIOS_FUNCTION(merge_goal) {
  const Oid relation = PG_GETARG_OID(0);
  const Oid goal = Classify(relation, session_branch) == Kind::kTable ? CopyUp(relation) : relation;
  Fill(goal);
  // It is read and changed by its name, and so is what refers to it.
  MakeAllWhole(CurrentBranch());
  PG_RETURN_OID(goal);
}

// merge_table(branch bigint, local oid): the new table of the session's branch for one that was created on the branch
// that is merged, still empty.
HELIOS_FUNCTION(merge_table) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const Oid local = PG_GETARG_OID(1);
  List *schemas =
      QueryOids(psprintf("SELECT schema FROM heliosdb.branch_relations WHERE branch = %lld AND "
                         "local_relid = %u AND main_relid = 0",
                         static_cast<long long>(branch.id), local));
  if (schemas == NIL) elog(ERROR, "relation %u was not created on the branch", local);
  const Oid schema = linitial_oid(schemas);
  merging_into = session_branch;
  CheckNew(schema, get_rel_name(local));
  if (OnBranch()) NoteDefinitions();
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  const Oid goal = CloneTable(local, SpaceOfTarget(schema), MergeSequence);
  CloneIndexes(local, goal);
  CloneTriggers(local, goal, MergedTable);
  ClonePolicies(local, goal);
  NoteMerged(local, goal, schema);
  RunSql(psprintf("SELECT heliosdb.track(%u)", goal), SPI_OK_SELECT);
  SPI_finish();
  scope.Leave();
  pg::Pause("branch_merge");
  PG_RETURN_OID(goal);
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

// merge_sequences(branch bigint): sequences of the session's branch go on behind the values that were taken on the
// branch.
HELIOS_FUNCTION(merge_sequences) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const auto id = static_cast<long long>(branch.id);
  merging_into = session_branch;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  List *sequences = QueryOids(
      psprintf("SELECT r.local_relid FROM heliosdb.branch_relations r JOIN pg_class c ON c.oid = "
               "r.local_relid WHERE r.branch = %lld AND c.relkind = 'S'",
               id),
      CurrentMemoryContext);
  ListCell *cell;
  foreach (cell, sequences) {
    const Oid local = lfirst_oid(cell);
    const Counterpart counterpart = FindCounterpart(local);
    Oid goal = counterpart.goal;
    if (!OidIsValid(goal) && OidIsValid(counterpart.main))
      goal = BranchSequence(merging_into, counterpart.main);
    if (!OidIsValid(goal)) continue;
    MoveSequence(local, goal);
  }
  SPI_finish();
  scope.Leave();
  PG_RETURN_VOID();
}

// merge_end(branch bigint): the branch and that of the session have this merge as their base.
HELIOS_FUNCTION(merge_end) {
  const Branch branch = OwnedBranch(PG_GETARG_INT64(0));
  const auto id = static_cast<long long>(branch.id);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(
      psprintf("UPDATE heliosdb.branch_relations SET base_xid = pg_current_xact_id(), base_scn = "
               "%lld WHERE branch = %lld AND local_relid <> 0 AND made_xid IS NOT NULL",
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
  SPI_finish();
  scope.Leave();
  NoteMerge(branch.id);
  BranchesChanged();
  pg::Pause("branch_merge_end");
  PG_RETURN_VOID();
}

}  // namespace helios::branch
