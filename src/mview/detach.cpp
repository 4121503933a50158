// Takes out of a query what does not add up row by row: outer joins, subqueries in expressions, subqueries that are
// computed for each row. Each becomes a step with a left and a right side, both of which add up.
#include "mview/shape.hpp"

#include "mview/matching.hpp"
#include "mview/trees.hpp"
#include "mview/vars.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// The left side of a step: tables of a query, and their columns that it uses.
struct Left {
  Bitmapset *entries;
  List *columns;
  Query *query;  // compiled
};

// A subquery that has been made one over the right side of a step.
struct Detached {
  Query *right;  // compiled
  Query *
      subquery;  // over rows named kRightRows; columns of the left side are those of the outer entry 1
  Node *match;  // null: all right rows
};

List *Conditions(const Query *query) {
  if (query->jointree->quals == nullptr) return NIL;
  return make_ands_implicit(static_cast<Expr *>(copyObjectImpl(query->jointree->quals)));
}

Node *Joined(List *conditions) {
  return conditions == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(conditions));
}

Node *AsNode(void *node) { return static_cast<Node *>(node); }

// True if an expression or a query of a deeper level refers to outer levels.
bool RefersOut(const Node *node, int level) {
  return contain_vars_of_level(const_cast<Node *>(node), level);
}

// Describes columns of queries in order.
Query *ReadAll(const char *rows, TupleDesc desc) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, rows, desc);
  return Parse(psprintf("SELECT * FROM %s", rows), names);
}

// Compiles the left side; its query is null if that cannot be done.
Left MakeLeft(Compiler *compiler, const Query *query, List *from, Node *condition) {
  Left left = {};
  ListCell *cell;
  foreach (cell, from) left.entries = bms_join(left.entries, SourcesOf(AsNode(lfirst(cell))));
  left.columns = UsedColumns(query, left.entries);
  left.query = Compile(compiler, Part(query, from, condition, left.columns));
  return left;
}

// Lets a query read a step in place of entries: first the columns of the left side, then others.
int ReadStep(Query *query, Query *reader, const Left &left, List *from) {
  Blank(query, left.entries);
  const int entry = AddEntry(query, SubqueryEntry(reader), false);
  auto *reference = makeNode(RangeTblRef);
  reference->rtindex = entry;
  query->jointree->fromlist = lappend(from, reference);
  MoveColumns(query, left.entries, left.columns, entry, 0);
  return entry;
}

