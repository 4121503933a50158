#include "branch/utility.hpp"

#include "branch/catalog.hpp"
#include "branch/session.hpp"
#include "branch/statements.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "tcop/utility.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> chain;

void OnUtility(PlannedStmt *planned, const char *text, bool read_only,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
               DestReceiver *receiver, QueryCompletion *completion) {
  if (RunBranchStatement(planned->utilityStmt)) return;
  chain.next(standard_ProcessUtility)(planned, text, read_only, context, params, environment,
                                      receiver, completion);
}

}  // namespace

void InitUtility() { chain.Install(&ProcessUtility_hook, OnUtility); }

}  // namespace helios::branch
