// Takes queries with groups apart: keys and arguments below, a state with counters, expressions over it above.
#include "mview/shape.hpp"

#include "mview/measures.hpp"
#include "mview/trees.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_agg.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Notes the aggregates of an expression, and as keys the columns outside of them that depend on the keys.
bool CollectWalker(Node *node, Splitting *split) {
  if (node == nullptr || split->failed) return false;
  if (Find(split->keys, node) > 0) return false;
  if (IsA(node, Aggref)) {
    split->failed = !AddAggregate(split, reinterpret_cast<Aggref *>(node));
    return false;
  }
  if (IsA(node, GroupingFunc)) {
    Refuse(split->compiler, "it uses GROUPING()", nullptr);
    split->failed = true;
    return false;
  }
  if (IsA(node, Var)) {
    split->failed = !AddKey(split, node);
    return false;
  }
  return expression_tree_walker(node, pg::AsWalker(CollectWalker), split);
}

// Replaces keys and aggregates by columns of rows that begin with the keys.
Node *OverStateMutator(Node *node, Splitting *split) {
  if (node == nullptr) return nullptr;
  int found = Find(split->keys, node);
  if (found > 0) return ColumnOf(node, 1, found);
  if (IsA(node, Aggref)) {
    found = Find(split->aggregates, node);
    return ColumnOf(node, 1, list_length(split->keys) + found);
  }
  return expression_tree_mutator(node, pg::AsMutator(OverStateMutator), split);
}

// Describes the state: h, g1…, n, m1….
TupleDesc DescribeState(Splitting *split) {
  const int key_count = list_length(split->keys);
  TupleDesc desc = CreateTemplateTupleDesc(2 + key_count + list_length(split->measures));
  AttrNumber at = 0;
  auto add = [&](const char *name, Oid type, int32 typmod, Oid collation) {
    TupleDescInitEntry(desc, ++at, name, type, typmod, 0);
    TupleDescInitEntryCollation(desc, at, collation);
  };
  add("h", INT8OID, -1, InvalidOid);
  ListCell *cell;
  foreach (cell, split->keys) {
    const auto *key = static_cast<Node *>(lfirst(cell));
    add(psprintf("g%d", at), exprType(key), exprTypmod(key), exprCollation(key));
  }
  add("n", INT8OID, -1, InvalidOid);
  foreach (cell, split->measures) {
    const auto *measure = static_cast<Measure *>(lfirst(cell));
    const char *name = psprintf("m%d", foreach_current_index(cell) + 1);
    const Node *argument =
        measure->argument == 0
            ? nullptr
            : static_cast<Node *>(list_nth(split->arguments, measure->argument - 1));
    switch (measure->kind) {
      case MeasureKind::kCount:
      case MeasureKind::kSum:
        add(name, INT8OID, -1, InvalidOid);
        break;
      case MeasureKind::kBigSum:
      case MeasureKind::kSquares:
        add(name, NUMERICOID, -1, InvalidOid);
        break;
      case MeasureKind::kMin:
      case MeasureKind::kMax:
        add(name, exprType(argument), exprTypmod(argument), exprCollation(argument));
        break;
      case MeasureKind::kWhole:
        add(name, measure->whole->aggtype, -1, measure->whole->aggcollid);
        break;
    }
  }
  return desc;
}

// Makes the query from rows of the state to keys and results of aggregates.
Query *ResultsOfState(Splitting *split, TupleDesc state) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  const int key_count = list_length(split->keys);
  for (int i = 1; i <= key_count; i++) appendStringInfo(&sql, "g%d, ", i);
  ListCell *cell;
  foreach (cell, split->results)
    appendStringInfo(&sql, "%s AS r%d, ", static_cast<char *>(lfirst(cell)),
                     foreach_current_index(cell) + 1);
  appendStringInfo(&sql, "n FROM %s", kStateRows);
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, kStateRows, state);
  return Parse(sql.data, names);
}

