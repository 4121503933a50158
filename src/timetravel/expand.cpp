// The planner hook: finds what is read as of the past, before the planner sees a query, and has it replaced.
//
//   t TABLESAMPLE as_of(x)                     past.cpp
//   t TABLESAMPLE versions(…)                  versions.cpp
//   v, (SELECT view_as_of(x)) moment           every table inside v, itself replaced by its query by now, gets x
//   heliosdb.as_of is set                      every table gets that
//   f(…) of language SQL, returning rows       is inlined here, as the planner would do it a moment later, so that
//                                              what it reads is seen
#include "timetravel/expand.hpp"

#include "pg/compat.hpp"
#include "pg/hooks.hpp"
#include "pg/pg.hpp"
#include "timetravel/carrier.hpp"
#include "timetravel/past.hpp"
#include "timetravel/past_plan.hpp"
#include "timetravel/query.hpp"
#include "timetravel/session.hpp"
#include "timetravel/versions.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

constinit pg::HookChain<planner_hook_type> planner_chain;

// What the expansion of a statement needs to know and brings back.
struct Expansion {
  PlannerInfo *root;   // stands in for the planner's where functions are inlined
  const Past *around;  // the moment of the view that is looked into, or null
  int depth;           // queries between that moment's place and the one that is looked into
  bool policy;         // in a policy of row-level security, which decides by the present
  bool rechecks;       // under a query that looks again at rows which others have changed meanwhile
};

bool ExpandQuery(Query *query, Expansion *expansion);

bool ExpandNode(Node *node, Expansion *expansion) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    expansion->depth++;
    ExpandQuery(reinterpret_cast<Query *>(node), expansion);
    expansion->depth--;
    return false;
  }
  return expression_tree_walker(node, pg::AsWalker(ExpandNode), expansion);
}

// True if an entry calls a function of language SQL that the planner may inline.
bool MayInline(const RangeTblEntry *entry) {
  if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1) return false;
  const auto *call = reinterpret_cast<const FuncExpr *>(
      linitial_node(RangeTblFunction, entry->functions)->funcexpr);
  // The server's own functions read none of the users' tables.
  if (!IsA(call, FuncExpr) || !call->funcretset || call->funcid < FirstNormalObjectId) return false;
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
  if (!HeapTupleIsValid(tuple)) return false;
  const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  const bool may = form->prolang == SQLlanguageId && form->provolatile != PROVOLATILE_VOLATILE;
  ReleaseSysCache(tuple);
  return may;
}

// Inlines functions as preprocess_function_rtes() of the planner does.
void InlineFunctions(Query *query, PlannerInfo *root) {
  ListCell *cell;
  foreach (cell, query->rtable) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    if (!MayInline(entry)) continue;
    root->parse = query;
    entry->functions = reinterpret_cast<List *>(
        eval_const_expressions(root, reinterpret_cast<Node *>(entry->functions)));
    Query *inlined = inline_set_returning_function(root, entry);
    if (inlined == nullptr) continue;
    entry->rtekind = RTE_SUBQUERY;
    entry->subquery = inlined;
    entry->security_barrier = false;
    entry->funcordinality = false;
  }
}

// Folds constants, so that a moment such as 17::bigint is seen to be one.
template <typename Tree>
Tree *Fold(PlannerInfo *root, Tree *moment) {
  return reinterpret_cast<Tree *>(eval_const_expressions(root, reinterpret_cast<Node *>(moment)));
}

// Expands one entry of a query's own range table.
void ExpandEntry(Query *query, int index, RangeTblEntry *entry, const Expansion &expansion) {
  Past past = {};
  Versions versions = {};
  switch (ReadClause(entry, &past, &versions)) {
    case Clause::kPast:
      past.moment = Fold(expansion.root, past.moment);
      return ExpandPast(query, index, entry, past);
    case Clause::kVersions:
      versions.bounds = Fold(expansion.root, versions.bounds);
      return ExpandVersions(query, index, entry, versions);
    case Clause::kNone:
      break;
  }
  if (expansion.around != nullptr) {
    if (!HasPast(entry)) return;
    past = *expansion.around;
    past.moment = Fold(expansion.root, static_cast<Node *>(copyObjectImpl(past.moment)));
    IncrementVarSublevelsUp(past.moment, expansion.depth, 0);
    ExpandPast(query, index, entry, past);
  } else if (!expansion.policy && SessionReadsPast() && HasPast(entry)) {
    past.kind = Past::Kind::kInstant;
    past.moment = SessionMoment();
    ExpandPast(query, index, entry, past);
  }
}

// Refuses what is named like a view but is none.
void RefuseCommonTable(const RangeTblEntry *entry, const Expansion &expansion) {
  if (entry->rtekind != RTE_CTE || expansion.around == nullptr ||
      static_cast<int>(entry->ctelevelsup) <= expansion.depth)
    return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("AS OF does not apply to the common table expression \"%s\"", entry->ctename),
           errhint("Put the clause behind the tables inside it.")));
}

