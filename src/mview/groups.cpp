// Takes queries with groups apart: keys and arguments below, a state with counters, expressions over it above.
#include "mview/shape.hpp"

#include "mview/trees.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

// The taking apart of one query with groups.
struct Splitting {
  Compiler *compiler;
  List *keys;        // expressions
  List *equality;    // OIDs of operators
  List *arguments;   // expressions of the source
  List *measures;    // of Measure
  List *aggregates;  // of Aggref, as found
  List *results;     // of text: each aggregate from columns m1, m2, … of the state
  bool failed;
};

// Finds an expression in a list, counted from 1; 0 if it is not there.
int Find(List *list, const Node *node) {
  ListCell *cell;
  int number = 0;
  foreach (cell, list) {
    number++;
    if (equal(lfirst(cell), node)) return number;
  }
  return 0;
}

int Enter(List **list, Node *node) {
  const int found = Find(*list, node);
  if (found > 0) return found;
  *list = lappend(*list, copyObjectImpl(node));
  return list_length(*list);
}

// Notes a key; false if its type cannot be one.
bool AddKey(Splitting *split, Node *expression) {
  if (Find(split->keys, expression) > 0) return true;
  const Oid type = exprType(expression);
  const TypeCacheEntry *cache =
      lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_HASH_EXTENDED_PROC);
  if (!OidIsValid(cache->eq_opr) || !OidIsValid(cache->hash_extended_proc) ||
      get_typtype(type) == TYPTYPE_PSEUDO) {
    Refuse(split->compiler,
           psprintf("it groups by type %s, which has no hash function", format_type_be(type)),
           nullptr);
    return false;
  }
  constexpr int kMostKeys = 60;
  if (list_length(split->keys) == kMostKeys) {
    Refuse(split->compiler, psprintf("it groups by more than %d columns", kMostKeys), nullptr);
    return false;
  }
  split->keys = lappend(split->keys, copyObjectImpl(expression));
  split->equality = lappend_oid(split->equality, cache->eq_opr);
  return true;
}

// Notes a column of the state; returns its number.
int AddMeasure(Splitting *split, MeasureKind kind, int argument, const Aggref *whole) {
  ListCell *cell;
  int number = 0;
  foreach (cell, split->measures) {
    number++;
    const auto *measure = static_cast<Measure *>(lfirst(cell));
    if (measure->kind == kind && kind != MeasureKind::kWhole && measure->argument == argument)
      return number;
  }
  auto *measure = static_cast<Measure *>(palloc(sizeof(Measure)));
  *measure = {kind, argument, whole};
  split->measures = lappend(split->measures, measure);
  return number + 1;
}

// The aggregates that counters can follow.
enum class Family { kCount, kSum, kAvg, kMin, kMax, kAnd, kOr, kSpread, kOther };

// Numbers that counters are exact for: integers that sum up to bigint, and those that sum up to numeric.
bool IsSmallInteger(Oid type) { return type == INT2OID || type == INT4OID; }
bool IsExact(Oid type) { return IsSmallInteger(type) || type == INT8OID || type == NUMERICOID; }

Family FamilyOf(const Aggref *aggregate) {
  if (get_func_namespace(aggregate->aggfnoid) != PG_CATALOG_NAMESPACE ||
      aggregate->aggkind != AGGKIND_NORMAL)
    return Family::kOther;
  const char *name = get_func_name(aggregate->aggfnoid);
  if (strcmp(name, "min") == 0) return Family::kMin;
  if (strcmp(name, "max") == 0) return Family::kMax;
  if (strcmp(name, "bool_and") == 0 || strcmp(name, "every") == 0) return Family::kAnd;
  if (strcmp(name, "bool_or") == 0) return Family::kOr;
  if (aggregate->aggdistinct != NIL) return Family::kOther;
  if (strcmp(name, "count") == 0) return Family::kCount;
  if (list_length(aggregate->aggargtypes) != 1 || !IsExact(linitial_oid(aggregate->aggargtypes)))
    return Family::kOther;
  if (strcmp(name, "sum") == 0) return Family::kSum;
  if (strcmp(name, "avg") == 0) return Family::kAvg;
  constexpr const char *kSpreads[] = {"variance", "var_samp",    "var_pop",
                                      "stddev",   "stddev_samp", "stddev_pop"};
  for (const char *spread : kSpreads)
    if (strcmp(name, spread) == 0) return Family::kSpread;
  return Family::kOther;
}