// Makes a subquery, which may refer to the left side, one over a right side that does not.
bool DetachSubquery(Compiler *compiler, const Query *original, const Left &left,
                    Detached *detached) {
  *detached = {};
  auto *subquery = static_cast<Query *>(copyObjectImpl(original));
  const bool is_correlated = RefersOut(reinterpret_cast<Node *>(subquery), 1);
  if (!is_correlated) {
    const int steps = list_length(compiler->steps);
    detached->right = Compile(compiler, subquery);
    if (detached->right == nullptr) compiler->steps = list_truncate(compiler->steps, steps);
    if (detached->right != nullptr) {
      detached->subquery = ReadAll(kRightRows, DescribeRows(detached->right));
      return true;
    }
  }
  if (subquery->setOperations != nullptr)
    return Refuse(compiler, "a subquery for each row combines queries", nullptr) != nullptr;
  FlattenInnerJoins(subquery);
  List *from = subquery->jointree->fromlist;
  const Bitmapset *entries = Sources(subquery);
  bool refers_deeper = RefersOut(reinterpret_cast<Node *>(from), 1);
  for (int i = bms_next_member(entries, -1); i >= 0; i = bms_next_member(entries, i)) {
    const auto *entry = rt_fetch(i, subquery->rtable);
    refers_deeper |=
        entry->rtekind == RTE_SUBQUERY && RefersOut(reinterpret_cast<Node *>(entry->subquery), 2);
    refers_deeper |=
        entry->rtekind == RTE_FUNCTION && RefersOut(reinterpret_cast<Node *>(entry->functions), 1);
    refers_deeper |=
        entry->rtekind == RTE_VALUES && RefersOut(reinterpret_cast<Node *>(entry->values_lists), 1);
  }
  if (refers_deeper)
    return Refuse(compiler, "a subquery for each row refers to it from within its own tables",
                  nullptr) != nullptr;
  List *own = NIL, *correlated = NIL;
  ListCell *cell;
  foreach (cell, Conditions(subquery)) {
    if (!RefersOut(AsNode(lfirst(cell)), 1)) {
      own = lappend(own, lfirst(cell));
    } else if (checkExprHasSubLink(AsNode(lfirst(cell)))) {
      return Refuse(compiler, "a subquery for each row has another one inside", nullptr) != nullptr;
    } else {
      correlated = lappend(correlated, lfirst(cell));
    }
  }
  subquery->jointree->fromlist = NIL;
  subquery->jointree->quals = Joined(correlated);
  auto *used = static_cast<Query *>(copyObjectImpl(subquery));
  used->rtable = NIL;
  List *columns = UsedColumns(used, entries);
  detached->right = Compile(compiler, Part(subquery, from, Joined(own), columns));
  if (detached->right == nullptr) return false;
  Node *match = MoveColumns(subquery->jointree->quals, entries, columns, 2, 0, 0);
  // Columns of the left side come down from the outer level.
  match = MoveColumns(match, left.entries, left.columns, 1, 0, 1);
  if (match != nullptr) IncrementVarSublevelsUp(match, -1, 1);
  detached->match = match;
  Blank(subquery, entries);
  const int rows =
      AddEntry(subquery, RowsEntry(kRightRows, DescribeRows(detached->right), -1), true);
  BlankJoins(subquery);
  MoveColumns(subquery, entries, columns, rows, 0);
  subquery->hasSubLinks = checkExprHasSubLink(reinterpret_cast<Node *>(subquery->targetList)) ||
                          checkExprHasSubLink(subquery->havingQual);
  if (subquery->hasSubLinks)
    return Refuse(compiler, "a subquery for each row has another one inside", nullptr) != nullptr;
  detached->subquery = castNode(
      Query, MoveColumns(reinterpret_cast<Node *>(subquery), left.entries, left.columns, 1, 0, 0));
  return true;
}

// Makes a query of both sides of a join, by its words.
Query *JoinSides(const Query *left, const Query *right, const char *right_name, const char *text) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, kLeftRows, DescribeRows(left));
  NameShape(names, right_name, DescribeRows(right));
  return Parse(text, names);
}

// Puts nulls before and behind the columns of a query.
Query *Padded(Query *query, List *before, List *behind) {
  List *targets = NIL;
  auto add = [&](Expr *expression) {
    const int number = list_length(targets) + 1;
    targets = lappend(targets, makeTargetEntry(expression, static_cast<AttrNumber>(number),
                                               psprintf("c%d", number), false));
  };
  auto add_nulls = [&](List *columns) {
    ListCell *cell;
    foreach (cell, columns) {
      const auto *column = lfirst_node(Var, cell);
      add(reinterpret_cast<Expr *>(
          makeNullConst(column->vartype, column->vartypmod, column->varcollid)));
    }
  };
  add_nulls(before);
  ListCell *cell;
  foreach (cell, query->targetList)
    add(reinterpret_cast<Expr *>(makeVarFromTargetEntry(1, lfirst_node(TargetEntry, cell))));
  add_nulls(behind);
  auto *padded = makeNode(Query);
  padded->commandType = CMD_SELECT;
  padded->canSetTag = true;
  padded->jointree = makeFromExpr(NIL, nullptr);
  AddEntry(padded, SubqueryEntry(query), true);
  padded->targetList = targets;
  return padded;
}