// Makes the source: the query without groups, that puts out keys and arguments.
Query *SourceOf(Splitting *split, const Query *query) {
  auto *source = static_cast<Query *>(copyObjectImpl(query));
  source->targetList = NIL;
  source->groupClause = source->distinctClause = source->sortClause = NIL;
  source->havingQual = nullptr;
  source->hasAggs = source->hasTargetSRFs = false;
  auto add = [&](List *expressions, char letter) {
    ListCell *cell;
    foreach (cell, expressions) {
      auto *expression = static_cast<Node *>(copyObjectImpl(lfirst(cell)));
      source->hasTargetSRFs |= expression_returns_set(expression);
      source->targetList = lappend(
          source->targetList,
          makeTargetEntry(reinterpret_cast<Expr *>(expression),
                          static_cast<AttrNumber>(list_length(source->targetList) + 1),
                          psprintf("%c%d", letter, foreach_current_index(cell) + 1), false));
    }
  };
  add(split->keys, 'g');
  add(split->arguments, 'a');
  return source;
}

// Adds a node of groups, and makes a query that reads all of its output.
Query *AddGroups(Splitting *split, Query *source, Query *projection, TupleDesc state,
                 bool is_always_there, bool is_multiple) {
  Compiler *compiler = split->compiler;
  source = Compile(compiler, source);
  if (source == nullptr) return nullptr;
  auto *counted = static_cast<Counted *>(palloc0(sizeof(Counted)));
  counted->key_count = list_length(split->keys);
  counted->argument_count = list_length(split->arguments);
  counted->equality = split->equality;
  counted->source = source;
  counted->measures = split->measures;
  counted->state = state;
  counted->projection = projection;
  counted->is_always_there = is_always_there;
  counted->is_multiple = is_multiple;
  auto *step = static_cast<Step *>(palloc0(sizeof(Step)));
  step->kind = StepKind::kCounted;
  step->counted = counted;
  TupleDesc output = DescribeRows(projection);
  step->output = CreateTemplateTupleDesc(output->natts - 1);
  for (int i = 1; i < output->natts; i++)
    TupleDescCopyEntry(step->output, static_cast<AttrNumber>(i), output,
                       static_cast<AttrNumber>(i));
  return AddStep(compiler, step);
}

Const *UnitWeight() {
  return makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(1), false, true);
}

// Makes a query a subquery of one that puts out all of its columns.
Query *Wrapped(Query *query) {
  QueryEnvironment *names = create_queryEnv();
  TupleDesc desc = DescribeRows(query);
  NameShape(names, "inner_rows", desc);
  Query *wrapper = Parse("SELECT * FROM inner_rows", names);
  Splice(wrapper, "inner_rows", SubqueryEntry(query));
  return wrapper;
}

// Makes all columns of a query its keys.
bool AddAllKeys(Splitting *split, const Query *query) {
  ListCell *cell;
  foreach (cell, query->targetList) {
    auto *target = lfirst_node(TargetEntry, cell);
    if (!AddKey(split, reinterpret_cast<Node *>(target->expr))) return false;
  }
  return true;
}

// A grouping set of a query.
struct GroupingSet {
  const Query *query;
  List *references;  // to sort and group clauses, of the expressions in the set
};

// Makes expressions that are not in a grouping set null, outside of aggregates, and GROUPING() a number.
Node *InSetMutator(Node *node, GroupingSet *set) {
  if (node == nullptr || IsA(node, Aggref)) return node;
  if (IsA(node, GroupingFunc)) {
    int32 bits = 0;
    ListCell *cell;
    foreach (cell, reinterpret_cast<GroupingFunc *>(node)->refs)
      bits = bits << 1 | (list_member_int(set->references, lfirst_int(cell)) ? 0 : 1);
    return reinterpret_cast<Node *>(
        makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(bits), false, true));
  }
  ListCell *cell;
  foreach (cell, set->query->groupClause) {
    auto *clause = lfirst_node(SortGroupClause, cell);
    Node *expression = get_sortgroupclause_expr(clause, set->query->targetList);
    if (!equal(expression, node)) continue;
    if (list_member_int(set->references, static_cast<int>(clause->tleSortGroupRef))) return node;
    return reinterpret_cast<Node *>(
        makeNullConst(exprType(node), exprTypmod(node), exprCollation(node)));
  }
  return expression_tree_mutator(node, pg::AsMutator(InSetMutator), set);
}