// Returns the argument of an aggregate, null where its filter is not true.
Node *Filtered(const Aggref *aggregate, Node *argument) {
  if (aggregate->aggfilter == nullptr) return argument;
  auto *when = makeNode(CaseWhen);
  when->expr = aggregate->aggfilter;
  when->result = reinterpret_cast<Expr *>(argument);
  when->location = -1;
  auto *choice = makeNode(CaseExpr);
  choice->casetype = exprType(argument);
  choice->casecollid = exprCollation(argument);
  choice->args = list_make1(when);
  choice->defresult = reinterpret_cast<Expr *>(
      makeNullConst(choice->casetype, exprTypmod(argument), choice->casecollid));
  choice->location = -1;
  return reinterpret_cast<Node *>(choice);
}

// Writes variance or standard deviation from count, sum and sum of squares, to the digit as PostgreSQL computes it.
char *SpreadText(const char *name, int count, int sum, int squares) {
  const bool is_population = strstr(name, "_pop") != nullptr;
  const char *divisor = is_population
                            ? psprintf("(m%d::numeric * m%d::numeric)", count, count)
                            : psprintf("(m%d::numeric * (m%d - 1)::numeric)", count, count);
  char *difference =
      psprintf("(m%d::numeric * m%d - m%d::numeric * m%d::numeric)", count, squares, sum, sum);
  char *variance = psprintf("CASE WHEN %s <= 0 THEN 0::numeric ELSE %s / %s END", difference,
                            difference, divisor);
  const char *result = variance;
  if (strncmp(name, "stddev", strlen("stddev")) == 0) {
    // sqrt() may keep fewer digits than its argument has: more digits first, then as many as the argument.
    constexpr int kMoreDigits = 20;
    result = psprintf(
        "CASE WHEN (%s) = 'NaN' THEN 'NaN'::numeric ELSE round(sqrt(round(%s, scale(%s) + %d)), "
        "scale(%s)) END",
        variance, variance, variance, kMoreDigits, variance);
  }
  return psprintf("CASE WHEN m%d > %d THEN %s END", count, is_population ? 0 : 1, result);
}

Node *ColumnOf(const Node *expression, int rows, int column) {
  auto *node = const_cast<Node *>(expression);
  return reinterpret_cast<Node *>(makeVar(rows, static_cast<AttrNumber>(column), exprType(node),
                                          exprTypmod(node), exprCollation(node), 0));
}

// Lets an aggregate read columns of the source, numbered from the first argument on, in place of expressions.
Aggref *OverArguments(Splitting *split, const Aggref *aggregate) {
  auto *copy = static_cast<Aggref *>(copyObjectImpl(aggregate));
  auto column = [&](Node *expression) -> Node * {
    if (!contain_var_clause(expression)) return expression;
    return ColumnOf(expression, 1, Enter(&split->arguments, expression));
  };
  ListCell *cell;
  foreach (cell, copy->args) {
    auto *target = lfirst_node(TargetEntry, cell);
    target->expr = reinterpret_cast<Expr *>(column(reinterpret_cast<Node *>(target->expr)));
  }
  foreach (cell, copy->aggdirectargs) lfirst(cell) = column(static_cast<Node *>(lfirst(cell)));
  if (copy->aggfilter != nullptr)
    copy->aggfilter = reinterpret_cast<Expr *>(column(reinterpret_cast<Node *>(copy->aggfilter)));
  return copy;
}

