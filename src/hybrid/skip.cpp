#include "hybrid/skip.hpp"

#include "hybrid/forms.hpp"
#include "hybrid/zone.hpp"

extern "C" {
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/rel.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

enum class Ask : uint8 { kAll, kAny, kCompare, kIsNull, kIsNotNull };

// A node of a condition. kAll and kAny: of `parts`. kCompare: column `strategy` any of `values`.
struct Test {
  Ask ask;
  List *parts;  // of Test
  const FormData_pg_attribute *column;
  StrategyNumber strategy;
  FmgrInfo compare;  // the btree family's, of the column and a value
  Oid collation;
  ExprState *value;  // gives the value, or an array of values
  Oid element;       // of the array; invalid: it is one value
  Oid type;          // of a value
  int count;         // of values that are not null, as computed last
  Datum *values;
};

Test *MakeTest(Ask ask) {
  auto *test = static_cast<Test *>(palloc0(sizeof(Test)));
  test->ask = ask;
  return test;
}

}  // namespace

struct ScanFilter {
  ScanState *state;
  Test *root;
  ValueRange *ranges;  // what comparisons of integers leave of the values of columns
  size_t range_count;
  ExprContext *econtext;
  MemoryContext values;  // of the last computation
};

namespace {

// The column that an expression is, whatever it is relabelled to; null: it is none of the table's.
const FormData_pg_attribute *ColumnOf(const ScanState *state, Node *expression) {
  while (IsA(expression, RelabelType)) {
    expression = reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(expression)->arg);
  }
  if (!IsA(expression, Var)) return nullptr;
  const auto *var = reinterpret_cast<const Var *>(expression);
  if (var->varattno <= 0) return nullptr;
  return TupleDescAttr(RelationGetDescr(state->ss_currentRelation), var->varattno - 1);
}

// Says whether an expression has one value in a whole scan.
bool IsFixed(Node *expression) {
  return !contain_var_clause(expression) && !contain_subplans(expression) &&
         !contain_volatile_functions(expression);
}

// Says whether a parameter occurs that a scan may find changed when it begins anew.
bool HasExecutorParam(Node *expression, void *) {
  if (expression == nullptr) return false;
  if (IsA(expression, Param)) {
    return reinterpret_cast<const Param *>(expression)->paramkind == PARAM_EXEC;
  }
  return expression_tree_walker(
      expression, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(HasExecutorParam)),
      nullptr);
}

// A comparison of the btree family of a column's type.
struct Comparison {
  int strategy;
  Oid function;  // BTORDER_PROC of the two types
};

// Finds the comparison that an operator makes of a column of a type; false if zones cannot answer it.
bool FindComparison(Oid type, Oid opno, Oid collation, Comparison *found) {
  const Oid family = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
  if (!OidIsValid(family) || !op_in_opfamily(opno, family) || !op_strict(opno)) return false;
  Oid left;
  Oid right;
  get_op_opfamily_properties(opno, family, false, &found->strategy, &left, &right);
  found->function = get_opfamily_proc(family, left, right, BTORDER_PROC);
  if (!OidIsValid(found->function)) return false;
  if (!IsOrderedAsBytes(type)) return true;
  // Zones are in the order of bytes. What is equal has equal bytes, unless the collation says otherwise.
  // Without a collation the operator raises an error when it comes to a row.
  return OidIsValid(collation) &&
         (found->strategy == BTEqualStrategyNumber ? get_collation_isdeterministic(collation)
                                                   : lc_collate_is_c(collation));
}

// A comparison of a column by an operator; null: zones cannot answer it.
Test *MakeComparison(const FormData_pg_attribute *column, Oid opno, Oid collation, Node *value,
                     bool is_array) {
  Comparison comparison;
  if (!FindComparison(column->atttypid, opno, collation, &comparison)) return nullptr;
  Test *test = MakeTest(Ask::kCompare);
  test->column = column;
  test->strategy = static_cast<StrategyNumber>(comparison.strategy);
  fmgr_info(comparison.function, &test->compare);
  test->collation = IsOrderedAsBytes(column->atttypid) ? C_COLLATION_OID : collation;
  test->type = is_array ? get_element_type(exprType(value)) : exprType(value);
  test->element = is_array ? test->type : InvalidOid;
  if (!OidIsValid(test->type)) return nullptr;
  test->value = ExecInitExpr(reinterpret_cast<Expr *>(value), nullptr);
  return test;
}

Test *MakeOperatorTest(const ScanState *state, const OpExpr *clause) {
  if (list_length(clause->args) != 2) return nullptr;
  auto *left = static_cast<Node *>(linitial(clause->args));
  auto *right = static_cast<Node *>(lsecond(clause->args));
  if (const auto *column = ColumnOf(state, left); column != nullptr && IsFixed(right)) {
    return MakeComparison(column, clause->opno, clause->inputcollid, right, false);
  }
  const auto *column = ColumnOf(state, right);
  const Oid commuted = get_commutator(clause->opno);
  if (column == nullptr || !IsFixed(left) || !OidIsValid(commuted)) return nullptr;
  return MakeComparison(column, commuted, clause->inputcollid, left, false);
}

