// A statement that names main's table is rewritten by main's rules, and one that names a table of the shadow by those
// of that table. Copies have them from the beginning, for the shadow and for what foreign keys do.
#include "branch/rules.hpp"

#include "branch/catalog.hpp"
#include "branch/names.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

struct Mapping {
  Oid model;
  Oid clone;
  List *range_tables;  // of the queries around a node, the innermost first
};

// Lets a whole row be one of the copy.
Node *MapWholeRow(const Var *var, const Mapping &mapping) {
  auto *row = static_cast<Var *>(copyObjectImpl(var));
  row->vartype = get_rel_type_id(mapping.clone);
  return reinterpret_cast<Node *>(row);
}

// Turns rows of the copy into such of the model, by the names of columns, where a function was made for those.
void ConvertArguments(FuncExpr *call, const Mapping &mapping) {
  Oid *declared;
  int count;
  get_func_signature(call->funcid, &declared, &count);
  int number = 0;
  ListCell *cell;
  foreach (cell, call->args) {
    if (number == count) break;
    const Oid wanted = declared[number++];
    if (wanted != get_rel_type_id(mapping.model) ||
        exprType(static_cast<Node *>(lfirst(cell))) != get_rel_type_id(mapping.clone))
      continue;
    ConvertRowtypeExpr *converted = makeNode(ConvertRowtypeExpr);
    converted->arg = static_cast<Expr *>(lfirst(cell));
    converted->resulttype = wanted;
    converted->convertformat = COERCE_IMPLICIT_CAST;
    converted->location = -1;
    lfirst(cell) = converted;
  }
}

Node *MapNode(Node *node, void *context) {
  if (node == nullptr) return nullptr;
  auto *mapping = static_cast<Mapping *>(context);
  if (IsA(node, Query)) {
    List *around = mapping->range_tables;
    mapping->range_tables = lcons(reinterpret_cast<Query *>(node)->rtable, list_copy(around));
    Query *query =
        query_tree_mutator(reinterpret_cast<Query *>(node), pg::AsMutator(MapNode), context, 0);
    mapping->range_tables = around;
    ListCell *cell;
    foreach (cell, query->rtable) {
      auto *entry = lfirst_node(RangeTblEntry, cell);
      if (entry->rtekind == RTE_RELATION && entry->relid == mapping->model)
        entry->relid = mapping->clone;
    }
    return reinterpret_cast<Node *>(query);
  }
  if (IsA(node, Var) && reinterpret_cast<Var *>(node)->varattno == InvalidAttrNumber) {
    const auto *var = reinterpret_cast<const Var *>(node);
    auto *range_table =
        static_cast<List *>(list_nth(mapping->range_tables, static_cast<int>(var->varlevelsup)));
    const RangeTblEntry *entry = rt_fetch(var->varno, range_table);
    if (entry->rtekind == RTE_RELATION && entry->relid == mapping->model)
      return MapWholeRow(var, *mapping);
  }
  Node *mapped = expression_tree_mutator(node, pg::AsMutator(MapNode), context);
  if (IsA(mapped, FuncExpr)) ConvertArguments(reinterpret_cast<FuncExpr *>(mapped), *mapping);
  return mapped;
}

// The name of a rule.
char *NameOf(Oid rule) {
  RunSql(psprintf("SELECT rulename FROM pg_rewrite WHERE oid = %u", rule), SPI_OK_SELECT);
  if (SPI_processed != 1) elog(ERROR, "rule %u is not known", rule);
  return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

// Gives a copy one rule of its model.
void CloneRule(const RewriteRule &rule, Mapping mapping) {
  List *actions = NIL;
  ListCell *cell;
  foreach (cell, rule.actions)
    actions = lappend(actions, MapNode(static_cast<Node *>(lfirst(cell)), &mapping));
  Node *condition = nullptr;
  if (rule.qual != nullptr) {
    // Its OLD and NEW are entries of the first action.
    const Query *first = getInsertSelectQuery(linitial_node(Query, rule.actions), nullptr);
    mapping.range_tables = list_make1(first->rtable);
    condition = MapNode(rule.qual, &mapping);
  }
  const char *name = NameOf(rule.ruleId);
  const ObjectAddress made = DefineQueryRewrite(name, mapping.clone, condition, rule.event,
                                                rule.isInstead, false, actions);
  CommandCounterIncrement();
  // What a branch has must not keep main from changing its columns.
  RunSql(psprintf("DELETE FROM pg_depend WHERE classid = 'pg_rewrite'::regclass AND objid = %u AND "
                  "refclassid = 'pg_type'::regclass AND refobjid = %u",
                  made.objectId, get_rel_type_id(mapping.model)),
         SPI_OK_DELETE);
  if (rule.enabled == RULE_FIRES_ON_ORIGIN) return;
  Relation table = table_open(mapping.clone, AccessExclusiveLock);
  EnableDisableRule(table, name, rule.enabled);
  table_close(table, NoLock);
  CommandCounterIncrement();
}

}  // namespace

void CloneRules(Oid model, Oid clone) {
  Relation table = table_open(model, AccessShareLock);
  // The relation cache may make its own anew meanwhile.
  const int count = table->rd_rules == nullptr ? 0 : table->rd_rules->numLocks;
  auto *rules =
      static_cast<RewriteRule *>(palloc(sizeof(RewriteRule) * static_cast<size_t>(count)));
  for (int i = 0; i < count; i++) {
    rules[i] = *table->rd_rules->rules[i];
    rules[i].qual = static_cast<Node *>(copyObjectImpl(rules[i].qual));
    rules[i].actions = static_cast<List *>(copyObjectImpl(rules[i].actions));
  }
  for (int i = 0; i < count; i++) CloneRule(rules[i], {model, clone, NIL});
  table_close(table, NoLock);
}

Ddl LeadRule(RuleStmt *rule) {
  if (rule->event == CMD_SELECT) Refuse("CREATE RULE ON SELECT", "Create a view instead.");
  LeadToAltered(rule->relation);
  return Ddl::kRun;
}

}  // namespace helios::branch
