#include "mview/linear.hpp"

#include "changelog/changelog.hpp"
#include "mview/steps.hpp"
#include "mview/trees.hpp"
#include "pg/compat.hpp"
#include "pg/netting.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

// What a source of a term is replaced by.
enum class Role { kPresent, kChanges, kBefore };

// The building of one term: sources are counted in the order in which the query is walked.
struct Term {
  const Changes *changes;  // null: all sources are as they are
  const Shape *shape;
  Oid view;
  Bitmapset *deltas;  // numbers of the sources that their changes stand for
  int before;         // sources before this one are as they were
  bool is_negative;   // whether the term is taken away
  int next;           // number of the next source
};

// Counts the sources of a query.
int CountSources(const Query *query);

int CountSources(const RangeTblEntry *entry) {
  if (entry->rtekind == RTE_SUBQUERY) return CountSources(entry->subquery);
  return entry->rtekind == RTE_RELATION || entry->rtekind == RTE_NAMEDTUPLESTORE ? 1 : 0;
}

int CountSources(const Query *query) {
  int count = 0;
  if (query->setOperations != nullptr) {
    ListCell *cell;
    foreach (cell, query->rtable) count += CountSources(lfirst_node(RangeTblEntry, cell));
    return count;
  }
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i))
    count += CountSources(rt_fetch(i, query->rtable));
  return count;
}

// Finds the changes of a source; null if it has none.
const ChangedPart *PartOf(const Changes *changes, const RangeTblEntry *entry) {
  if (changes == nullptr) return nullptr;
  if (entry->rtekind == RTE_RELATION) return FindPart(changes, entry->relid, 0);
  return FindPart(changes, InvalidOid, StepNumber(entry->enrname));
}

// Makes the entry of the present rows of a source; tells whether they have weights.
RangeTblEntry *Present(const Term *term, const RangeTblEntry *entry, bool *is_weighted) {
  *is_weighted = false;
  if (entry->rtekind == RTE_RELATION) return static_cast<RangeTblEntry *>(copyObjectImpl(entry));
  return SubqueryEntry(PresentOutput(term->shape, term->view,
                                     StepAt(term->shape, StepNumber(entry->enrname)), is_weighted));
}

// Tells whether a column of a source has been dropped.
bool IsDropped(const RangeTblEntry *entry, int column) {
  if (entry->rtekind != RTE_RELATION) return false;
  Relation table = table_open(entry->relid, AccessShareLock);
  const bool is_dropped = TupleDescAttr(RelationGetDescr(table), column - 1)->attisdropped;
  table_close(table, AccessShareLock);
  return is_dropped;
}

// Makes a query of the rows of a source as they were: those of now, less the changes.
Query *Before(const Term *term, const RangeTblEntry *entry, const ChangedPart *part) {
  bool is_weighted;
  RangeTblEntry *present = Present(term, entry, &is_weighted);
  QueryEnvironment *names = create_queryEnv();
  const TupleDesc desc = part->rows.desc;
  TupleDesc shape = desc;
  if (!is_weighted) {
    shape = CreateTemplateTupleDesc(desc->natts - 1);
    for (int i = 1; i < desc->natts; i++)
      TupleDescCopyEntry(shape, static_cast<AttrNumber>(i), desc, static_cast<AttrNumber>(i));
  }
  // Columns of group nodes may have any names, tables' are c1, c2, … here.
  TupleDesc numbered_shape = CreateTupleDescCopy(shape);
  TupleDesc numbered = CreateTupleDescCopy(desc);
  StringInfoData columns;
  initStringInfo(&columns);
  for (int i = 0; i < desc->natts; i++) {
    const char *name = i == desc->natts - 1 ? "weight" : psprintf("c%d", i + 1);
    namestrcpy(&TupleDescAttr(numbered, i)->attname, name);
    if (i < shape->natts) namestrcpy(&TupleDescAttr(numbered_shape, i)->attname, name);
    if (i == desc->natts - 1) continue;
    if (IsDropped(entry, i + 1)) {
      appendStringInfo(&columns, "NULL::int4 AS %s, ", name);
    } else {
      appendStringInfo(&columns, "%s, ", name);
    }
  }
  NameShape(names, "present", numbered_shape);
  NameRows(names, "changes", {part->rows.store, numbered});
  // OFFSET keeps the changes a subquery, without which no index of the table could serve a join with both.
  Query *query = Parse(psprintf("SELECT %s%s AS weight FROM present UNION ALL "
                                "(SELECT %s- weight FROM changes OFFSET 0)",
                                columns.data, is_weighted ? "weight" : "1::int8", columns.data),
                       names);
  Splice(query, "present", present);
  Splice(query, "changes",
         RowsEntry(part->name, numbered,
                   static_cast<double>(tuplestore_tuple_count(part->rows.store))));
  return query;
}