Test *MakeArrayTest(const ScanState *state, const ScalarArrayOpExpr *clause) {
  const auto *column = ColumnOf(state, static_cast<Node *>(linitial(clause->args)));
  auto *array = static_cast<Node *>(lsecond(clause->args));
  if (!clause->useOr || column == nullptr || !IsFixed(array)) return nullptr;
  return MakeComparison(column, clause->opno, clause->inputcollid, array, true);
}

Test *MakeNullTest(const ScanState *state, const NullTest *clause) {
  const auto *column = ColumnOf(state, reinterpret_cast<Node *>(clause->arg));
  if (column == nullptr || clause->argisrow) return nullptr;
  Test *test = MakeTest(clause->nulltesttype == IS_NULL ? Ask::kIsNull : Ask::kIsNotNull);
  test->column = column;
  return test;
}

Test *MakeTestOf(const ScanState *state, Node *clause);

// The parts of a list of conditions that zones can answer. Of those that any row may fit all must be answered.
Test *MakeListTest(const ScanState *state, List *clauses, Ask ask) {
  Test *test = MakeTest(ask);
  ListCell *cell;
  foreach (cell, clauses) {
    Test *part = MakeTestOf(state, static_cast<Node *>(lfirst(cell)));
    if (part != nullptr) {
      test->parts = lappend(test->parts, part);
    } else if (ask == Ask::kAny) {
      return nullptr;
    }
  }
  return test->parts == NIL ? nullptr : test;
}

Test *MakeTestOf(const ScanState *state, Node *clause) {
  switch (nodeTag(clause)) {
    case T_OpExpr:
      return MakeOperatorTest(state, reinterpret_cast<OpExpr *>(clause));
    case T_ScalarArrayOpExpr:
      return MakeArrayTest(state, reinterpret_cast<ScalarArrayOpExpr *>(clause));
    case T_NullTest:
      return MakeNullTest(state, reinterpret_cast<NullTest *>(clause));
    case T_BoolExpr: {
      const auto *expression = reinterpret_cast<BoolExpr *>(clause);
      if (expression->boolop == NOT_EXPR) return nullptr;
      return MakeListTest(state, expression->args,
                          expression->boolop == AND_EXPR ? Ask::kAll : Ask::kAny);
    }
    default:
      return nullptr;
  }
}

