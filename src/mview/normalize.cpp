// Brings a view's query into the form that the rest reads: tables and subqueries, no views, no WITH.
#include "mview/shape.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

// A WITH query that is being expanded, and how many levels above the visited one it stands.
struct CteContext {
  const CommonTableExpr *cte;
  int level;
};

bool ExpandCteWalker(Node *node, CteContext *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    context->level++;
    query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(ExpandCteWalker), context,
                      QTW_EXAMINE_RTES_AFTER);
    context->level--;
    return false;
  }
  if (IsA(node, RangeTblEntry)) {
    auto *entry = reinterpret_cast<RangeTblEntry *>(node);
    if (entry->rtekind != RTE_CTE || strcmp(entry->ctename, context->cte->ctename) != 0 ||
        static_cast<int>(entry->ctelevelsup) != context->level)
      return false;
    auto *query = static_cast<Query *>(copyObjectImpl(context->cte->ctequery));
    if (context->level > 0)
      IncrementVarSublevelsUp(reinterpret_cast<Node *>(query), context->level, 1);
    entry->rtekind = RTE_SUBQUERY;
    entry->subquery = query;
    entry->security_barrier = false;
    entry->ctename = nullptr;
    entry->self_reference = false;
    entry->coltypes = entry->coltypmods = entry->colcollations = NIL;
    return false;
  }
  return expression_tree_walker(node, pg::AsWalker(ExpandCteWalker), context);
}

// Drops what only orders rows, where no LIMIT and no DISTINCT ON depends on it.
void DropOrder(Query *query) {
  if (query->limitCount != nullptr || query->limitOffset != nullptr || query->hasDistinctOn) return;
  query->sortClause = NIL;
  List *kept = NIL;
  ListCell *cell;
  foreach (cell, query->targetList) {
    auto *target = lfirst_node(TargetEntry, cell);
    bool is_used = !target->resjunk;
    if (!is_used && target->ressortgroupref != 0) {
      is_used = get_sortgroupref_clause_noerr(target->ressortgroupref, query->groupClause) ||
                get_sortgroupref_clause_noerr(target->ressortgroupref, query->distinctClause);
      ListCell *window;
      foreach (window, query->windowClause) {
        const auto *clause = lfirst_node(WindowClause, window);
        is_used |=
            get_sortgroupref_clause_noerr(target->ressortgroupref, clause->partitionClause) ||
            get_sortgroupref_clause_noerr(target->ressortgroupref, clause->orderClause);
      }
    }
    if (!is_used) continue;
    kept = lappend(kept, target);
    target->resno = static_cast<AttrNumber>(list_length(kept));
  }
  query->targetList = kept;
}

bool NormalizeWalker(Node *node, void *context) {
  if (node == nullptr) return false;
  if (!IsA(node, Query))
    return expression_tree_walker(node, pg::AsWalker(NormalizeWalker), context);
  auto *query = reinterpret_cast<Query *>(node);
  List *recursive = NIL;
  ListCell *cell;
  foreach (cell, query->cteList) {
    auto *cte = lfirst_node(CommonTableExpr, cell);
    const auto *inner = reinterpret_cast<Query *>(cte->ctequery);
    if (cte->cterecursive || inner->commandType != CMD_SELECT) {
      recursive = lappend(recursive, cte);
      continue;
    }
    CteContext expansion = {cte, -1};
    ExpandCteWalker(node, &expansion);
  }
  query->cteList = recursive;
  query_tree_walker(query, pg::AsWalker(NormalizeWalker), context, 0);
  DropOrder(query);
  FlattenJoinAliases(query);
  return false;
}

}  // namespace

void FlattenJoinAliases(Query *query) {
  ListCell *cell;
  // Names of joined columns, also where subqueries refer to them.
  const bool has_joins = [&] {
    ListCell *entry;
    foreach (entry, query->rtable)
      if (lfirst_node(RangeTblEntry, entry)->rtekind == RTE_JOIN) return true;
    return false;
  }();
  if (!has_joins) return;
  auto flatten = [&](auto *&part) {
    Node *flat = flatten_join_alias_vars(query, reinterpret_cast<Node *>(part));
    part = reinterpret_cast<std::remove_reference_t<decltype(part)>>(flat);
  };
  flatten(query->targetList);
  flatten(query->jointree);
  flatten(query->havingQual);
  flatten(query->limitCount);
  flatten(query->limitOffset);
  foreach (cell, query->rtable) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    if (!entry->lateral) continue;
    if (entry->subquery != nullptr) flatten(entry->subquery);
    flatten(entry->functions);
    flatten(entry->values_lists);
    if (entry->tablefunc != nullptr) flatten(entry->tablefunc);
  }
}

Query *Normalize(const Query *query) {
  auto *copy = static_cast<Query *>(copyObjectImpl(query));
  AcquireRewriteLocks(copy, true, false);
  copy = linitial_node(Query, QueryRewrite(copy));
  NormalizeWalker(reinterpret_cast<Node *>(copy), nullptr);
  return copy;
}

}  // namespace helios::mview
