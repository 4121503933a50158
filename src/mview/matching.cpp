#include "mview/matching.hpp"

#include "mview/trees.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

constexpr int kLeft = 1, kRight = 2, kAside = 3;

// Brings columns of entry 1 one level down again, and makes those aside entry 1 of the level above.
Node *LowerMutator(Node *node, void *context) {
  if (node == nullptr) return nullptr;
  if (!IsA(node, Var)) return expression_tree_mutator(node, pg::AsMutator(LowerMutator), context);
  auto *var = static_cast<Var *>(copyObjectImpl(node));
  if (var->varlevelsup == 1 && var->varno == kLeft) {
    var->varlevelsup = 0;
  } else if (var->varlevelsup == 1 && var->varno == kAside) {
    var->varno = kLeft;
  }
  return reinterpret_cast<Node *>(var);
}

// Finds the right side of a comparison for equality between the sides; null if it is none.
Node *RightOfEquality(const Node *condition) {
  if (!IsA(condition, OpExpr)) return nullptr;
  const auto *comparison = reinterpret_cast<const OpExpr *>(condition);
  if (list_length(comparison->args) != 2) return nullptr;
  auto *one = static_cast<Node *>(linitial(comparison->args));
  auto *other = static_cast<Node *>(lsecond(comparison->args));
  if (!op_mergejoinable(comparison->opno, exprType(one)) &&
      !op_hashjoinable(comparison->opno, exprType(one)))
    return nullptr;
  int of_one, of_other;
  if (!bms_get_singleton_member(pull_varnos(nullptr, one), &of_one) ||
      !bms_get_singleton_member(pull_varnos(nullptr, other), &of_other) || of_one == of_other)
    return nullptr;
  return of_one == kRight ? one : other;
}

// Keeps of a condition, if it has such, only comparisons for equality: more rows match then, but an index finds them.
const Node *Equalities(const Node *match) {
  if (match == nullptr) return nullptr;
  List *kept = NIL;
  ListCell *cell;
  foreach (cell, make_ands_implicit(static_cast<Expr *>(copyObjectImpl(match))))
    if (RightOfEquality(static_cast<Node *>(lfirst(cell))) != nullptr)
      kept = lappend(kept, lfirst(cell));
  return kept == NIL ? match : reinterpret_cast<Node *>(make_ands_explicit(kept));
}

// Tells whether a unique index of the table that a query reads has only columns among the compared ones.
bool IsUnique(const Query *right, List *compared) {
  const List *from = right->jointree->fromlist;
  if (list_length(from) != 1 || !IsA(linitial(from), RangeTblRef)) return false;
  const int number = linitial_node(RangeTblRef, from)->rtindex;
  const auto *entry = rt_fetch(number, right->rtable);
  if (entry->rtekind != RTE_RELATION || entry->relkind != RELKIND_RELATION) return false;
  Bitmapset *columns = nullptr;
  ListCell *cell;
  foreach (cell, compared) {
    const auto *side = static_cast<Var *>(lfirst(cell));
    if (!IsA(side, Var)) continue;
    const auto *column = reinterpret_cast<Var *>(
        list_nth_node(TargetEntry, right->targetList, side->varattno - 1)->expr);
    if (IsA(column, Var) && column->varno == number)
      columns = bms_add_member(columns, column->varattno);
  }
  Relation table = table_open(entry->relid, AccessShareLock);
  bool is_unique = false;
  foreach (cell, RelationGetIndexList(table)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    bool fits = index->rd_index->indisunique && index->rd_index->indisvalid &&
                index->rd_index->indimmediate && RelationGetIndexPredicate(index) == NIL;
    for (int i = 0; fits && i < index->rd_index->indnkeyatts; i++)
      fits = bms_is_member(index->rd_index->indkey.values[i], columns);
    is_unique |= fits;
    index_close(index, AccessShareLock);
  }
  table_close(table, AccessShareLock);
  return is_unique;
}

}  // namespace

Node *OneLevelUp(const Node *match, int outer) {
  auto *node = static_cast<Node *>(copyObjectImpl(match));
  ChangeVarNodes(node, outer, kAside, 0);
  ChangeVarNodes(node, outer == kLeft ? kRight : kLeft, kLeft, 0);
  IncrementVarSublevelsUp(node, 1, 0);
  return LowerMutator(node, nullptr);
}

