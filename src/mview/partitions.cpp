// Takes queries with window functions or DISTINCT ON apart: what they compute depends on rows with the same key only.
#include "mview/shape.hpp"

#include "mview/trees.hpp"
#include "mview/vars.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Keeps of the keys those that are among the expressions of clauses; of no keys yet: all of these.
List *CommonKeys(List *keys, bool is_first, List *clauses, List *targets) {
  List *found = NIL;
  ListCell *cell;
  foreach (cell, clauses) {
    Node *expression = get_sortgroupclause_expr(lfirst_node(SortGroupClause, cell), targets);
    if (is_first || list_member(keys, expression)) found = list_append_unique(found, expression);
  }
  return found;
}

// Finds the expressions that all windows, and DISTINCT ON, part rows by.
List *PartitionKeys(const Query *query) {
  List *keys = NIL;
  bool is_first = true;
  ListCell *cell;
  foreach (cell, query->windowClause) {
    const auto *window = lfirst_node(WindowClause, cell);
    keys = CommonKeys(keys, is_first, window->partitionClause, query->targetList);
    is_first = false;
  }
  if (query->hasDistinctOn)
    keys = CommonKeys(keys, is_first, query->distinctClause, query->targetList);
  return keys;
}

// The expressions over groups that windows are computed from.
struct OverGroups {
  List *groups;       // expressions
  List *expressions;  // groups first, then aggregates and other columns
};

bool CollectOverGroups(Node *node, OverGroups *over) {
  if (node == nullptr || list_member(over->expressions, node)) return false;
  if (IsA(node, Aggref) || IsA(node, Var) || IsA(node, GroupingFunc)) {
    over->expressions = lappend(over->expressions, node);
    return false;
  }
  return expression_tree_walker(node, pg::AsWalker(CollectOverGroups), over);
}

Node *ReplaceOverGroups(Node *node, OverGroups *over) {
  if (node == nullptr) return nullptr;
  ListCell *cell;
  foreach (cell, over->expressions) {
    if (!equal(lfirst(cell), node)) continue;
    return reinterpret_cast<Node *>(
        makeVar(1, static_cast<AttrNumber>(foreach_current_index(cell) + 1), exprType(node),
                exprTypmod(node), exprCollation(node), 0));
  }
  return expression_tree_mutator(node, pg::AsMutator(ReplaceOverGroups), over);
}

// Makes the groups of a query a subquery of it.
Query *GroupsBelow(const Query *original) {
  auto *inner = static_cast<Query *>(copyObjectImpl(original));
  auto *outer = static_cast<Query *>(copyObjectImpl(original));
  OverGroups over = {};
  List *targets = NIL;
  ListCell *cell;
  foreach (cell, inner->groupClause) {
    const auto *clause = lfirst_node(SortGroupClause, cell);
    Node *expression =
        get_sortgroupclause_expr(const_cast<SortGroupClause *>(clause), inner->targetList);
    over.expressions = lappend(over.expressions, expression);
  }
  CollectOverGroups(reinterpret_cast<Node *>(inner->targetList), &over);
  foreach (cell, over.expressions) {
    const int number = foreach_current_index(cell) + 1;
    TargetEntry *target =
        makeTargetEntry(static_cast<Expr *>(lfirst(cell)), static_cast<AttrNumber>(number),
                        psprintf("c%d", number), false);
    if (number <= list_length(inner->groupClause)) {
      target->ressortgroupref =
          list_nth_node(SortGroupClause, inner->groupClause, number - 1)->tleSortGroupRef;
    }
    targets = lappend(targets, target);
  }
  inner->targetList = targets;
  inner->windowClause = inner->distinctClause = inner->sortClause = NIL;
  inner->hasWindowFuncs = inner->hasDistinctOn = inner->hasTargetSRFs = false;
  inner->hasSubLinks = checkExprHasSubLink(reinterpret_cast<Node *>(inner));
  outer->groupClause = outer->groupingSets = NIL;
  outer->havingQual = nullptr;
  outer->hasAggs = false;
  outer->rtable = NIL;
  outer->jointree = makeFromExpr(NIL, nullptr);
  outer->targetList = reinterpret_cast<List *>(
      ReplaceOverGroups(reinterpret_cast<Node *>(outer->targetList), &over));
  AddEntry(outer, SubqueryEntry(inner), true);
  return outer;
}

}  // namespace

Query *CompilePartitions(Compiler *compiler, const Query *original) {
  if (original->distinctClause != NIL && !original->hasDistinctOn) {
    auto *inner = static_cast<Query *>(copyObjectImpl(original));
    inner->distinctClause = NIL;
    Query *below = Compile(compiler, inner);
    if (below == nullptr) return nullptr;
    QueryEnvironment *names = create_queryEnv();
    NameShape(names, "window_rows", DescribeRows(below));
    Query *distinct = Parse("SELECT DISTINCT * FROM window_rows", names);
    Splice(distinct, "window_rows", SubqueryEntry(below));
    return Compile(compiler, distinct);
  }
  if (original->groupClause != NIL || original->groupingSets != NIL || original->hasAggs ||
      original->havingQual != nullptr)
    return Compile(compiler, GroupsBelow(original));
  if (checkExprHasSubLink(reinterpret_cast<Node *>(original->targetList)))
    return Refuse(compiler, "it has a subquery in an expression beside window functions", nullptr);
  List *keys = PartitionKeys(original);
  if (keys == NIL) {
    return Refuse(compiler,
                  original->hasWindowFuncs
                      ? "its window functions have no PARTITION BY in common"
                      : "its DISTINCT ON and window functions have no key in common",
                  "Part the rows by a key that all window functions share.");
  }
  const Bitmapset *entries = Sources(original);
  auto *above = static_cast<Query *>(copyObjectImpl(original));
  above->rtable = NIL;
  above->jointree = makeFromExpr(NIL, nullptr);
  List *columns = UsedColumns(above, entries);
  List *equality = NIL;
  ListCell *cell;
  foreach (cell, keys) {
    const TypeCacheEntry *cache =
        lookup_type_cache(exprType(static_cast<Node *>(lfirst(cell))), TYPECACHE_EQ_OPR);
    equality = lappend_oid(equality, cache->eq_opr);
  }
  Query *source = Part(original, original->jointree->fromlist, original->jointree->quals,
                       list_concat(list_copy(keys), columns));
  foreach (cell, source->targetList) {
    const int number = foreach_current_index(cell) + 1;
    if (number <= list_length(keys))
      lfirst_node(TargetEntry, cell)->resname = psprintf("g%d", number);
  }
  source = Compile(compiler, source);
  if (source == nullptr) return nullptr;
  RangeTblEntry *rows = RowsEntry(kLeftRows, DescribeRows(source), -1);
  AddEntry(above, rows, true);
  MoveColumns(above, entries, columns, 1, list_length(keys));
  auto *step = static_cast<Step *>(palloc0(sizeof(Step)));
  step->kind = StepKind::kPartition;
  step->left = source;
  step->combined = above;
  step->key_count = list_length(keys);
  step->equality = equality;
  step->output = DescribeRows(above);
  return AddStep(compiler, step);
}

}  // namespace helios::mview
