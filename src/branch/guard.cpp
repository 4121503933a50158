// Whatever the ways to a plan: on a branch it writes relations of that branch, temporary ones or catalogs, and it
// reads main's tables only as long as the branch has no copies of them.
#include "branch/guard.hpp"

#include "branch/catalog.hpp"
#include "branch/inherited.hpp"
#include "branch/redirect.hpp"
#include "branch/relations.hpp"
#include "branch/session.hpp"
#include "pg/hooks.hpp"

#include <cstring>

extern "C" {
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<ExecutorStart_hook_type> chain;
constinit pg::HookChain<ExecutorFinish_hook_type> finish_chain;
constinit pg::HookChain<fmgr_hook_type> call_chain;

// Raises an error for a relation that a statement on a branch may not change.
void CheckWritten(Oid relation, Snapshot snapshot) {
  const Kind kind = Classify(relation, session_branch);
  if (kind == Kind::kOwn) {
    CheckNotMerged();
    CheckFilled(relation, snapshot);
  }
  if (kind == Kind::kOwn || kind == Kind::kShared || kind == Kind::kView) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("a statement on branch \"%s\" would change \"%s\", which is not of that "
                         "branch",
                         SessionBranchName(), get_rel_name(relation)),
                  errhint("Run it again.")));
}

// Tells whether a relation is among the entries of a range table.
bool IsAmong(Oid relation, const List *entries) {
  const ListCell *cell;
  foreach (cell, entries) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind == RTE_RELATION && entry->relid == relation) return true;
  }
  return false;
}

// Raises an error if a table that is to be read as of the fork has been copied by another session since the
// statement was planned: what that has changed would be missed.
void CheckRead(const RangeTblEntry *entry, const List *entries, Snapshot snapshot) {
  // Entries that only ask for privileges beside the copy are not read.
  if (entry->rtekind != RTE_RELATION || !entry->inFromCl) return;
  const Kind kind = Classify(entry->relid, session_branch);
  if (kind == Kind::kOwn) CheckFilled(entry->relid, snapshot);
  if (kind != Kind::kTable || IsolationUsesXactSnapshot()) return;
  const Local local = FindLocal(CurrentBranch().id, entry->relid);
  if (!local.exists || (local.IsPartial() && IsAmong(local.relation, entries))) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("table \"%s\" was changed on branch \"%s\" for the first time meanwhile",
                         get_rel_name(entry->relid), SessionBranchName()),
                  errhint("Run the statement again.")));
}

// Raises an error for a plan of another branch, as a function in SQL has that changes the branch: it plans all of its
// statements before it runs the first one.
void CheckPlan(const PlannedStmt *plan) {
  ListCell *cell;
  foreach (cell, plan->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind != RTE_RELATION || Classify(entry->relid, session_branch) == Kind::kShared)
      continue;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the branch was changed after a statement about \"%s\" was planned",
                           get_rel_name(entry->relid)),
                    errhint("A function in SQL that changes the branch cannot use tables: write it "
                            "in PL/pgSQL.")));
  }
}

void OnStart(QueryDesc *query, int flags) {
  // Workers are given no more of a plan than they need to run it.
  if (unlikely(!IsForSession(query->plannedstmt)) && !IsParallelWorker())
    CheckPlan(query->plannedstmt);
  if (unlikely(OnBranch())) {
    PlannedStmt *plan = query->plannedstmt;
    ListCell *cell;
    foreach (cell, plan->resultRelations)
      CheckWritten(rt_fetch(lfirst_int(cell), plan->rtable)->relid, query->snapshot);
    foreach (cell, plan->rowMarks) {
      const auto *mark = lfirst_node(PlanRowMark, cell);
      if (RowMarkRequiresRowShareLock(mark->markType))
        CheckWritten(rt_fetch(mark->rti, plan->rtable)->relid, query->snapshot);
    }
    AcceptInvalidationMessages();
    CheckSources(plan);
    foreach (cell, plan->rtable)
      CheckRead(lfirst_node(RangeTblEntry, cell), plan->rtable, query->snapshot);
  }
  if (chain.previous() != nullptr) {
    chain.previous()(query, flags);
  } else {
    standard_ExecutorStart(query, flags);
  }
}

// Raises an error before the triggers of a statement would run on another branch than the statement itself.
void OnFinish(QueryDesc *query) {
  const PlannedStmt *plan = query->plannedstmt;
  if ((plan->commandType != CMD_SELECT || plan->hasModifyingCTE) && unlikely(!IsForSession(plan))) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("a statement that changes rows has changed the branch"),
                    errhint("Change the branch by a statement of its own.")));
  }
  finish_chain.next(standard_ExecutorFinish)(query);
}

// The branch that a function sets for itself; null if it sets none.
const char *BranchOf(Oid function) {
  constexpr const char *kSetting = "heliosdb.branch=";
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) return nullptr;
  bool is_null;
  const Datum settings = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig, &is_null);
  const char *branch = nullptr;
  if (!is_null) {
    Datum *texts;
    int count;
    deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false, TYPALIGN_INT, &texts,
                      nullptr, &count);
    for (int i = 0; i < count; i++) {
      const char *setting = TextDatumGetCString(texts[i]);
      if (pg_strncasecmp(setting, kSetting, strlen(kSetting)) == 0)
        branch = setting + strlen(kSetting);
    }
  }
  ReleaseSysCache(tuple);
  return branch;
}

// Raises an error if a function leaves deferred constraints of its own branch to that of its caller.
void OnCall(FmgrHookEventType event, FmgrInfo *function, Datum *argument) {
  if (call_chain.previous() != nullptr) call_chain.previous()(event, function, argument);
  if (event != FHET_END || !TransactionIdIsValid(GetTopTransactionIdIfAny())) return;
  const char *branch = BranchOf(function->fn_oid);
  if (branch == nullptr || strcmp(*branch == '\0' ? kMainName : branch, SessionBranchName()) == 0 ||
      !HasPendingTriggers())
    return;
  ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                  errmsg("function \"%s\" leaves deferred constraints of branch \"%s\"",
                         get_func_name(function->fn_oid), branch),
                  errdetail("They would be checked on the branch of the caller."),
                  errhint("SET CONSTRAINTS ALL IMMEDIATE in the function.")));
}

}  // namespace

void InitGuard() {
  chain.Install(&ExecutorStart_hook, OnStart);
  finish_chain.Install(&ExecutorFinish_hook, OnFinish);
  call_chain.Install(&fmgr_hook, OnCall);
}

}  // namespace helios::branch