// Makes the query of one grouping set.
Query *OfGroupingSet(const Query *query, List *references) {
  GroupingSet set = {query, references};
  auto *groups = static_cast<Query *>(copyObjectImpl(query));
  groups->groupingSets = groups->groupClause = NIL;
  groups->targetList =
      reinterpret_cast<List *>(InSetMutator(reinterpret_cast<Node *>(groups->targetList), &set));
  groups->havingQual = InSetMutator(groups->havingQual, &set);
  ListCell *cell;
  foreach (cell, query->groupClause) {
    auto *clause = lfirst_node(SortGroupClause, cell);
    if (list_member_int(references, static_cast<int>(clause->tleSortGroupRef)))
      groups->groupClause = lappend(groups->groupClause, clause);
  }
  // The empty set has one group, also without aggregates.
  if (groups->groupClause == NIL && !groups->hasAggs && groups->havingQual == nullptr)
    groups->havingQual = makeBoolConst(true, false);
  return groups;
}

}  // namespace

Query *CompileGroupingSets(Compiler *compiler, const Query *query) {
  if (query->distinctClause != NIL) {
    auto *inner = static_cast<Query *>(copyObjectImpl(query));
    inner->distinctClause = NIL;
    Query *distinct = Wrapped(inner);
    QueryEnvironment *names = create_queryEnv();
    NameShape(names, "sets", DescribeRows(distinct));
    Query *outer = Parse("SELECT DISTINCT * FROM sets", names);
    Splice(outer, "sets", SubqueryEntry(distinct));
    return Compile(compiler, outer);
  }
  constexpr int kMostSets = 64;
  List *sets = expand_grouping_sets(query->groupingSets, query->groupDistinct, kMostSets);
  if (sets == NIL) return Refuse(compiler, "it has too many grouping sets", nullptr);
  Query *all = nullptr;
  ListCell *cell;
  foreach (cell, sets) {
    Query *groups = OfGroupingSet(query, static_cast<List *>(lfirst(cell)));
    all = all == nullptr ? groups : UnionAll(all, groups);
  }
  return Compile(compiler, all);
}