// Notes what an aggregate needs of the state, and how it is computed from that.
bool AddAggregate(Splitting *split, const Aggref *aggregate) {
  if (Find(split->aggregates, reinterpret_cast<const Node *>(aggregate)) > 0) return true;
  if (aggregate->agglevelsup > 0) {
    Refuse(split->compiler, "an aggregate belongs to an outer query", nullptr);
    return false;
  }
  const char *type = format_type_be_qualified(aggregate->aggtype);
  char *result = nullptr;
  const Family family = FamilyOf(aggregate);
  int argument = 0;
  Oid argument_type = InvalidOid;
  if (family != Family::kOther) {
    Node *expression =
        aggregate->args == NIL
            ? reinterpret_cast<Node *>(makeBoolConst(true, false))
            : reinterpret_cast<Node *>(linitial_node(TargetEntry, aggregate->args)->expr);
    argument_type = exprType(expression);
    if (aggregate->args != NIL || aggregate->aggfilter != nullptr)
      argument = Enter(&split->arguments, Filtered(aggregate, expression));
  }
  // The digits of a quotient depend on the largest scale among the values.
  if ((family == Family::kAvg || family == Family::kSpread) && argument_type == NUMERICOID) {
    auto *value = static_cast<Node *>(list_nth(split->arguments, argument - 1));
    if (exprTypmod(value) < 0) {
      auto *scale = makeFuncExpr(F_SCALE, INT4OID, list_make1(value), InvalidOid, InvalidOid,
                                 COERCE_EXPLICIT_CALL);
      AddMeasure(split, MeasureKind::kMax,
                 Enter(&split->arguments, reinterpret_cast<Node *>(scale)), nullptr);
    }
  }
  const MeasureKind sum = IsSmallInteger(argument_type) ? MeasureKind::kSum : MeasureKind::kBigSum;
  auto measure = [&](MeasureKind kind) { return AddMeasure(split, kind, argument, nullptr); };
  switch (family) {
    case Family::kCount:
      result = argument == 0 ? pstrdup("n") : psprintf("m%d", measure(MeasureKind::kCount));
      break;
    case Family::kSum:
      result =
          psprintf("CASE WHEN m%d > 0 THEN m%d END", measure(MeasureKind::kCount), measure(sum));
      break;
    case Family::kAvg: {
      const int count = measure(MeasureKind::kCount);
      result = psprintf("CASE WHEN m%d > 0 THEN m%d::numeric / m%d::numeric END", count,
                        measure(sum), count);
      break;
    }
    case Family::kMin:
    case Family::kMax: {
      const TypeCacheEntry *cache = lookup_type_cache(argument_type, TYPECACHE_BTREE_OPFAMILY);
      if (OidIsValid(cache->btree_opf) && get_typtype(argument_type) != TYPTYPE_PSEUDO) {
        result = psprintf("m%d",
                          measure(family == Family::kMin ? MeasureKind::kMin : MeasureKind::kMax));
      }
      break;
    }
    case Family::kAnd:
    case Family::kOr: {
      // Counts of true and of false values.
      Node *value = static_cast<Node *>(list_nth(split->arguments, argument - 1));
      auto *reverse = makeBoolExpr(NOT_EXPR, list_make1(value), -1);
      auto one_if = [&](Node *condition) {
        auto *dummy = makeNode(Aggref);
        dummy->aggfilter = reinterpret_cast<Expr *>(condition);
        return Enter(&split->arguments,
                     Filtered(dummy, reinterpret_cast<Node *>(makeBoolConst(true, false))));
      };
      const int trues = AddMeasure(split, MeasureKind::kCount, one_if(value), nullptr);
      const int falses = AddMeasure(split, MeasureKind::kCount,
                                    one_if(reinterpret_cast<Node *>(reverse)), nullptr);
      const bool is_and = family == Family::kAnd;
      result =
          psprintf("CASE WHEN m%d > 0 THEN %s WHEN m%d > 0 THEN %s END", is_and ? falses : trues,
                   is_and ? "false" : "true", is_and ? trues : falses, is_and ? "true" : "false");
      break;
    }
    case Family::kSpread: {
      const int count = measure(MeasureKind::kCount);
      result = SpreadText(get_func_name(aggregate->aggfnoid), count, measure(sum),
                          measure(MeasureKind::kSquares));
      break;
    }
    case Family::kOther:
      break;
  }
  if (result == nullptr) {
    if (get_typtype(aggregate->aggtype) == TYPTYPE_PSEUDO) {
      Refuse(split->compiler,
             psprintf("an aggregate returns type %s", format_type_be(aggregate->aggtype)), nullptr);
      return false;
    }
    result =
        psprintf("m%d", AddMeasure(split, MeasureKind::kWhole, 0, OverArguments(split, aggregate)));
  } else {
    result = psprintf("(%s)::%s", result, type);
  }
  split->aggregates = lappend(split->aggregates, copyObjectImpl(aggregate));
  split->results = lappend(split->results, result);
  return true;
}

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

}  // namespace

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
