#include "branch/commands.hpp"

#include "branch/session.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "access/xact.h"
#include "executor/executor.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<ExecutorStart_hook_type> start_chain;
constinit pg::HookChain<ExecutorRun_hook_type> run_chain;

// An item like those that invalidate a plan, which no cache has.
constexpr int kCopying = -3;

// That of the innermost statement that runs; nothing resets it on an error but the next statement.
constinit CommandId copy_command = InvalidCommandId;

bool IsCopying(const PlannedStmt *plan) {
  ListCell *cell;
  foreach (cell, plan->invalItems) {
    if (lfirst_node(PlanInvalItem, cell)->cacheId == kCopying) return true;
  }
  return false;
}

void OnStart(QueryDesc *query, int flags) {
  if (unlikely(OnBranch()) && (flags & EXEC_FLAG_EXPLAIN_ONLY) == 0 &&
      IsCopying(query->plannedstmt)) {
    GetCurrentCommandId(true);
    CommandCounterIncrement();
  }
  start_chain.next(standard_ExecutorStart)(query, flags);
}

void OnRun(QueryDesc *query, ScanDirection direction, uint64 count, bool once) {
  if (likely(!OnBranch())) {
    run_chain.next(standard_ExecutorRun)(query, direction, count, once);
    return;
  }
  const CommandId outer = copy_command;
  copy_command =
      IsCopying(query->plannedstmt) ? query->estate->es_output_cid - 1 : InvalidCommandId;
  PG_TRY();
  { run_chain.next(standard_ExecutorRun)(query, direction, count, once); }
  PG_FINALLY();
  { copy_command = outer; }
  PG_END_TRY();
}

}  // namespace

void MarkCopying(PlannedStmt *plan) {
  PlanInvalItem *item = makeNode(PlanInvalItem);
  item->cacheId = kCopying;
  plan->invalItems = lappend(plan->invalItems, item);
}

CommandId CopyCommand() {
  return copy_command == InvalidCommandId ? GetCurrentCommandId(true) : copy_command;
}

void InitCommands() {
  start_chain.Install(&ExecutorStart_hook, OnStart);
  run_chain.Install(&ExecutorRun_hook, OnRun);
}

}  // namespace helios::branch