Node *Swapped(const Node *match) {
  auto *node = static_cast<Node *>(copyObjectImpl(match));
  ChangeVarNodes(node, kLeft, kAside, 0);
  ChangeVarNodes(node, kRight, kLeft, 0);
  ChangeVarNodes(node, kAside, kRight, 0);
  return node;
}

bool CompareByKeys(Compiler *compiler, Query **right, const Node **match) {
  if (*match == nullptr) return false;
  List *compared = NIL;
  ListCell *cell;
  List *conditions = make_ands_implicit(static_cast<Expr *>(copyObjectImpl(*match)));
  foreach (cell, conditions) {
    Node *side = RightOfEquality(static_cast<Node *>(lfirst(cell)));
    if (side == nullptr) return false;
    compared = lappend(compared, side);
  }
  if (IsUnique(*right, compared)) return false;
  auto *distinct = makeNode(Query);
  distinct->commandType = CMD_SELECT;
  distinct->canSetTag = true;
  distinct->jointree = makeFromExpr(NIL, nullptr);
  AddEntry(distinct, SubqueryEntry(static_cast<Query *>(copyObjectImpl(*right))), true);
  foreach (cell, compared) {
    auto *expression = static_cast<Node *>(copyObjectImpl(lfirst(cell)));
    ChangeVarNodes(expression, kRight, 1, 0);
    const int number = foreach_current_index(cell) + 1;
    TargetEntry *target =
        makeTargetEntry(reinterpret_cast<Expr *>(expression), static_cast<AttrNumber>(number),
                        psprintf("c%d", number), false);
    distinct->targetList = lappend(distinct->targetList, target);
  }
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, "compared", DescribeRows(distinct));
  Query *all = distinct;
  distinct = Parse("SELECT DISTINCT * FROM compared", names);
  Splice(distinct, "compared", SubqueryEntry(all));
  const int steps = list_length(compiler->steps);
  Query *keys = Compile(compiler, distinct);
  if (keys == nullptr) {
    // A type without a hash function, for example.
    compiler->steps = list_truncate(compiler->steps, steps);
    compiler->why_not = nullptr;
    return false;
  }
  foreach (cell, conditions) {
    auto *comparison = reinterpret_cast<OpExpr *>(lfirst(cell));
    const auto *side = static_cast<Node *>(list_nth(compared, foreach_current_index(cell)));
    ListCell *argument;
    foreach (argument, comparison->args) {
      if (lfirst(argument) != side) continue;
      lfirst(argument) = makeVar(kRight, static_cast<AttrNumber>(foreach_current_index(cell) + 1),
                                 exprType(side), exprTypmod(side), exprCollation(side), 0);
    }
  }
  *right = keys;
  *match = reinterpret_cast<Node *>(make_ands_explicit(conditions));
  return true;
}

Query *AddApplied(Compiler *compiler, Query *left, Query *right, const Node *match,
                  Query *combined) {
  auto *step = static_cast<Step *>(palloc0(sizeof(Step)));
  step->kind = StepKind::kApplied;
  step->left = left;
  step->right = right;
  step->match = reinterpret_cast<const Expr *>(Equalities(match));
  step->combined = combined;
  step->output = DescribeRows(combined);
  return AddStep(compiler, step);
}

Query *Unmatched(Compiler *compiler, Query *left, Query *right, const Node *match) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, kLeftRows, DescribeRows(left));
  NameShape(names, kRightRows, DescribeRows(right));
  Query *unmatched = Parse(
      "SELECT * FROM left_rows l WHERE NOT EXISTS (SELECT FROM right_rows r WHERE true)", names);
  auto *exists =
      castNode(SubLink, linitial(reinterpret_cast<BoolExpr *>(unmatched->jointree->quals)->args));
  if (match != nullptr)
    reinterpret_cast<Query *>(exists->subselect)->jointree->quals = OneLevelUp(match, kLeft);
  return AddApplied(compiler, left, right, match, unmatched);
}

Query *MatchingRows(const Query *right, const Node *match) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, kRightRows, DescribeRows(right));
  Query *rows = Parse("SELECT FROM right_rows WHERE true", names);
  rows->jointree->quals = OneLevelUp(match, kLeft);
  return rows;
}

bool DependsOnMatchOnly(const Query *subquery) {
  return !subquery->hasAggs && subquery->groupClause == NIL && subquery->havingQual == nullptr &&
         subquery->setOperations == nullptr && subquery->limitCount == nullptr &&
         subquery->limitOffset == nullptr && !subquery->hasTargetSRFs;
}

}  // namespace helios::mview
