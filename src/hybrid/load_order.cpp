#include "hybrid/load_order.hpp"

#include "hybrid/direct_load.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/options.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parse_clause.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

constinit pg::HookChain<planner_hook_type> planner_chain;

// Tells whether the rows of an INSERT come from a query that leaves their order open. Where one has an ORDER BY and
// values are made for its rows as they are inserted, such as numbers of a sequence, these are to follow it.
bool IsOrderOpen(const Query *insert) {
  if (list_length(insert->jointree->fromlist) != 1) return false;
  const auto *from = static_cast<const Node *>(linitial(insert->jointree->fromlist));
  if (!IsA(from, RangeTblRef)) return false;
  const RangeTblEntry *entry =
      rt_fetch(reinterpret_cast<const RangeTblRef *>(from)->rtindex, insert->rtable);
  if (entry->rtekind != RTE_SUBQUERY) return false;
  return entry->subquery->sortClause == NIL ||
         !contain_volatile_functions(reinterpret_cast<Node *>(insert->targetList));
}

// The value that an INSERT gives a column; null: it gives none.
TargetEntry *ValueOf(const Query *insert, AttrNumber attribute) {
  ListCell *cell;
  foreach (cell, insert->targetList) {
    auto *entry = lfirst_node(TargetEntry, cell);
    if (!entry->resjunk && entry->resno == attribute) return entry;
  }
  return nullptr;
}

// Has an INSERT sort its rows by the keys of a table.
void AddSort(Query *insert, Relation rel, const SortKeys &keys) {
  for (int i = 0; i < keys.count; i++) {
    const FormData_pg_attribute *column =
        TupleDescAttr(RelationGetDescr(rel), keys.attributes[i] - 1);
    // It is known after the sort only, and so is what comes behind it in the order.
    if (column->attgenerated != '\0') return;
    TargetEntry *value = ValueOf(insert, keys.attributes[i]);
    if (value == nullptr) continue;
    // A value is inserted as it is, whatever its collation, but compared by that.
    if (exprCollation(reinterpret_cast<Node *>(value->expr)) != keys.collations[i]) {
      value->expr = reinterpret_cast<Expr *>(
          makeRelabelType(value->expr, exprType(reinterpret_cast<Node *>(value->expr)),
                          exprTypmod(reinterpret_cast<Node *>(value->expr)), keys.collations[i],
                          COERCE_IMPLICIT_CAST));
    }
    auto *clause = makeNode(SortGroupClause);
    clause->tleSortGroupRef = assignSortGroupRef(value, insert->targetList);
    clause->sortop = keys.operators[i];
    bool descends;
    clause->eqop = get_equality_op_for_ordering_op(clause->sortop, &descends);
#if PG_VERSION_NUM >= 180000
    clause->reverse_sort = descends;
#endif
    clause->nulls_first = keys.nulls_first[i];
    insert->sortClause = lappend(insert->sortClause, clause);
  }
}

// Has the INSERTs of a statement sort their rows where these become columns.
void SortLoads(Query *query) {
  ListCell *cell;
  foreach (cell, query->cteList)
    SortLoads(castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery));
  if (query->commandType != CMD_INSERT || query->onConflict != nullptr || !IsOrderOpen(query))
    return;
  const RangeTblEntry *target = rt_fetch(query->resultRelation, query->rtable);
  if (target->relkind != RELKIND_RELATION) return;
  Relation rel = table_open(target->relid, NoLock);
  if (IsHybrid(rel) && LoadsColumns(rel))
    AddSort(query, rel, KeysOf(rel, ReadOptions(rel, kWholeTable).order));
  table_close(rel, NoLock);
}

PlannedStmt *PlanSorted(Query *query, const char *text, int options, ParamListInfo params) {
  if (MayLoadColumns()) SortLoads(query);
  return planner_chain.next(standard_planner)(query, text, options, params);
}

}  // namespace

void InitLoadOrder() { planner_chain.Install(&planner_hook, PlanSorted); }

}  // namespace helios::hybrid