// Takes the subquery that carries the moment of a view out of a query; false if there is none.
bool TakeViewMoment(Query *query, Past *past) {
  ListCell *cell;
  foreach (cell, query->rtable) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    if (!FindViewMoment(entry, past)) continue;
    past->moment = static_cast<Node *>(copyObjectImpl(past->moment));
    IncrementVarSublevelsUp(past->moment, -1, 1);
    linitial_node(TargetEntry, entry->subquery->targetList)->expr =
        reinterpret_cast<Expr *>(makeNullConst(BOOLOID, -1, InvalidOid));
    entry->subquery->hasSubLinks = false;
    return true;
  }
  return false;
}

// Expands what is inside the entries of a query's range table. Policies let somebody see what he may see now: only
// a clause of their own takes them to the past.
void ExpandInside(List *range_table, Expansion *expansion) {
  Expansion present = {expansion->root, nullptr, 0, true, expansion->rechecks};
  ListCell *cell;
  foreach (cell, range_table) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    List *policies = entry->securityQuals;
    entry->securityQuals = NIL;
    range_table_entry_walker(entry, pg::AsWalker(ExpandNode), expansion, 0);
    entry->securityQuals = policies;
    ExpandNode(reinterpret_cast<Node *>(policies), &present);
  }
}

// Expands the tables of the queries inside a query, and then its own: what replaces a table is not looked
// into again.
bool ExpandQuery(Query *query, Expansion *expansion) {
  check_stack_depth();
  Past view = {};
  Expansion inner = *expansion;
  if (TakeViewMoment(query, &view)) {
    // What the moment itself reads belongs to what is around.
    ExpandNode(view.moment, expansion);
    inner = {expansion->root, &view, 0, expansion->policy, expansion->rechecks};
  }
  inner.rechecks = inner.rechecks || query->rowMarks != NIL || query->commandType == CMD_UPDATE ||
                   query->commandType == CMD_DELETE || query->commandType == CMD_MERGE;
  InlineFunctions(query, inner.root);
  query_tree_walker(query, pg::AsWalker(ExpandNode), &inner, QTW_IGNORE_RANGE_TABLE);
  ExpandInside(query->rtable, &inner);
  // By number: an expansion may make the list anew.
  for (int index = 1; index <= list_length(query->rtable); index++) {
    RangeTblEntry *entry = rt_fetch(index, query->rtable);
    RefuseCommonTable(entry, inner);
    if (entry->rtekind != RTE_RELATION || index == query->resultRelation) continue;
    ExpandEntry(query, index, entry, inner);
    // The executor has no copy to look again at the row of a UNION ALL that was taken apart.
    entry = rt_fetch(index, query->rtable);
    if (inner.rechecks && entry->rtekind == RTE_SUBQUERY) KeepApart(entry->subquery);
  }
  return false;
}

// Tells whether anything of a query may have to be expanded; most have nothing, and no expression is looked at
// unless it has subqueries.
bool NeedsExpansion(Query *query);

bool NodeNeedsExpansion(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) return NeedsExpansion(reinterpret_cast<Query *>(node));
  return expression_tree_walker(node, pg::AsWalker(NodeNeedsExpansion), context);
}

bool NeedsExpansion(Query *query) {
  ListCell *cell;
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->tablesample != nullptr) return true;
    Past past;
    if (entry->rtekind == RTE_SUBQUERY &&
        (NeedsExpansion(entry->subquery) || FindViewMoment(entry, &past)))
      return true;
    if (MayInline(entry)) return true;
  }
  foreach (cell, query->cteList) {
    if (NodeNeedsExpansion(lfirst_node(CommonTableExpr, cell)->ctequery, nullptr)) return true;
  }
  return query->hasSubLinks &&
         query_tree_walker(query, pg::AsWalker(NodeNeedsExpansion), nullptr, 0);
}

// Plans a query of which something may have to be expanded.
pg_noinline PlannedStmt *PlanExpanded(Query *query, const char *text, int options,
                                      ParamListInfo params) {
  if (SessionReadsPast()) XactReadOnly = true;
  PlannerInfo *root = makeNode(PlannerInfo);
  root->glob = makeNode(PlannerGlobal);
  root->glob->boundParams = params;
  Expansion expansion = {root, nullptr, 0, false, false};
  ExpandQuery(query, &expansion);
  PlannedStmt *planned = planner_chain.next(standard_planner)(query, text, options, params);
  // A plan depends on the functions that it has no trace of any more.
  planned->invalItems = list_concat(planned->invalItems, root->glob->invalItems);
  planned->dependsOnRole = planned->dependsOnRole || root->glob->dependsOnRole;
  // The node cannot go backwards.
  if ((options & CURSOR_OPT_SCROLL) == 0) UsePastScans(planned);
  return planned;
}

// Small, and quick about queries that read nothing: all statements pass here.
PlannedStmt *PlanWithPast(Query *query, const char *text, int options, ParamListInfo params) {
  const bool reads = query->rtable != NIL || query->hasSubLinks || query->cteList != NIL;
  if (unlikely(reads && (SessionReadsPast() || NeedsExpansion(query))))
    return PlanExpanded(query, text, options, params);
  return planner_chain.next(standard_planner)(query, text, options, params);
}

}  // namespace

void InstallExpansion() { planner_chain.Install(&planner_hook, PlanWithPast); }

}  // namespace helios::timetravel