// Makes an outer join of two sides. Where the sides are compared by keys, it is the inner join, which adds up, and the
// rows of a side whose keys the other does not have. Else each left row is joined anew when a row that matches changes.
Query *OuterJoined(Compiler *compiler, const Left &left, const Left &right, const Node *match,
                   bool is_full) {
  const Node *by_keys = match;
  Query *keys = right.query;
  Query *joined = JoinSides(left.query, right.query, kRightRows,
                            "SELECT * FROM left_rows LEFT JOIN right_rows ON true");
  auto *join = linitial_node(JoinExpr, joined->jointree->fromlist);
  join->quals = static_cast<Node *>(copyObjectImpl(match));
  if (!CompareByKeys(compiler, &keys, &by_keys)) {
    joined = AddApplied(compiler, left.query, right.query, match, joined);
  } else {
    join->jointype = JOIN_INNER;
    rt_fetch(join->rtindex, joined->rtable)->jointype = JOIN_INNER;
    Splice(joined, kLeftRows, SubqueryEntry(left.query));
    Splice(joined, kRightRows, SubqueryEntry(right.query));
    joined = UnionAll(joined,
                      Padded(Unmatched(compiler, left.query, keys, by_keys), NIL, right.columns));
  }
  if (!is_full) return joined;
  const Node *swapped_by_keys = Swapped(match);
  keys = left.query;
  (void)CompareByKeys(compiler, &keys, &swapped_by_keys);
  return UnionAll(
      joined, Padded(Unmatched(compiler, right.query, keys, swapped_by_keys), left.columns, NIL));
}

// Takes out an outer join whose sides do not refer to each other.
bool DetachOuterJoin(Compiler *compiler, Query *query, const JoinExpr *join, List *others) {
  if (checkExprHasSubLink(join->quals))
    return Refuse(compiler, "the condition of an outer join has a subquery", nullptr) != nullptr;
  Left left = MakeLeft(compiler, query, list_make1(join->larg), nullptr);
  if (left.query == nullptr) return false;
  // What the condition says of the right side alone chooses its rows.
  const Bitmapset *of_left = SourcesOf(join->larg);
  List *own = NIL, *between = NIL;
  ListCell *cell;
  foreach (cell, make_ands_implicit(static_cast<Expr *>(copyObjectImpl(join->quals)))) {
    const bool is_own =
        join->jointype == JOIN_LEFT && UsedColumns(AsNode(lfirst(cell)), of_left, 0) == NIL;
    List **conditions = is_own ? &own : &between;
    *conditions = lappend(*conditions, lfirst(cell));
  }
  Left right = MakeLeft(compiler, query, list_make1(join->rarg), Joined(own));
  if (right.query == nullptr) return false;
  const Node *condition = Joined(between);
  // Both sides' entries may be 1 or 2 themselves: they are moved aside first.
  Node *match =
      MoveColumns(condition, right.entries, right.columns, list_length(query->rtable) + 2, 0, 0);
  match = MoveColumns(match, left.entries, left.columns, list_length(query->rtable) + 1, 0, 0);
  if (match != nullptr) {
    ChangeVarNodes(match, list_length(query->rtable) + 1, 1, 0);
    ChangeVarNodes(match, list_length(query->rtable) + 2, 2, 0);
  }
  Query *reader = OuterJoined(compiler, left, right, match, join->jointype == JOIN_FULL);
  if (reader == nullptr) return false;
  const int entry = ReadStep(query, reader, left, others);
  MoveColumns(query, right.entries, right.columns, entry, list_length(left.columns));
  Blank(query, right.entries);
  return true;
}

