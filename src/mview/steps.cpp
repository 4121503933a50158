#include "mview/steps.hpp"

#include "mview/counted.hpp"
#include "mview/keys.hpp"
#include "mview/matching.hpp"
#include "mview/trees.hpp"
#include "pg/compat.hpp"
#include "pg/netting.hpp"

extern "C" {
#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

int64 CountRows(const pg::StoredRows &rows) {
  return rows.store == nullptr ? 0 : tuplestore_tuple_count(rows.store);
}

// Names columns "c1", "c2", …, and a weight behind them "weight".
TupleDesc Numbered(TupleDesc desc, bool is_weighted) {
  TupleDesc numbered = CreateTupleDescCopy(desc);
  for (int i = 0; i < desc->natts; i++) {
    const bool is_weight = is_weighted && i == desc->natts - 1;
    namestrcpy(&TupleDescAttr(numbered, i)->attname, is_weight ? "weight" : psprintf("c%d", i + 1));
  }
  return numbered;
}

// Writes the columns of an alias, each with a comma behind it.
char *Columns(const char *alias, int count) {
  StringInfoData sql;
  initStringInfo(&sql);
  for (int i = 1; i <= count; i++) appendStringInfo(&sql, "%s.c%d, ", alias, i);
  return sql.data;
}

// Gives rows with the columns of a query names; the weight is their last column.
void NameWeighted(Changes *changes, const char *name, pg::StoredRows *rows) {
  rows->desc = Numbered(rows->desc, true);
  NameRows(changes->names, name, *rows);
}

// Makes an empty store of the changes of a query.
pg::StoredRows NoChanges(const Query *linear) {
  return {tuplestore_begin_heap(false, false, work_mem), Numbered(DescribeChanges(linear), true)};
}

// Computes and nets the changes of a query, and names them.
pg::StoredRows ChangesOf(Changes *changes, const Query *linear, const char *name) {
  pg::StoredRows rows = {};
  StoreLinear(changes, linear, &rows);
  pg::NetInPlace(&rows);
  NameWeighted(changes, name, &rows);
  return rows;
}

// Finds the rows of one side that match named rows of the other; the side's rows are `rows`, or named so.
void StoreMatching(Changes *changes, const Step *step, bool left_is_outer, const Query *present,
                   const char *outer_name, const char *inner_name, const char *weight,
                   pg::StoredRows *found) {
  const Query *side = left_is_outer ? step->left : step->right;
  const int count = list_length(side->targetList);
  if (present != nullptr)
    NameShape(changes->names, outer_name, Numbered(DescribeRows(side), false));
  Query *query =
      Parse(psprintf("SELECT %s%s AS weight FROM %s o WHERE EXISTS (SELECT FROM %s i WHERE true)",
                     Columns("o", count), weight, outer_name, inner_name),
            changes->names);
  if (step->match != nullptr) {
    auto *exists = castNode(SubLink, query->jointree->quals);
    reinterpret_cast<Query *>(exists->subselect)->jointree->quals =
        OneLevelUp(reinterpret_cast<const Node *>(step->match), left_is_outer ? 1 : 2);
  }
  if (present != nullptr)
    Splice(query, outer_name, SubqueryEntry(static_cast<Query *>(copyObjectImpl(present))));
  pg::StoredRows part = {};
  StorePart(changes, query, &part);
  if (found->store == nullptr) {
    *found = part;
    return;
  }
  TupleTableSlot *slot = MakeSingleTupleTableSlot(part.desc, &TTSOpsMinimalTuple);
  while (tuplestore_gettupleslot(part.store, true, false, slot))
    tuplestore_puttupleslot(found->store, slot);
  ExecDropSingleTupleTableSlot(slot);
  tuplestore_end(part.store);
}

// Repeats rows as their weights say, and drops those with none.
pg::StoredRows Repeated(Changes *changes, const char *name, int columns) {
  pg::StoredRows rows = {};
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  for (int i = 1; i <= columns; i++) appendStringInfo(&sql, "%sr.c%d", i == 1 ? "" : ", ", i);
  appendStringInfo(&sql, " FROM %s r, generate_series(1, r.weight)", name);
  StoreText(sql.data, changes->names, &rows);
  return rows;
}

// Makes the rows that a side had before: those of now, less its changes. Both are named, and have weights.
pg::StoredRows RowsBefore(Changes *changes, const char *present_name, const char *changes_name,
                          const char *result_name, int columns) {
  pg::StoredRows rows = {};
  StoreText(
      psprintf("SELECT %sr.weight FROM %s r UNION ALL SELECT %s- r.weight AS weight FROM %s r",
               Columns("r", columns), present_name, Columns("r", columns), changes_name),
      changes->names, &rows);
  pg::StoredRows netted = {};
  pg::Net(rows, &netted, nullptr);
  tuplestore_end(rows.store);
  if (netted.store == nullptr) netted = {tuplestore_begin_heap(false, false, work_mem), rows.desc};
  NameWeighted(changes, result_name, &netted);
  pg::StoredRows repeated = Repeated(changes, result_name, columns);
  NameRows(changes->names, result_name, repeated);
  tuplestore_end(netted.store);
  return repeated;
}

// Computes the output for named rows of the left side, which have weights, and of the right side, which have none.
void StoreCombined(Changes *changes, const Step *step, const char *left_name,
                   const pg::StoredRows &left, const char *right_name, const pg::StoredRows &right,
                   bool is_negative, pg::StoredRows *output) {
  auto *query = static_cast<Query *>(copyObjectImpl(step->combined));
  const int columns = list_length(step->left->targetList);
  Splice(query, kLeftRows, RowsEntry(left_name, left.desc, static_cast<double>(CountRows(left))));
  Splice(query, kRightRows,
         RowsEntry(right_name, right.desc, static_cast<double>(CountRows(right))));
  auto *weight = reinterpret_cast<Expr *>(
      makeVar(1, static_cast<AttrNumber>(columns + 1), INT8OID, -1, InvalidOid, 0));
  if (is_negative) {
    weight = reinterpret_cast<Expr *>(makeFuncExpr(F_INT8UM, INT8OID, list_make1(weight),
                                                   InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
  }
  query->targetList =
      lappend(query->targetList,
              makeTargetEntry(weight, static_cast<AttrNumber>(list_length(query->targetList) + 1),
                              pstrdup("weight"), false));
  StorePart(changes, query, output);
}

// Left rows that the changes may touch get what the right rows make of them now, and lose what those made of them
// before; changed left rows bring or take away what the right rows made of them before.
void ChangeApplied(Changes *changes, const Step *step, pg::StoredRows *output) {
  pg::StoredRows left = ChangesOf(changes, step->left, "left_changes");
  pg::StoredRows right = ChangesOf(changes, step->right, "right_changes");
  if (CountRows(left) == 0 && CountRows(right) == 0) {
    tuplestore_end(left.store);
    tuplestore_end(right.store);
    return;
  }
  const Oid view = changes->view->relation;
  const int right_columns = list_length(step->right->targetList);
  pg::StoredRows touched = NoChanges(step->left);
  if (CountRows(right) > 0) {
    StoreMatching(changes, step, true, PresentRows(changes->shape, view, step->left),
                  "left_present", "right_changes", "1::int8", &touched);
  }
  NameWeighted(changes, "left_touched", &touched);
  // Right rows that any of these left rows need: as they are, and as they were.
  pg::StoredRows wanted = {};
  StoreText(psprintf("SELECT * FROM left_changes UNION ALL SELECT * FROM left_touched"),
            changes->names, &wanted);
  NameWeighted(changes, "left_wanted", &wanted);
  pg::StoredRows present = {};
  StoreMatching(changes, step, false, PresentRows(changes->shape, view, step->right),
                "right_present", "left_wanted", "1::int8", &present);
  NameWeighted(changes, "right_weighted", &present);
  pg::StoredRows before =
      RowsBefore(changes, "right_weighted", "right_changes", "right_before", right_columns);
  pg::StoredRows now = Repeated(changes, "right_weighted", right_columns);
  NameRows(changes->names, "right_now", now);
  if (CountRows(touched) > 0) {
    StoreCombined(changes, step, "left_touched", touched, "right_now", now, false, output);
    StoreCombined(changes, step, "left_touched", touched, "right_before", before, true, output);
  }
  if (CountRows(left) > 0)
    StoreCombined(changes, step, "left_changes", left, "right_before", before, false, output);
  for (const pg::StoredRows *rows : {&left, &right, &touched, &wanted, &present, &before, &now})
    tuplestore_end(rows->store);
}

// Adds a weight to the output of partitions computed from named rows.
void StorePartitions(Changes *changes, const Step *step, const char *name,
                     const pg::StoredRows &rows, bool is_negative, pg::StoredRows *output) {
  auto *query = static_cast<Query *>(copyObjectImpl(step->combined));
  Splice(query, kLeftRows, RowsEntry(name, rows.desc, static_cast<double>(CountRows(rows))));
  TupleDesc desc = Numbered(DescribeRows(query), false);
  NameShape(changes->names, "partitions", desc);
  Query *weighted = Parse(psprintf("SELECT %s%d::int8 AS weight FROM partitions o",
                                   Columns("o", desc->natts), is_negative ? -1 : 1),
                          changes->names);
  Splice(weighted, "partitions", SubqueryEntry(query));
  StorePart(changes, weighted, output);
}

// Computes partitions that have changed rows from the rows that they have now and had before.
void ChangePartitions(Changes *changes, const Step *step, pg::StoredRows *output,
                      pg::StoredRows *touched) {
  pg::StoredRows changed = ChangesOf(changes, step->left, "partition_changes");
  if (CountRows(changed) == 0) {
    tuplestore_end(changed.store);
    return;
  }
  const int columns = list_length(step->left->targetList);
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT DISTINCT ");
  for (int i = 1; i <= step->key_count; i++) appendStringInfo(&sql, "r.c%d, ", i);
  appendStringInfo(&sql, "%s AS pattern FROM partition_changes r",
                   NullPattern(step->key_count, "r.c"));
  pg::StoredRows keys = {};
  StoreText(sql.data, changes->names, &keys);
  NameRows(changes->names, "partition_keys", keys);
  pg::StoredRows present = {};
  ListCell *cell;
  const List *patterns = NullPatterns("partition_keys", changes->names);
  foreach (cell, patterns) {
    const int64 pattern = *static_cast<int64 *>(lfirst(cell));
    NameShape(changes->names, "partition_rows", Numbered(DescribeRows(step->left), false));
    Query *query = Parse(
        psprintf("SELECT %s1::int8 AS weight FROM partition_rows r, partition_keys k WHERE %s",
                 Columns("r", columns), SameKeys(step->equality, "r", "k", "c", patterns, pattern)),
        changes->names);
    Splice(query, "partition_rows",
           SubqueryEntry(PresentRows(changes->shape, changes->view->relation, step->left)));
    StorePart(changes, query, &present);
  }
  NameWeighted(changes, "partition_weighted", &present);
  pg::StoredRows now = Repeated(changes, "partition_weighted", columns);
  NameRows(changes->names, "partition_now", now);
  StorePartitions(changes, step, "partition_now", now, false, output);
  if (touched == nullptr) {
    pg::StoredRows before =
        RowsBefore(changes, "partition_weighted", "partition_changes", "partition_before", columns);
    StorePartitions(changes, step, "partition_before", before, true, output);
    tuplestore_end(before.store);
  } else {
    StoreText(
        psprintf("SELECT %s1::int8 AS weight FROM partition_keys k", Columns("k", step->key_count)),
        changes->names, touched);
  }
  for (const pg::StoredRows *rows : {&changed, &keys, &present, &now}) tuplestore_end(rows->store);
}

// Finds the column of a step that a column of a linear query over it alone is; 0 if it is none.
int ColumnOfStep(const Query *query, const Node *expression) {
  if (!IsA(expression, Var)) return 0;
  const auto *var = reinterpret_cast<const Var *>(expression);
  const auto *entry = rt_fetch(var->varno, query->rtable);
  if (entry->rtekind == RTE_NAMEDTUPLESTORE) return var->varattno;
  if (entry->rtekind != RTE_SUBQUERY || entry->subquery->setOperations != nullptr) return 0;
  const auto *target = list_nth_node(TargetEntry, entry->subquery->targetList, var->varattno - 1);
  return ColumnOfStep(entry->subquery, reinterpret_cast<Node *>(target->expr));
}

// Finds the only step that a query reads, if it reads nothing else.
const Step *OnlyStep(const Shape *shape, const Query *query) {
  int number;
  if (query->setOperations != nullptr || !bms_get_singleton_member(Sources(query), &number))
    return nullptr;
  const auto *entry = rt_fetch(number, query->rtable);
  if (entry->rtekind == RTE_SUBQUERY) return OnlyStep(shape, entry->subquery);
  return entry->rtekind == RTE_NAMEDTUPLESTORE ? StepAt(shape, StepNumber(entry->enrname))
                                               : nullptr;
}

// Finds the key of a step that a column of its output is, counted from 1; 0 if it is none.
int KeyOfOutput(const Step *step, int column) {
  if (column == 0) return 0;
  const Query *query =
      step->kind == StepKind::kCounted ? step->counted->projection : step->combined;
  const auto *expression =
      reinterpret_cast<Node *>(list_nth_node(TargetEntry, query->targetList, column - 1)->expr);
  if (step->kind == StepKind::kPartition) {
    // Rows begin with the keys, and the expressions of the query are over the columns behind them.
    if (!IsA(expression, Var)) return 0;
    const int at = reinterpret_cast<const Var *>(expression)->varattno;
    const auto *source = list_nth_node(TargetEntry, step->left->targetList, at - 1);
    for (int key = 1; key <= step->key_count; key++) {
      if (equal(source->expr, list_nth_node(TargetEntry, step->left->targetList, key - 1)->expr))
        return key;
    }
    return 0;
  }
  const int at = IsA(expression, Var) ? reinterpret_cast<const Var *>(expression)->varattno : 0;
  return at <= step->counted->key_count ? at : 0;
}

// Tells whether values of a type that are equal look the same.
bool LooksTheSame(Oid type, Oid collation) {
  const TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
  if (!OidIsValid(cache->btree_opf)) return false;
  const Oid function = get_opfamily_proc(cache->btree_opf, cache->btree_opintype,
                                         cache->btree_opintype, BTEQUALIMAGE_PROC);
  return OidIsValid(function) && DatumGetBool(OidFunctionCall1Coll(
                                     function, collation, ObjectIdGetDatum(cache->btree_opintype)));
}

// Tells whether what a step computes may depend on the order in which it meets rows.
bool DependsOnOrder(const Step *step) {
  if (step->kind == StepKind::kPartition) return true;
  if (step->kind != StepKind::kCounted) return false;
  ListCell *cell;
  foreach (cell, step->counted->measures)
    if (static_cast<Measure *>(lfirst(cell))->kind == MeasureKind::kWhole) return true;
  return false;
}

}  // namespace

void FindKeyed(Shape *shape) {
  const Step *step = OnlyStep(shape, shape->linear);
  if (step == nullptr || !DependsOnOrder(step)) return;
  const int keys = step->kind == StepKind::kCounted ? step->counted->key_count : step->key_count;
  auto *key = static_cast<AttrNumber *>(palloc0((keys + 1) * sizeof(AttrNumber)));
  int found = 0;
  ListCell *cell;
  foreach (cell, shape->linear->targetList) {
    auto *expression = reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr);
    const int number = KeyOfOutput(step, ColumnOfStep(shape->linear, expression));
    if (number == 0 || key[number - 1] != 0 ||
        !LooksTheSame(exprType(expression), exprCollation(expression)))
      continue;
    key[number - 1] = static_cast<AttrNumber>(foreach_current_index(cell) + 1);
    found++;
  }
  if (keys == 0 || found < keys) return;
  shape->keyed = step;
  shape->key = key;
}

const Step *StepAt(const Shape *shape, int number) {
  return static_cast<const Step *>(list_nth(shape->steps, number - 1));
}

Query *PresentOutput(const Shape *shape, Oid view, const Step *step, bool *is_weighted) {
  if (step->kind == StepKind::kCounted)
    return OutputOfState(view, step->number, step->counted, is_weighted);
  *is_weighted = false;
  auto *query = static_cast<Query *>(copyObjectImpl(step->combined));
  Splice(query, kLeftRows, SubqueryEntry(PresentRows(shape, view, step->left)));
  if (step->right != nullptr)
    Splice(query, kRightRows, SubqueryEntry(PresentRows(shape, view, step->right)));
  return query;
}

void ChangeStep(Changes *changes, const Step *step, pg::StoredRows *output, pg::StoredRows *keys) {
  switch (step->kind) {
    case StepKind::kCounted:
      ChangeGroups(changes, step->number, step->counted, output, keys);
      return;
    case StepKind::kApplied:
      ChangeApplied(changes, step, output);
      break;
    case StepKind::kPartition:
      ChangePartitions(changes, step, output, keys);
      break;
  }
  pg::NetInPlace(output);
}

}  // namespace helios::mview
