// Options of incremental materialized views: until those exist, one of them is a clear error, in every place
// where the options may stand.
#include "syntax/matview.hpp"

#include "pg/hooks.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::syntax {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> utility_chain;

constexpr const char *kViewOptions[] = {"auto_refresh",
                                        "max_cpu_percent",
                                        "threshold_table_size",
                                        "threshold_dml_rate",
                                        "lazy_update",
                                        "lazy_catchup_window",
                                        "refresh_mode",
                                        "refresh_strategy",
                                        "staleness_threshold",
                                        "incremental_enabled",
                                        "priority",
                                        "distribution",
                                        "replication_factor",
                                        "enable_ml_optimization"};

// Refuses options of incremental views of the materialized view `view`.
void RefuseOptions(const char *view, List *options) {
  ListCell *cell;
  foreach (cell, options) {
    const auto *option = lfirst_node(DefElem, cell);
    for (const char *name : kViewOptions) {
      if (option->defnamespace != nullptr || strcmp(option->defname, name) != 0) continue;
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
               errmsg("option \"%s\" of materialized view \"%s\" is not supported yet", name, view),
               errhint("Leave the option out, and use REFRESH MATERIALIZED VIEW.")));
    }
  }
}

// Looks for the options in CREATE and ALTER MATERIALIZED VIEW, also behind EXPLAIN.
void CheckStatement(Node *statement) {
  if (statement == nullptr) return;
  if (IsA(statement, ExplainStmt)) {
    Node *explained = reinterpret_cast<ExplainStmt *>(statement)->query;
    if (IsA(explained, Query)) CheckStatement(reinterpret_cast<Query *>(explained)->utilityStmt);
  } else if (IsA(statement, CreateTableAsStmt)) {
    const auto *create = reinterpret_cast<CreateTableAsStmt *>(statement);
    if (create->objtype == OBJECT_MATVIEW)
      RefuseOptions(create->into->rel->relname, create->into->options);
  } else if (IsA(statement, AlterTableStmt)) {
    const auto *alter = reinterpret_cast<AlterTableStmt *>(statement);
    if (alter->objtype != OBJECT_MATVIEW) return;
    ListCell *cell;
    foreach (cell, alter->cmds) {
      const auto *command = lfirst_node(AlterTableCmd, cell);
      if (command->subtype == AT_SetRelOptions)
        RefuseOptions(alter->relation->relname, castNode(List, command->def));
    }
  }
}

void CheckUtility(PlannedStmt *statement, const char *text, bool read_only,
                  ProcessUtilityContext context, ParamListInfo params,
                  QueryEnvironment *environment, DestReceiver *receiver,
                  QueryCompletion *completion) {
  CheckStatement(statement->utilityStmt);
  utility_chain.next(standard_ProcessUtility)(statement, text, read_only, context, params,
                                              environment, receiver, completion);
}

}  // namespace

void InitMatview() { utility_chain.Install(&ProcessUtility_hook, CheckUtility); }

}  // namespace helios::syntax