// Takes out a subquery in FROM that is computed for each row of `from`; of an outer join with its condition.
bool DetachLateral(Compiler *compiler, Query *query, int lateral, List *from, Node *from_condition,
                   List *others, const JoinExpr *join) {
  Left left = MakeLeft(compiler, query, from, from_condition);
  if (left.query == nullptr) return false;
  const Query *subquery = rt_fetch(lateral, query->rtable)->subquery;
  Detached detached;
  if (!DetachSubquery(compiler, subquery, left, &detached)) return false;
  constexpr const char *kLateralRows = "lateral_rows";
  Query *combined =
      JoinSides(left.query, detached.subquery, kLateralRows,
                join == nullptr ? "SELECT * FROM left_rows, lateral_rows"
                                : "SELECT * FROM left_rows LEFT JOIN lateral_rows ON true");
  RangeTblEntry *entry = SubqueryEntry(detached.subquery);
  entry->lateral = true;
  Splice(combined, kLateralRows, entry);
  const Bitmapset *itself = bms_make_singleton(lateral);
  List *columns = NIL;
  ListCell *cell;
  foreach (cell, detached.subquery->targetList) {
    auto *target = lfirst_node(TargetEntry, cell);
    if (!target->resjunk) columns = lappend(columns, makeVarFromTargetEntry(lateral, target));
  }
  if (join != nullptr) {
    const int aside = list_length(query->rtable) + 1;
    Node *condition = MoveColumns(join->quals, itself, columns, aside, 0, 0);
    condition = MoveColumns(condition, left.entries, left.columns, aside + 1, 0, 0);
    if (condition != nullptr) {
      ChangeVarNodes(condition, aside + 1, 1, 0);
      ChangeVarNodes(condition, aside, 2, 0);
    }
    linitial_node(JoinExpr, combined->jointree->fromlist)->quals = condition;
  }
  Query *reader = AddApplied(compiler, left.query, detached.right, detached.match, combined);
  const int step = ReadStep(query, reader, left, others);
  MoveColumns(query, itself, columns, step, list_length(left.columns));
  Blank(query, itself);
  return true;
}

bool FirstSubLinkWalker(Node *node, SubLink **found) {
  if (node == nullptr) return false;
  if (IsA(node, SubLink)) {
    *found = reinterpret_cast<SubLink *>(node);
    return true;
  }
  return expression_tree_walker(node, pg::AsWalker(FirstSubLinkWalker), found);
}

SubLink *FirstSubLink(const Query *query) {
  SubLink *found = nullptr;
  FirstSubLinkWalker(query->jointree->quals, &found);
  if (found == nullptr) FirstSubLinkWalker(reinterpret_cast<Node *>(query->targetList), &found);
  return found;
}

// Makes the value of a subquery in an expression a column of a step.
bool DetachSubLink(Compiler *compiler, Query *query, const SubLink *link) {
  List *plain = NIL, *rest = NIL;
  ListCell *cell;
  foreach (cell, Conditions(query)) {
    List **target = checkExprHasSubLink(AsNode(lfirst(cell))) ? &rest : &plain;
    *target = lappend(*target, lfirst(cell));
  }
  // What the conditions of the left side alone use need not be kept.
  query->jointree->quals = Joined(rest);
  auto *user = static_cast<Query *>(copyObjectImpl(query));
  List *from = query->jointree->fromlist;
  user->jointree->fromlist = NIL;
  Left left = {};
  foreach (cell, from) left.entries = bms_join(left.entries, SourcesOf(AsNode(lfirst(cell))));
  user->rtable = NIL;
  left.columns = UsedColumns(user, left.entries);
  left.query = Compile(compiler, Part(query, from, Joined(plain), left.columns));
  if (left.query == nullptr) return false;
  Detached detached;
  if (!DetachSubquery(compiler, reinterpret_cast<Query *>(link->subselect), left, &detached))
    return false;
  // Whether there is a match depends on the keys that there are only.
  if (link->subLinkType == EXISTS_SUBLINK && DependsOnMatchOnly(detached.subquery)) {
    const Node *match = detached.match;
    if (CompareByKeys(compiler, &detached.right, &match)) {
      detached.match = const_cast<Node *>(match);
      detached.subquery = MatchingRows(detached.right, match);
    }
  }
  auto *value = static_cast<SubLink *>(copyObjectImpl(link));
  value->testexpr = MoveColumns(link->testexpr, left.entries, left.columns, 1, 0, 0);
  value->subselect = reinterpret_cast<Node *>(detached.subquery);
  Query *combined = ReadAll(kLeftRows, DescribeRows(left.query));
  combined->hasSubLinks = true;
  const int columns = list_length(left.columns);
  combined->targetList =
      lappend(combined->targetList,
              makeTargetEntry(reinterpret_cast<Expr *>(value), static_cast<AttrNumber>(columns + 1),
                              pstrdup("value"), false));
  Query *reader = AddApplied(compiler, left.query, detached.right, detached.match, combined);
  Node *as_node = AsNode(const_cast<SubLink *>(link));
  Var *column = makeVar(list_length(query->rtable) + 1, static_cast<AttrNumber>(columns + 1),
                        exprType(as_node), exprTypmod(as_node), exprCollation(as_node), 0);
  const Node *old = static_cast<Node *>(copyObjectImpl(link));
  query->jointree->quals =
      ReplaceEqual(query->jointree->quals, old, reinterpret_cast<Node *>(column));
  query->targetList = reinterpret_cast<List *>(ReplaceEqual(
      reinterpret_cast<Node *>(query->targetList), old, reinterpret_cast<Node *>(column)));
  ReadStep(query, reader, left, NIL);
  query->hasSubLinks = FirstSubLink(query) != nullptr;
  return true;
}