Query *BuildTerm(Term *term, const Query *query, bool *is_weighted);

// Makes what stands for an entry in a term; its weight is a column of the result, or 0.
RangeTblEntry *Replace(Term *term, RangeTblEntry *entry, AttrNumber *weight) {
  *weight = 0;
  bool is_weighted = false;
  if (entry->rtekind == RTE_SUBQUERY) {
    entry->subquery = BuildTerm(term, entry->subquery, &is_weighted);
    if (is_weighted) {
      *weight = static_cast<AttrNumber>(list_length(entry->subquery->targetList));
      entry->eref->colnames = lappend(entry->eref->colnames, makeString(pstrdup("weight")));
    }
    return entry;
  }
  if (entry->rtekind != RTE_RELATION && entry->rtekind != RTE_NAMEDTUPLESTORE) return entry;
  const int number = term->next++;
  const ChangedPart *part = PartOf(term->changes, entry);
  RangeTblEntry *replacement;
  if (part != nullptr && bms_is_member(number, term->deltas)) {
    replacement = RowsEntry(part->name, part->rows.desc,
                            static_cast<double>(tuplestore_tuple_count(part->rows.store)));
    is_weighted = true;
  } else if (part != nullptr && number < term->before) {
    replacement = SubqueryEntry(Before(term, entry, part));
    is_weighted = true;
  } else {
    replacement = Present(term, entry, &is_weighted);
  }
  if (is_weighted) *weight = static_cast<AttrNumber>(list_length(replacement->eref->colnames));
  return replacement;
}

// Gives a side of UNION ALL a weight of one.
void AddUnitWeight(Query *side) {
  Const *one = makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(1), false, true);
  side->targetList = lappend(
      side->targetList, makeTargetEntry(reinterpret_cast<Expr *>(one),
                                        static_cast<AttrNumber>(list_length(side->targetList) + 1),
                                        pstrdup("weight"), false));
}

// Tells whether a query has one of the sources that their changes stand for; the first of its own has a number.
bool HasDelta(const Term *term, const Query *query) {
  const int behind = term->next + CountSources(query);
  const int found = bms_next_member(term->deltas, term->next - 1);
  return found >= 0 && found < behind;
}

// Builds a term of UNION ALL: the side with changes alone, or both sides if the changes are elsewhere.
Query *BuildUnion(Term *term, const Query *query, bool *is_weighted) {
  const Query *sides[2];
  Query *built[2];
  bool has_weight[2];
  for (int i = 0; i < 2; i++) sides[i] = list_nth_node(RangeTblEntry, query->rtable, i)->subquery;
  for (int i = 0; i < 2; i++) {
    const bool has_delta = HasDelta(term, sides[i]);
    built[i] = BuildTerm(term, sides[i], &has_weight[i]);
    if (!has_delta) continue;
    *is_weighted = has_weight[i];
    if (i == 0) term->next += CountSources(sides[1]);
    return built[i];
  }
  *is_weighted = has_weight[0] || has_weight[1];
  for (int i = 0; i < 2; i++)
    if (*is_weighted && !has_weight[i]) AddUnitWeight(built[i]);
  return UnionAll(built[0], built[1]);
}