bool IsInteger(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

// Says whether a test compares a column with one value, both of which are integers of a kind.
bool ComparesIntegers(const Test &test) {
  if (test.ask != Ask::kCompare || OidIsValid(test.element)) return false;
  const Oid type = test.column->atttypid;
  return IsOrderedAsInt(type) && (type == test.type || (IsInteger(type) && IsInteger(test.type)));
}

// The conditions that rows can be asked by their integers. An index begins scans anew too often for values that change
// with each.
Test *MakeRowTest(const ScanState *state, List *clauses) {
  Test *test = MakeTest(Ask::kAll);
  ListCell *cell;
  foreach (cell, clauses) {
    auto *clause = static_cast<Node *>(lfirst(cell));
    if (IsA(state, IndexScanState) && HasExecutorParam(clause, nullptr)) continue;
    Test *part = MakeTestOf(state, clause);
    if (part != nullptr && ComparesIntegers(*part)) test->parts = lappend(test->parts, part);
  }
  return test->parts == NIL ? nullptr : test;
}

// Keeps the value that a column is compared with, or the elements of the array; nulls fit no row.
void Keep(Test *test, Datum value) {
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(test->type, &length, &by_value, &align);
  if (!OidIsValid(test->element)) {
    test->values = static_cast<Datum *>(palloc(sizeof(Datum)));
    test->values[test->count++] = datumCopy(value, by_value, length);
    return;
  }
  Datum *elements;
  bool *nulls;
  int count;
  deconstruct_array(DatumGetArrayTypePCopy(value), test->element, length, by_value, align,
                    &elements, &nulls, &count);
  test->values = elements;
  for (int i = 0; i < count; i++) {
    if (!nulls[i]) test->values[test->count++] = elements[i];
  }
}

void Compute(Test *test, ExprContext *econtext) {
  ListCell *cell;
  foreach (cell, test->parts) Compute(static_cast<Test *>(lfirst(cell)), econtext);
  if (test->ask != Ask::kCompare) return;
  test->count = 0;
  bool isnull;
  const Datum value = ExecEvalExprSwitchContext(test->value, econtext, &isnull);
  if (!isnull) Keep(test, value);
}

// Narrows the range of a column's values by a comparison of integers.
void NarrowBy(const Test &test, ScanFilter *filter) {
  if (!ComparesIntegers(test)) return;
  const int column = test.column->attnum - 1;
  ValueRange *range = filter->ranges;
  ValueRange *end = filter->ranges + filter->range_count;
  while (range < end && range->column != column) range++;
  if (range == end) {
    *range = {column, PG_INT64_MIN, PG_INT64_MAX};
    filter->range_count++;
  }
  const auto narrow = [range](int64 low, int64 high) {
    range->low = std::max(range->low, low);
    range->high = std::min(range->high, high);
  };
  // A comparison with null fits no row.
  if (test.count == 0) return narrow(PG_INT64_MAX, PG_INT64_MIN);
  const int64 value = IntOf(test.values[0], get_typlen(test.type));
  switch (test.strategy) {
    case BTLessStrategyNumber:
      if (value == PG_INT64_MIN) return narrow(PG_INT64_MAX, PG_INT64_MIN);
      return narrow(PG_INT64_MIN, value - 1);
    case BTLessEqualStrategyNumber:
      return narrow(PG_INT64_MIN, value);
    case BTEqualStrategyNumber:
      return narrow(value, value);
    case BTGreaterEqualStrategyNumber:
      return narrow(value, PG_INT64_MAX);
    default:
      if (value == PG_INT64_MAX) return narrow(PG_INT64_MAX, PG_INT64_MIN);
      return narrow(value + 1, PG_INT64_MAX);
  }
}

// Says whether some value between the least and the greatest can be as the test wants it to be to `value`.
bool MayFit(Test *test, const Zone &zone, Datum value) {
  const auto compare = [&](Datum bound) {
    return DatumGetInt32(FunctionCall2Coll(&test->compare, test->collation, bound, value));
  };
  switch (test->strategy) {
    case BTLessStrategyNumber:
      return compare(zone.least) < 0;
    case BTLessEqualStrategyNumber:
      return compare(zone.least) <= 0;
    case BTEqualStrategyNumber:
      return compare(zone.least) <= 0 && compare(zone.greatest) >= 0;
    case BTGreaterEqualStrategyNumber:
      return compare(zone.greatest) >= 0;
    default:
      return compare(zone.greatest) > 0;
  }
}

bool MayFit(Test *test, const ChunkMeta &chunk) {
  ListCell *cell;
  if (test->ask == Ask::kAll || test->ask == Ask::kAny) {
    const bool stop_at = test->ask == Ask::kAny;
    foreach (cell, test->parts) {
      if (MayFit(static_cast<Test *>(lfirst(cell)), chunk) == stop_at) return stop_at;
    }
    return !stop_at;
  }
  const ChunkColumn *column = nullptr;
  for (const ChunkColumn &candidate : chunk.columns) {
    if (candidate.attribute == test->column->attnum) column = &candidate;
  }
  // Rows of a chunk that is older than the column have its default.
  if (column == nullptr) return true;
  if (test->ask == Ask::kIsNull) return column->nulls > 0;
  if (column->nulls == chunk.header->rows) return false;
  Zone zone;
  if (test->ask == Ask::kIsNotNull) return true;
  if (!ReadZone(chunk, *column, *test->column, &zone)) return test->count > 0;
  for (int i = 0; i < test->count; i++) {
    if (MayFit(test, zone, test->values[i])) return true;
  }
  return false;
}

}  // namespace

bool CanAnswer(Oid type, Oid opno, Oid collation) {
  Comparison ignored;
  return HasZones(type) && FindComparison(type, opno, collation, &ignored);
}

ScanFilter *MakeScanFilter(ScanState *state) {
  List *qual = state->ps.plan->qual;
  if (qual == NIL) return nullptr;
  Test *root =
      IsA(state, SeqScanState) ? MakeListTest(state, qual, Ask::kAll) : MakeRowTest(state, qual);
  if (root == nullptr) return nullptr;
  auto *filter = static_cast<ScanFilter *>(palloc(sizeof(ScanFilter)));
  filter->state = state;
  filter->root = root;
  filter->ranges = static_cast<ValueRange *>(palloc(list_length(root->parts) * sizeof(ValueRange)));
  filter->range_count = 0;
  filter->econtext = state->ps.ps_ExprContext;
  filter->values =
      AllocSetContextCreate(CurrentMemoryContext, "heliosdb chunk filter", ALLOCSET_SMALL_SIZES);
  return filter;
}

void ComputeValues(ScanFilter *filter) {
  MemoryContextReset(filter->values);
  const MemoryContext caller = MemoryContextSwitchTo(filter->values);
  Compute(filter->root, filter->econtext);
  MemoryContextSwitchTo(caller);
  filter->range_count = 0;
  ListCell *cell;
  foreach (cell, filter->root->parts) NarrowBy(*static_cast<Test *>(lfirst(cell)), filter);
}

bool CanSkip(const ScanFilter &filter, const ChunkMeta &chunk) {
  return !MayFit(filter.root, chunk);
}

bool CanSkipRow(ScanFilter *filter, ChunkReader *reader, uint32 position) {
  if (reader->Fits({filter->ranges, filter->range_count}, position)) return false;
  InstrCountFiltered1(filter->state, 1);
  return true;
}

}  // namespace helios::hybrid
