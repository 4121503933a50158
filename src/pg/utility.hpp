// Utility statements on their way through the hooks of the server.
#pragma once

#include "pg/hooks.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
#include "tcop/utility.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// What a hook of ProcessUtility is given to run.
struct UtilityCall {
  PlannedStmt *statement;
  const char *text;
  bool read_only;
  ProcessUtilityContext context;
  ParamListInfo params;
  QueryEnvironment *environment;
  DestReceiver *receiver;
  QueryCompletion *completion;

  // The same call with a statement of our own.
  UtilityCall With(Node *other) const {
    UtilityCall changed = *this;
    changed.statement = static_cast<PlannedStmt *>(copyObjectImpl(statement));
    changed.statement->utilityStmt = other;
    return changed;
  }

  // Has the statement run as PostgreSQL, or the hooks before ours, would.
  void GoOn(const HookChain<ProcessUtility_hook_type> &chain) const {
    chain.next(standard_ProcessUtility)(statement, text, read_only, context, params, environment,
                                        receiver, completion);
  }
};

}  // namespace helios::pg