// Takes the rows of a query away instead of adding them.
void Negate(Query *query) {
  auto *weight = llast_node(TargetEntry, query->targetList);
  weight->expr = reinterpret_cast<Expr *>(makeFuncExpr(
      F_INT8UM, INT8OID, list_make1(weight->expr), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

// Builds the query of a term; a weight is its last column.
Query *BuildTerm(Term *term, const Query *query, bool *is_weighted) {
  *is_weighted = false;
  if (query->setOperations != nullptr) return BuildUnion(term, query, is_weighted);
  auto *copy = static_cast<Query *>(copyObjectImpl(query));
  Expr *product = nullptr;
  Bitmapset *sources = Sources(copy);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    AttrNumber weight;
    ListCell *cell = list_nth_cell(copy->rtable, i - 1);
    lfirst(cell) = Replace(term, lfirst_node(RangeTblEntry, cell), &weight);
    if (weight == 0) continue;
    auto *factor = reinterpret_cast<Expr *>(makeVar(i, weight, INT8OID, -1, InvalidOid, 0));
    product =
        product == nullptr
            ? factor
            : reinterpret_cast<Expr *>(makeFuncExpr(F_INT8MUL, INT8OID, list_make2(product, factor),
                                                    InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
  }
  if (product == nullptr) return copy;
  *is_weighted = true;
  copy->targetList =
      lappend(copy->targetList,
              makeTargetEntry(product, static_cast<AttrNumber>(list_length(copy->targetList) + 1),
                              pstrdup("weight"), false));
  return copy;
}

// Takes the unions in a query apart: the query is the sum of the results. Conditions of joins reach the tables then.
List *WithoutUnions(const Query *query) {
  if (query->setOperations != nullptr) {
    return list_concat(WithoutUnions(linitial_node(RangeTblEntry, query->rtable)->subquery),
                       WithoutUnions(lsecond_node(RangeTblEntry, query->rtable)->subquery));
  }
  List *products = list_make1(copyObjectImpl(query));
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    if (rt_fetch(i, query->rtable)->rtekind != RTE_SUBQUERY) continue;
    List *choices = WithoutUnions(rt_fetch(i, query->rtable)->subquery);
    constexpr int kMostProducts = 16;
    if (list_length(choices) * list_length(products) > kMostProducts) continue;
    List *combined = NIL;
    ListCell *product, *choice;
    foreach (product, products) {
      foreach (choice, choices) {
        auto *copy = static_cast<Query *>(copyObjectImpl(lfirst(product)));
        rt_fetch(i, copy->rtable)->subquery = static_cast<Query *>(copyObjectImpl(lfirst(choice)));
        combined = lappend(combined, copy);
      }
    }
    products = combined;
  }
  return products;
}

// Lists the sources of a query in the order of their numbers.
List *ListSources(const Query *query, List *found) {
  if (query->setOperations != nullptr) {
    ListCell *cell;
    foreach (cell, query->rtable)
      found = ListSources(lfirst_node(RangeTblEntry, cell)->subquery, found);
    return found;
  }
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    auto *entry = rt_fetch(i, query->rtable);
    if (entry->rtekind == RTE_SUBQUERY) {
      found = ListSources(entry->subquery, found);
    } else if (entry->rtekind == RTE_RELATION || entry->rtekind == RTE_NAMEDTUPLESTORE) {
      found = lappend(found, entry);
    }
  }
  return found;
}

// Reads the changes of a table as rows with weights.
void ReadTable(Changes *changes, Oid relation) {
  pg::StoredRows rows = {};
  changes->count += changelog::StoreChanges(relation, changes->view->position, &rows);
  if (tuplestore_tuple_count(rows.store) == 0) {
    tuplestore_end(rows.store);
    return;
  }
  auto *part = static_cast<ChangedPart *>(palloc0(sizeof(ChangedPart)));
  part->relation = relation;
  part->name = psprintf("changes_%u", relation);
  part->rows = rows;
  NameRows(changes->names, part->name, part->rows);
  changes->parts = lappend(changes->parts, part);
}

// True if a query, or one in its FROM, is a union.
bool HasUnion(const Query *query) {
  if (query->setOperations != nullptr) return true;
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    const auto *entry = rt_fetch(i, query->rtable);
    if (entry->rtekind == RTE_SUBQUERY && HasUnion(entry->subquery)) return true;
  }
  return false;
}

// Adds the changes of a query without unions. Of few changed sources every combination is a term of its own, that reads
// tables as they are; of many each is one term, that reads those before it as they were.
void StoreProduct(Changes *changes, const Query *query, pg::StoredRows *rows) {
  List *changed = NIL;
  ListCell *cell;
  List *sources = ListSources(query, NIL);
  foreach (cell, sources) {
    if (PartOf(changes, lfirst_node(RangeTblEntry, cell)) != nullptr)
      changed = lappend_int(changed, foreach_current_index(cell));
  }
  constexpr int kFewSources = 7;
  const int count = list_length(changed);
  // Sides of unions that are left are sums, of which one term at a time changes.
  const bool is_combined = count <= kFewSources && !HasUnion(query);
  const uint32 terms = is_combined ? 1U << count : static_cast<uint32>(count) + 1;
  for (uint32 i = 1; i < terms; i++) {
    Term term = {changes, changes->shape, changes->view->relation, nullptr, -1, false, 0};
    if (is_combined) {
      for (int n = 0; n < count; n++)
        if ((i >> n) & 1) term.deltas = bms_add_member(term.deltas, list_nth_int(changed, n));
      term.is_negative = bms_num_members(term.deltas) % 2 == 0;
    } else {
      const int target = list_nth_int(changed, static_cast<int>(i) - 1);
      term.deltas = bms_make_singleton(target);
      term.before = target;
    }
    bool is_weighted;
    Query *built = BuildTerm(&term, query, &is_weighted);
    if (term.is_negative) Negate(built);
    StorePart(changes, built, rows);
  }
}

}  // namespace

