#include "mview/indexes.hpp"

#include "mview/trees.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

// A column of a table.
struct Place {
  Oid relation;
  AttrNumber column;
};

// The looking for indexes of a shape.
struct Search {
  const Shape *shape;
  List *statements;
};

// Finds the table's column that a column of a compiled query is; false if it is none, or one of a state.
bool Trace(const Search *search, const Query *query, const Node *expression, Place *place) {
  if (!IsA(expression, Var) || query->setOperations != nullptr) return false;
  const auto *var = reinterpret_cast<const Var *>(expression);
  if (var->varlevelsup > 0) return false;
  const auto *entry = rt_fetch(var->varno, query->rtable);
  auto target = [](const Query *of, int number) {
    return reinterpret_cast<Node *>(list_nth_node(TargetEntry, of->targetList, number - 1)->expr);
  };
  if (entry->rtekind == RTE_RELATION) {
    *place = {entry->relid, var->varattno};
    return var->varattno > 0;
  }
  if (entry->rtekind == RTE_SUBQUERY && entry->subquery->setOperations == nullptr)
    return Trace(search, entry->subquery, target(entry->subquery, var->varattno), place);
  if (entry->rtekind != RTE_NAMEDTUPLESTORE) return false;
  const auto *step =
      static_cast<Step *>(list_nth(search->shape->steps, StepNumber(entry->enrname) - 1));
  if (step->kind == StepKind::kCounted) return false;
  const auto *output = reinterpret_cast<Var *>(target(step->combined, var->varattno));
  if (!IsA(output, Var)) return false;
  const auto *rows = rt_fetch(output->varno, step->combined->rtable);
  if (rows->rtekind != RTE_NAMEDTUPLESTORE) return false;
  const Query *side = strcmp(rows->enrname, kLeftRows) == 0 ? step->left : step->right;
  return Trace(search, side, target(side, output->varattno), place);
}

// Tells whether an index of a table begins with one of the columns.
bool HasIndex(Relation table, const Bitmapset *columns) {
  bool found = false;
  ListCell *cell;
  foreach (cell, RelationGetIndexList(table)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    found |= index->rd_index->indisvalid && RelationGetIndexPredicate(index) == NIL &&
             bms_is_member(index->rd_index->indkey.values[0], columns);
    index_close(index, AccessShareLock);
  }
  return found;
}

// Notes that rows of one table are looked for by these expressions of a query.
void Want(Search *search, const Query *query, List *expressions) {
  Oid relation = InvalidOid;
  Bitmapset *columns = nullptr;
  List *names = NIL;
  ListCell *cell;
  foreach (cell, expressions) {
    Place place;
    if (!Trace(search, query, static_cast<Node *>(lfirst(cell)), &place)) continue;
    if (OidIsValid(relation) && place.relation != relation) continue;
    relation = place.relation;
    if (bms_is_member(place.column, columns)) continue;
    columns = bms_add_member(columns, place.column);
    names = lappend(names, get_attname(relation, place.column, false));
  }
  if (!OidIsValid(relation)) return;
  Relation table = table_open(relation, AccessShareLock);
  const bool found = HasIndex(table, columns);
  table_close(table, AccessShareLock);
  if (found) return;
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "CREATE INDEX ON %s (", pg::QualifiedName(relation));
  foreach (cell, names) {
    appendStringInfo(&sql, "%s%s", foreach_current_index(cell) == 0 ? "" : ", ",
                     quote_identifier(static_cast<char *>(lfirst(cell))));
  }
  appendStringInfoString(&sql, ")");
  foreach (cell, search->statements)
    if (strcmp(static_cast<char *>(lfirst(cell)), sql.data) == 0) return;
  search->statements = lappend(search->statements, sql.data);
}

// Lists the sides of comparisons for equality that belong to an entry and are compared with another one: of each pair
// of entries one list.
void WantCompared(Search *search, const Query *query, List *conditions) {
  const int entries = list_length(query->rtable);
  for (int entry = 1; entry <= entries; entry++) {
    for (int other = 1; other <= entries; other++) {
      List *compared = NIL;
      ListCell *cell;
      foreach (cell, conditions) {
        const auto *comparison = static_cast<OpExpr *>(lfirst(cell));
        if (!IsA(comparison, OpExpr) || list_length(comparison->args) != 2) continue;
        auto *one = static_cast<Node *>(linitial(comparison->args));
        if (!op_mergejoinable(comparison->opno, exprType(one)) &&
            !op_hashjoinable(comparison->opno, exprType(one)))
          continue;
        for (int side = 0; side < 2; side++) {
          auto *mine = static_cast<Node *>(list_nth(comparison->args, side));
          auto *theirs = static_cast<Node *>(list_nth(comparison->args, 1 - side));
          int of_mine, of_theirs;
          if (bms_get_singleton_member(pull_varnos(nullptr, mine), &of_mine) && of_mine == entry &&
              bms_get_singleton_member(pull_varnos(nullptr, theirs), &of_theirs) &&
              of_theirs == other && entry != other)
            compared = lappend(compared, mine);
        }
      }
      if (compared != NIL) Want(search, query, compared);
    }
  }
}

// Looks at the joins of a compiled query.
void WantOfJoins(Search *search, const Query *query) {
  ListCell *cell;
  if (query->setOperations == nullptr && query->jointree->quals != nullptr) {
    WantCompared(search, query,
                 make_ands_implicit(static_cast<Expr *>(copyObjectImpl(query->jointree->quals))));
  }
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind == RTE_SUBQUERY) WantOfJoins(search, entry->subquery);
  }
}

// Lists the first columns of a query's output.
List *FirstColumns(const Query *query, int count) {
  List *columns = NIL;
  for (int i = 0; i < count; i++)
    columns = lappend(columns, list_nth_node(TargetEntry, query->targetList, i)->expr);
  return columns;
}

// Looks at the two sides of a step, as the condition between them says.
void WantOfMatch(Search *search, const Step *step) {
  if (step->match == nullptr) return;
  auto *sides = makeNode(Query);
  sides->rtable = list_make2(SubqueryEntry(step->left), SubqueryEntry(step->right));
  WantCompared(search, sides, make_ands_implicit(static_cast<Expr *>(copyObjectImpl(step->match))));
}

// Tells whether groups have to be read when they change.
bool ReadsGroups(const Counted *node) {
  ListCell *cell;
  foreach (cell, node->measures) {
    const MeasureKind kind = static_cast<Measure *>(lfirst(cell))->kind;
    if (kind == MeasureKind::kMin || kind == MeasureKind::kMax || kind == MeasureKind::kWhole)
      return true;
  }
  return false;
}

}  // namespace

List *MissingIndexes(const Shape *shape) {
  Search search = {shape, NIL};
  ListCell *cell;
  foreach (cell, shape->steps) {
    const auto *step = static_cast<Step *>(lfirst(cell));
    switch (step->kind) {
      case StepKind::kCounted:
        WantOfJoins(&search, step->counted->source);
        if (ReadsGroups(step->counted)) {
          const Query *source = step->counted->source;
          Want(&search, source, FirstColumns(source, step->counted->key_count));
        }
        break;
      case StepKind::kApplied:
        WantOfJoins(&search, step->left);
        WantOfJoins(&search, step->right);
        WantOfMatch(&search, step);
        break;
      case StepKind::kPartition:
        WantOfJoins(&search, step->left);
        Want(&search, step->left, FirstColumns(step->left, step->key_count));
        break;
    }
  }
  WantOfJoins(&search, shape->linear);
  return search.statements;
}

}  // namespace helios::mview