// Replaces columns of a subquery in a comparison with it by their expressions.
Node *ComparedMutator(Node *node, List *targets) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Param) && reinterpret_cast<Param *>(node)->paramkind == PARAM_SUBLINK) {
    const auto *target =
        list_nth_node(TargetEntry, targets, reinterpret_cast<Param *>(node)->paramid - 1);
    return static_cast<Node *>(copyObjectImpl(target->expr));
  }
  return expression_tree_mutator(node, pg::AsMutator(ComparedMutator), targets);
}

// Makes IN an EXISTS, and NOT IN a NOT EXISTS, where a condition of a query is that alone.
Node *AsExists(Node *condition) {
  const bool is_not =
      IsA(condition, BoolExpr) && reinterpret_cast<BoolExpr *>(condition)->boolop == NOT_EXPR;
  Node *inner = is_not
                    ? static_cast<Node *>(linitial(reinterpret_cast<BoolExpr *>(condition)->args))
                    : condition;
  if (!IsA(inner, SubLink) || reinterpret_cast<SubLink *>(inner)->subLinkType != ANY_SUBLINK)
    return condition;
  auto *link = static_cast<SubLink *>(copyObjectImpl(inner));
  auto *subquery = reinterpret_cast<Query *>(link->subselect);
  Node *test = link->testexpr;
  IncrementVarSublevelsUp(test, 1, 0);
  const bool is_simple = !subquery->hasAggs && subquery->groupClause == NIL &&
                         subquery->havingQual == nullptr && !subquery->hasWindowFuncs &&
                         subquery->limitCount == nullptr && subquery->limitOffset == nullptr &&
                         subquery->setOperations == nullptr && !subquery->hasTargetSRFs;
  if (!is_simple) {
    IncrementVarSublevelsUp(reinterpret_cast<Node *>(subquery), 1, 1);
    Query *wrapper = ReadAll("in_rows", DescribeRows(subquery));
    Splice(wrapper, "in_rows", SubqueryEntry(subquery));
    subquery = wrapper;
  }
  test = ComparedMutator(test, subquery->targetList);
  if (is_not) {
    auto *may_match = makeNode(BooleanTest);
    may_match->arg = reinterpret_cast<Expr *>(test);
    may_match->booltesttype = IS_NOT_FALSE;
    may_match->location = -1;
    test = reinterpret_cast<Node *>(may_match);
  }
  subquery->jointree->quals = make_and_qual(subquery->jointree->quals, test);
  subquery->targetList = subquery->distinctClause = subquery->sortClause = NIL;
  subquery->hasDistinctOn = false;
  link->subLinkType = EXISTS_SUBLINK;
  link->testexpr = nullptr;
  link->operName = NIL;
  link->subselect = reinterpret_cast<Node *>(subquery);
  if (!is_not) return reinterpret_cast<Node *>(link);
  return reinterpret_cast<Node *>(makeBoolExpr(NOT_EXPR, list_make1(link), -1));
}