void ReadChanges(Changes *changes) {
  List *relations = changes->shape->relations;
  ListCell *cell;
  foreach (cell, relations) ReadTable(changes, lfirst_oid(cell));
}

void AddPart(Changes *changes, int step, const pg::StoredRows &rows) {
  auto *part = static_cast<ChangedPart *>(palloc0(sizeof(ChangedPart)));
  part->step = step;
  part->name = psprintf("step_changes_%d", step);
  part->rows = rows;
  NameRows(changes->names, part->name, part->rows);
  changes->parts = lappend(changes->parts, part);
}

const ChangedPart *FindPart(const Changes *changes, Oid relation, int step) {
  ListCell *cell;
  foreach (cell, changes->parts) {
    const auto *part = static_cast<ChangedPart *>(lfirst(cell));
    if (part->relation == relation && part->step == step) return part;
  }
  return nullptr;
}

double CostOfRows(const PlannedStmt *plan) {
  constexpr double kCostOfKeeping = 0.1;
  return plan->planTree->total_cost + plan->planTree->plan_rows * kCostOfKeeping;
}

void StorePart(Changes *changes, const Query *query, pg::StoredRows *rows) {
  PlannedStmt *plan = Plan(query);
  changes->cost += CostOfRows(plan);
  if (changes->cost > changes->limit && changes->why_full == nullptr)
    changes->why_full = "computing what its changes change costs more";
  TupleDesc desc = DescribeRows(query);
  if (changes->why_full == nullptr) {
    StorePlanned(plan, desc, changes->names, rows);
  } else if (rows->store == nullptr) {
    *rows = {tuplestore_begin_heap(false, false, work_mem), desc};
  }
}

void DropParts(Changes *changes) {
  ListCell *cell;
  foreach (cell, changes->parts)
    tuplestore_end(static_cast<ChangedPart *>(lfirst(cell))->rows.store);
  changes->parts = NIL;
}

TupleDesc DescribeChanges(const Query *linear) { return pg::WithWeight(DescribeRows(linear)); }

void StoreLinear(Changes *changes, const Query *linear, pg::StoredRows *rows) {
  if (rows->store == nullptr) {
    rows->desc = DescribeChanges(linear);
    rows->store = tuplestore_begin_heap(false, false, work_mem);
  }
  ListCell *cell;
  foreach (cell, WithoutUnions(linear)) StoreProduct(changes, lfirst_node(Query, cell), rows);
}

Query *PresentRows(const Shape *shape, Oid view, const Query *linear) {
  Term term = {nullptr, shape, view, nullptr, -1, false, 0};
  bool is_weighted;
  Query *query = BuildTerm(&term, linear, &is_weighted);
  if (!is_weighted) return query;
  // Rows with a weight above one are repeated.
  TupleDesc desc = DescribeRows(query);
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  for (int i = 0; i < desc->natts; i++) {
    namestrcpy(&TupleDescAttr(desc, i)->attname,
               i == desc->natts - 1 ? "weight" : psprintf("c%d", i + 1));
    if (i < desc->natts - 1) appendStringInfo(&sql, "%sw.c%d", i == 0 ? "" : ", ", i + 1);
  }
  appendStringInfoString(&sql, " FROM w, pg_catalog.generate_series(1, w.weight)");
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, "w", desc);
  Query *repeated = Parse(sql.data, names);
  Splice(repeated, "w", SubqueryEntry(query));
  return repeated;
}

}  // namespace helios::mview
