#include "mview/measures.hpp"

#include "mview/trees.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

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

}  // namespace

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

Node *ColumnOf(const Node *expression, int rows, int column) {
  auto *node = const_cast<Node *>(expression);
  return reinterpret_cast<Node *>(makeVar(rows, static_cast<AttrNumber>(column), exprType(node),
                                          exprTypmod(node), exprCollation(node), 0));
}

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

}  // namespace helios::mview
