// Leads statements that name a setting from its bare to its dotted name.
#include "settings/settings.hpp"

#include "pg/guc.hpp"
#include "pg/hooks.hpp"

#include <cstring>

extern "C" {
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "tcop/utility.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::settings {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> chain;

// Calls `visit` with the place of every name of a setting in a statement. SHOW is not among them:
// it heads its column with the name that the user wrote, and the bare name shows the same value.
template <typename Visit>
void ForEachName(Node *statement, Visit visit) {
  const auto visit_set = [&visit](Node *node) {
    auto *set = castNode(VariableSetStmt, node);
    if (set->name != nullptr) visit(&set->name);
  };
  const auto visit_options = [&visit_set](List *options) {
    ListCell *cell;
    foreach (cell, options) {
      auto *option = lfirst_node(DefElem, cell);
      if (strcmp(option->defname, "set") == 0) visit_set(option->arg);
    }
  };
  switch (nodeTag(statement)) {
    case T_VariableSetStmt:
      visit_set(statement);
      break;
    case T_AlterSystemStmt:
      visit_set(reinterpret_cast<Node *>(castNode(AlterSystemStmt, statement)->setstmt));
      break;
    case T_AlterDatabaseSetStmt:
      visit_set(reinterpret_cast<Node *>(castNode(AlterDatabaseSetStmt, statement)->setstmt));
      break;
    case T_AlterRoleSetStmt:
      visit_set(reinterpret_cast<Node *>(castNode(AlterRoleSetStmt, statement)->setstmt));
      break;
    case T_CreateFunctionStmt:
      visit_options(castNode(CreateFunctionStmt, statement)->options);
      break;
    case T_AlterFunctionStmt:
      visit_options(castNode(AlterFunctionStmt, statement)->actions);
      break;
    case T_GrantStmt: {
      auto *grant = castNode(GrantStmt, statement);
      if (grant->objtype != OBJECT_PARAMETER_ACL) break;
      ListCell *cell;
      foreach (cell, grant->objects) {
        visit(&strVal(lfirst(cell)));
      }
      break;
    }
    default:
      break;
  }
}

bool NamesBareSetting(Node *statement) {
  bool found = false;
  ForEachName(statement,
              [&found](char **name) { found = found || pg::DottedName(*name) != nullptr; });
  return found;
}

// Runs the statement, or a copy with dotted names: the one at hand may be a cached plan's.
void ProcessUtility(PlannedStmt *planned, const char *query, bool read_only_tree,
                    ProcessUtilityContext context, ParamListInfo params,
                    QueryEnvironment *environment, DestReceiver *dest,
                    QueryCompletion *completion) {
  if (NamesBareSetting(planned->utilityStmt)) {
    planned = static_cast<PlannedStmt *>(copyObjectImpl(planned));
    ForEachName(planned->utilityStmt, [](char **name) {
      const char *dotted = pg::DottedName(*name);
      if (dotted != nullptr) *name = pstrdup(dotted);
    });
  }
  chain.next(standard_ProcessUtility)(planned, query, read_only_tree, context, params, environment,
                                      dest, completion);
  // ALTER SYSTEM checks a value as one of a file, without a word.
  if (IsA(planned->utilityStmt, AlterSystemStmt)) {
    const auto *set = castNode(AlterSystemStmt, planned->utilityStmt)->setstmt;
    if (set->kind == VAR_SET_VALUE) pg::NoticeNoEffect(set->name);
  }
}

}  // namespace

void InitStatements() { chain.Install(&ProcessUtility_hook, ProcessUtility); }

}  // namespace helios::settings