// Tells whether an entry is computed for each row of others, by more than adding up.
bool IsComputedForEach(const RangeTblEntry *entry) {
  if (entry->rtekind != RTE_SUBQUERY || !entry->lateral) return false;
  const Query *subquery = entry->subquery;
  if (!RefersOut(reinterpret_cast<const Node *>(subquery), 1)) return false;
  const bool adds_up = !subquery->hasAggs && subquery->groupClause == NIL &&
                       subquery->havingQual == nullptr && !subquery->hasWindowFuncs &&
                       subquery->limitCount == nullptr && subquery->limitOffset == nullptr &&
                       subquery->distinctClause == NIL && subquery->setOperations == nullptr &&
                       !subquery->hasSubLinks;
  if (!adds_up) return true;
  // An outer join inside needs a step as well, which cannot refer to a row.
  ListCell *cell;
  foreach (cell, subquery->rtable) {
    const auto *inner = lfirst_node(RangeTblEntry, cell);
    if (inner->rtekind == RTE_JOIN && inner->jointype != JOIN_INNER) return true;
    if (inner->rtekind == RTE_SUBQUERY) return true;
  }
  return false;
}

// True if a part of FROM reads tables or steps.
bool ReadsTables(const Query *query, const Node *from) {
  const Bitmapset *entries = SourcesOf(from);
  for (int i = bms_next_member(entries, -1); i >= 0; i = bms_next_member(entries, i)) {
    const auto kind = rt_fetch(i, query->rtable)->rtekind;
    if (kind == RTE_RELATION || kind == RTE_SUBQUERY || kind == RTE_NAMEDTUPLESTORE) return true;
  }
  return false;
}

}  // namespace

bool Detach(Compiler *compiler, Query *query) {
  FlattenInnerJoins(query);
  List *conditions = NIL;
  ListCell *cell;
  foreach (cell, Conditions(query))
    conditions = lappend(conditions, AsExists(AsNode(lfirst(cell))));
  query->jointree->quals = Joined(conditions);
  foreach (cell, query->jointree->fromlist) {
    auto *source = static_cast<Node *>(lfirst(cell));
    if (!IsA(source, JoinExpr)) continue;
    const auto *join = reinterpret_cast<JoinExpr *>(source);
    const bool fills_left = join->jointype == JOIN_FULL;
    if (!ReadsTables(query, join->rarg) && !(fills_left && ReadsTables(query, join->larg)))
      continue;
    List *others = list_delete_ptr(list_copy(query->jointree->fromlist), source);
    const Bitmapset *right = SourcesOf(join->rarg);
    bool is_lateral = false;
    for (int i = bms_next_member(right, -1); i >= 0; i = bms_next_member(right, i)) {
      const auto *entry = rt_fetch(i, query->rtable);
      is_lateral |= entry->lateral && entry->rtekind == RTE_SUBQUERY &&
                    RefersOut(reinterpret_cast<const Node *>(entry->subquery), 1);
      is_lateral |= entry->lateral && entry->rtekind != RTE_SUBQUERY;
    }
    if (!is_lateral) return DetachOuterJoin(compiler, query, join, others);
    if (!IsA(join->rarg, RangeTblRef) ||
        rt_fetch(bms_singleton_member(right), query->rtable)->rtekind != RTE_SUBQUERY)
      return Refuse(compiler, "an outer join has a LATERAL side", nullptr) != nullptr;
    return DetachLateral(compiler, query, bms_singleton_member(right), list_make1(join->larg),
                         nullptr, others, join);
  }
  foreach (cell, query->jointree->fromlist) {
    auto *source = static_cast<Node *>(lfirst(cell));
    if (!IsA(source, RangeTblRef)) continue;
    const int entry = reinterpret_cast<RangeTblRef *>(source)->rtindex;
    if (!IsComputedForEach(rt_fetch(entry, query->rtable))) continue;
    List *from = list_delete_ptr(list_copy(query->jointree->fromlist), source);
    List *before = NIL, *after = NIL;
    ListCell *condition;
    foreach (condition, Conditions(query)) {
      auto *node = static_cast<Node *>(lfirst(condition));
      const bool is_early =
          !checkExprHasSubLink(node) && UsedColumns(node, bms_make_singleton(entry), 0) == NIL;
      if (is_early) {
        before = lappend(before, node);
      } else {
        after = lappend(after, node);
      }
    }
    query->jointree->quals = Joined(after);
    return DetachLateral(compiler, query, entry, from, Joined(before), NIL, nullptr);
  }
  const SubLink *link = FirstSubLink(query);
  if (link != nullptr) return DetachSubLink(compiler, query, link);
  return false;
}

}  // namespace helios::mview