Query *CompileGroups(Compiler *compiler, const Query *query) {
  Splitting split = {};
  split.compiler = compiler;
  const bool is_distinct = query->distinctClause != NIL;
  const bool is_grouped =
      query->groupClause != NIL || query->hasAggs || query->havingQual != nullptr;
  if (is_distinct && (is_grouped || query->hasTargetSRFs)) {
    auto *inner = static_cast<Query *>(copyObjectImpl(query));
    inner->distinctClause = NIL;
    List *kept = NIL;
    ListCell *cell;
    foreach (cell, inner->targetList) {
      auto *target = lfirst_node(TargetEntry, cell);
      if (is_grouped || !target->resjunk) kept = lappend(kept, target);
    }
    inner->targetList = kept;
    Query *below = is_grouped ? CompileGroups(compiler, inner) : inner;
    if (below == nullptr) return nullptr;
    Query *outer = Wrapped(below);
    if (!AddAllKeys(&split, outer)) return nullptr;
    query = outer;
  } else if (is_distinct) {
    if (!AddAllKeys(&split, query)) return nullptr;
  } else {
    ListCell *cell;
    foreach (cell, query->groupClause) {
      const auto *clause = lfirst_node(SortGroupClause, cell);
      if (!AddKey(&split, get_sortgroupclause_expr(const_cast<SortGroupClause *>(clause),
                                                   query->targetList)))
        return nullptr;
    }
  }
  List *visible = NIL;
  ListCell *cell;
  foreach (cell, query->targetList)
    if (!lfirst_node(TargetEntry, cell)->resjunk) visible = lappend(visible, lfirst(cell));
  CollectWalker(reinterpret_cast<Node *>(visible), &split);
  CollectWalker(query->havingQual, &split);
  if (split.failed) return nullptr;
  const TupleDesc state = DescribeState(&split);
  auto *projection = makeNode(Query);
  projection->commandType = CMD_SELECT;
  projection->canSetTag = true;
  projection->hasTargetSRFs = query->hasTargetSRFs && !is_distinct;
  projection->jointree =
      makeFromExpr(NIL, is_distinct ? nullptr : OverStateMutator(query->havingQual, &split));
  AddEntry(projection, SubqueryEntry(ResultsOfState(&split, state)), true);
  foreach (cell, visible) {
    const auto *target = lfirst_node(TargetEntry, cell);
    auto *expression = OverStateMutator(reinterpret_cast<Node *>(target->expr), &split);
    projection->targetList =
        lappend(projection->targetList,
                makeTargetEntry(reinterpret_cast<Expr *>(expression),
                                static_cast<AttrNumber>(list_length(projection->targetList) + 1),
                                target->resname, false));
  }
  projection->targetList =
      lappend(projection->targetList,
              makeTargetEntry(reinterpret_cast<Expr *>(UnitWeight()),
                              static_cast<AttrNumber>(list_length(projection->targetList) + 1),
                              pstrdup("weight"), false));
  if (checkExprHasSubLink(reinterpret_cast<Node *>(projection->targetList)) ||
      checkExprHasSubLink(projection->jointree->quals))
    return Refuse(compiler, "it has a subquery in an expression over groups", nullptr);
  return AddGroups(&split, SourceOf(&split, query), projection, state,
                   split.keys == NIL && !is_distinct, projection->hasTargetSRFs);
}

Query *CompileSetOperation(Compiler *compiler, SetOperation op, bool all, Query *left,
                           Query *right) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, "a", DescribeRows(left));
  NameShape(names, "b", DescribeRows(right));
  // Each row says on which side it is; null elsewhere, so that values are counted.
  Query *both =
      Parse("SELECT *, true, NULL::bool FROM a UNION ALL SELECT *, NULL::bool, true FROM b", names);
  Splice(both, "a", SubqueryEntry(left));
  Splice(both, "b", SubqueryEntry(right));
  Query *query = Wrapped(both);
  Splitting split = {};
  split.compiler = compiler;
  List *arguments = NIL;
  const int columns = list_length(query->targetList) - 2;
  ListCell *cell;
  foreach (cell, query->targetList) {
    auto *expression = reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr);
    if (foreach_current_index(cell) >= columns) {
      arguments = lappend(arguments, expression);
    } else if (!AddKey(&split, expression)) {
      return nullptr;
    }
  }
  split.arguments = arguments;
  AddMeasure(&split, MeasureKind::kCount, 1, nullptr);
  AddMeasure(&split, MeasureKind::kCount, 2, nullptr);
  const TupleDesc state = DescribeState(&split);
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  for (int i = 1; i <= columns; i++) appendStringInfo(&sql, "g%d, ", i);
  const char *weight = "1::int8";
  if (op == SETOP_INTERSECT) {
    weight = all ? "LEAST(m1, m2)" : "(m1 > 0 AND m2 > 0)::int4::int8";
  } else if (op == SETOP_EXCEPT) {
    weight = all ? "GREATEST(m1 - m2, 0)" : "(m1 > 0 AND m2 = 0)::int4::int8";
  }
  appendStringInfo(&sql, "%s AS weight FROM %s", weight, kStateRows);
  NameShape(names, kStateRows, state);
  Query *projection = Parse(sql.data, names);
  return AddGroups(&split, SourceOf(&split, query), projection, state, false, true);
}

}  // namespace helios::mview
