// Query and view are brought into one form: inner joins flattened, conditions as a list, tables under the numbers that
// the query gives them. Then whatever the query computes that the view has as a column becomes that column; if
// anything of the tables is left, the view does not answer it.
//
//   view            query                                    becomes
//   rows            any, more conditions                     the same over the view's rows
//   groups          the same groups                          rows of the view; HAVING becomes a condition
//   groups          coarser ones                             counts and sums are summed, min and max taken again
#include "mview/rewrite_match.hpp"

#include <cstring>

#include "mview/shape.hpp"
#include "mview/vars.hpp"
#include "pg/compat.hpp"
#include "pg/range_table.hpp"

extern "C" {
#include "access/nbtree.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Tells whether values of a type that are equal cannot be told apart.
bool HasEqualImage(Oid type, Oid collation) {
  // Blanks at its end do not count.
  if (type == BPCHAROID) return false;
  const TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
  if (!OidIsValid(entry->btree_opf)) return false;
  const Oid function = get_opfamily_proc(entry->btree_opf, entry->btree_opintype,
                                         entry->btree_opintype, BTEQUALIMAGE_PROC);
  return OidIsValid(function) && DatumGetBool(OidFunctionCall1Coll(
                                     function, collation, ObjectIdGetDatum(entry->btree_opintype)));
}

// What an aggregate is, as far as its result does not depend on the order of rows.
enum class Total { kOther, kCount, kSum, kAverage, kExtreme, kOrdered };

const Node *FirstArgument(const Aggref *aggregate) {
  if (aggregate->args == NIL) return nullptr;
  return reinterpret_cast<const Node *>(linitial_node(TargetEntry, aggregate->args)->expr);
}

bool IsOneOf(const char *name, std::initializer_list<const char *> names) {
  for (const char *one : names)
    if (strcmp(name, one) == 0) return true;
  return false;
}

// Tells whether an aggregate sees its rows in an order that leaves nothing open.
bool IsOrdered(const Aggref *aggregate) {
  ListCell *cell;
  foreach (cell, aggregate->args) {
    const auto *argument = lfirst_node(TargetEntry, cell);
    const auto *expression = reinterpret_cast<const Node *>(argument->expr);
    if (IsA(expression, Const)) continue;
    if (get_sortgroupref_clause_noerr(argument->ressortgroupref, aggregate->aggorder) == nullptr ||
        !HasEqualImage(exprType(expression), exprCollation(expression)))
      return false;
  }
  return aggregate->aggorder != NIL;
}

Total TotalOf(const Aggref *aggregate) {
  if (aggregate->aggfnoid >= FirstNormalObjectId || aggregate->aggkind != AGGKIND_NORMAL)
    return Total::kOther;
  if (IsOrdered(aggregate)) return Total::kOrdered;
  const char *name = get_func_name(aggregate->aggfnoid);
  const Node *argument = FirstArgument(aggregate);
  if (name == nullptr) return Total::kOther;
  if (strcmp(name, "count") == 0) return Total::kCount;
  if (argument == nullptr) return Total::kOther;
  const Oid type = exprType(argument);
  const bool is_integer = type == INT2OID || type == INT4OID || type == INT8OID;
  // With a scale of the column all sums have that scale.
  const bool is_fixed = type == NUMERICOID && exprTypmod(argument) >= 0;
  if (strcmp(name, "sum") == 0 && (is_integer || is_fixed)) return Total::kSum;
  if (strcmp(name, "avg") == 0 && is_integer) return Total::kAverage;
  if (IsOneOf(name, {"bool_and", "bool_or", "every"})) return Total::kExtreme;
  if (IsOneOf(name, {"bit_and", "bit_or"}) && is_integer) return Total::kExtreme;
  if (IsOneOf(name, {"min", "max"}) && HasEqualImage(type, aggregate->inputcollid))
    return Total::kExtreme;
  return Total::kOther;
}

bool HasOtherMeasures(Node *node, void *context) {
  if (node == nullptr || IsA(node, Query)) return false;
  if (IsA(node, Aggref) && TotalOf(reinterpret_cast<Aggref *>(node)) == Total::kOther) return true;
  return expression_tree_walker(node, pg::AsWalker(HasOtherMeasures), context);
}

// Tells whether keys of groups, or of DISTINCT, have one image each.
bool HaveEqualImages(const List *clauses, const Query *query) {
  const ListCell *cell;
  foreach (cell, clauses) {
    const Node *key =
        get_sortgroupclause_expr(lfirst_node(SortGroupClause, cell), query->targetList);
    if (!HasEqualImage(exprType(key), exprCollation(key))) return false;
  }
  return true;
}

// Tells whether operations like UNION remove rows that are equal but look different.
bool MergesImages(const Node *operation) {
  if (operation == nullptr || !IsA(operation, SetOperationStmt)) return false;
  const auto *set = reinterpret_cast<const SetOperationStmt *>(operation);
  const ListCell *type, *collation;
  forboth(type, set->colTypes, collation, set->colCollations) {
    const bool is_all = set->op == SETOP_UNION && set->all;
    if (!is_all && !HasEqualImage(lfirst_oid(type), lfirst_oid(collation))) return true;
  }
  return MergesImages(set->larg) || MergesImages(set->rarg);
}

// Tells whether what a query computes, subqueries aside, depends on the order in which it reads rows.
bool ReadsInOrder(const Query *query) {
  return query->hasWindowFuncs || query->hasDistinctOn || MergesImages(query->setOperations) ||
         !HaveEqualImages(query->groupClause, query) ||
         !HaveEqualImages(query->distinctClause, query) ||
         HasOtherMeasures(reinterpret_cast<Node *>(query->targetList), nullptr) ||
         HasOtherMeasures(query->havingQual, nullptr);
}

bool IsReplaceable(Oid function, void *) { return function >= FirstNormalObjectId; }

// Finds what a later statement may change without the table changing, and columns that say where a row is.
bool IsUnstable(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, CoerceToDomain)) return true;
  if (IsA(node, Var) && reinterpret_cast<Var *>(node)->varattno <= 0) return true;
  if (check_functions_in_node(node, IsReplaceable, context)) return true;
  return expression_tree_walker(node, pg::AsWalker(IsUnstable), context);
}

// Lists the numbers of the tables in a part of FROM, from left to right; false if there is anything but tables.
bool CollectTables(const Query *query, const Node *from, List **numbers) {
  if (IsA(from, RangeTblRef)) {
    const int number = reinterpret_cast<const RangeTblRef *>(from)->rtindex;
    const RangeTblEntry *entry = rt_fetch(number, query->rtable);
    *numbers = lappend_int(*numbers, number);
    return entry->rtekind == RTE_RELATION && entry->relid >= FirstNormalObjectId &&
           (entry->relkind == RELKIND_RELATION || entry->relkind == RELKIND_PARTITIONED_TABLE) &&
           entry->tablesample == nullptr && entry->securityQuals == NIL;
  }
  if (IsA(from, JoinExpr)) {
    const auto *join = reinterpret_cast<const JoinExpr *>(from);
    return CollectTables(query, join->larg, numbers) && CollectTables(query, join->rarg, numbers);
  }
  ListCell *cell;
  foreach (cell, castNode(FromExpr, const_cast<Node *>(from))->fromlist) {
    if (!CollectTables(query, static_cast<Node *>(lfirst(cell)), numbers)) return false;
  }
  return true;
}

bool HasRowSecurity(Oid relation) {
  Relation table = table_open(relation, NoLock);
  const bool has = table->rd_rel->relrowsecurity;
  table_close(table, NoLock);
  return has;
}

// Writes commutative conditions in one way.
void Orient(Node *condition) {
  if (!IsA(condition, OpExpr)) return;
  auto *operation = reinterpret_cast<OpExpr *>(condition);
  if (list_length(operation->args) != 2 || !OidIsValid(get_commutator(operation->opno))) return;
  const auto *left = static_cast<Node *>(linitial(operation->args));
  const auto *right = static_cast<Node *>(lsecond(operation->args));
  bool is_reversed = IsA(left, Const) && !IsA(right, Const);
  if (IsA(left, Var) && IsA(right, Var)) {
    const auto *a = reinterpret_cast<const Var *>(left);
    const auto *b = reinterpret_cast<const Var *>(right);
    is_reversed = a->varno > b->varno || (a->varno == b->varno && a->varattno > b->varattno);
  }
  if (is_reversed) CommuteOpExpr(operation);
}

// Splits a condition at its ANDs.
void Split(Node *condition, List **conditions) {
  if (condition == nullptr) return;
  if (is_andclause(condition)) {
    ListCell *cell;
    foreach (cell, reinterpret_cast<BoolExpr *>(condition)->args)
      Split(static_cast<Node *>(lfirst(cell)), conditions);
    return;
  }
  Orient(condition);
  *conditions = lappend(*conditions, condition);
}

List *Split(Node *condition) {
  List *conditions = NIL;
  Split(condition, &conditions);
  return conditions;
}

// Takes the members of a list from another one; false if one is not there.
bool TakeAll(List **from, const List *members) {
  const ListCell *cell;
  foreach (cell, members) {
    if (!list_member(*from, lfirst(cell))) return false;
  }
  *from = list_difference(*from, members);
  return true;
}

// Leaves out of joins what only names them.
bool ForgetNames(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, JoinExpr)) {
    auto *join = reinterpret_cast<JoinExpr *>(node);
    join->rtindex = 0;
    join->alias = nullptr;
    join->usingClause = NIL;
    join->join_using_alias = nullptr;
    join->isNatural = false;
  }
  return expression_tree_walker(node, pg::AsWalker(ForgetNames), context);
}

// Gives the tables of a view's query the numbers that they have in the query; false if they are others.
bool Renumber(Query *definition, const Query *query) {
  List *ours = NIL, *theirs = NIL, *targets = NIL;
  if (!CollectTables(definition, reinterpret_cast<Node *>(definition->jointree), &ours) ||
      !CollectTables(query, reinterpret_cast<Node *>(query->jointree), &theirs) ||
      list_length(ours) != list_length(theirs))
    return false;
  ListCell *cell, *other;
  foreach (cell, ours) {
    const RangeTblEntry *entry = rt_fetch(lfirst_int(cell), definition->rtable);
    int found = 0;
    foreach (other, theirs) {
      const RangeTblEntry *candidate = rt_fetch(lfirst_int(other), query->rtable);
      if (candidate->relid != entry->relid || candidate->inh != entry->inh) continue;
      found = lfirst_int(other);
      break;
    }
    if (found == 0) return false;
    theirs = list_delete_int(theirs, found);
    targets = lappend_int(targets, found);
  }
  Node *parts[] = {reinterpret_cast<Node *>(definition->targetList),
                   reinterpret_cast<Node *>(definition->jointree), definition->havingQual};
  // No number of before may be taken for one of after.
  const int aside = list_length(definition->rtable) + list_length(query->rtable);
  for (Node *part : parts) {
    OffsetVarNodes(part, aside, 0);
    forboth(cell, ours, other, targets)
        ChangeVarNodes(part, lfirst_int(cell) + aside, lfirst_int(other), 0);
  }
  return true;
}

// A column list of a view, and how the query's parts are to be computed from it.
struct Columns {
  List *outputs;  // target entries
  int entry;
  bool is_coarser;
  bool has_failed;
};

Node *ColumnOf(const TargetEntry *output, const Columns &columns) {
  const auto *expression = reinterpret_cast<const Node *>(output->expr);
  return reinterpret_cast<Node *>(makeVar(columns.entry, output->resno, exprType(expression),
                                          exprTypmod(expression), exprCollation(expression), 0));
}

// Makes an aggregate of a column of the view.
Node *AggregateOf(Oid function, Oid type, Oid collation, Node *column) {
  auto *aggregate = makeNode(Aggref);
  aggregate->aggfnoid = function;
  aggregate->aggtype = type;
  aggregate->aggcollid = aggregate->inputcollid = collation;
  aggregate->aggargtypes = list_make1_oid(exprType(column));
  aggregate->args =
      list_make1(makeTargetEntry(reinterpret_cast<Expr *>(column), 1, nullptr, false));
  aggregate->aggkind = AGGKIND_NORMAL;
  aggregate->aggsplit = AGGSPLIT_SIMPLE;
  aggregate->aggno = aggregate->aggtransno = -1;
  aggregate->location = -1;
  return reinterpret_cast<Node *>(aggregate);
}

// Makes the aggregate of a coarser group from those of its parts; null if that cannot be done.
Node *Reaggregate(const Aggref *aggregate, Node *column) {
  const Total total = TotalOf(aggregate);
  if (total == Total::kExtreme)
    return AggregateOf(aggregate->aggfnoid, aggregate->aggtype, aggregate->inputcollid, column);
  if ((total != Total::kSum && total != Total::kCount) || aggregate->aggdistinct != NIL)
    return nullptr;
  if (aggregate->aggtype == NUMERICOID)
    return AggregateOf(F_SUM_NUMERIC, NUMERICOID, InvalidOid, column);
  Node *sum = AggregateOf(F_SUM_INT8, NUMERICOID, InvalidOid, column);
  sum = reinterpret_cast<Node *>(makeFuncExpr(F_INT8_NUMERIC, INT8OID, list_make1(sum), InvalidOid,
                                              InvalidOid, COERCE_EXPLICIT_CAST));
  if (total == Total::kSum) return sum;
  // Of no rows there are none, and not null.
  auto *count = makeNode(CoalesceExpr);
  count->coalescetype = INT8OID;
  count->args = list_make2(sum, makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0),
                                          false, FLOAT8PASSBYVAL));
  count->location = -1;
  return reinterpret_cast<Node *>(count);
}

// Puts columns of the view in the place of what they hold.
Node *Compute(Node *node, Columns *columns) {
  if (node == nullptr || IsA(node, Const) || IsA(node, Query)) return node;
  const bool is_measure = IsA(node, Aggref) && reinterpret_cast<Aggref *>(node)->agglevelsup == 0 &&
                          columns->is_coarser;
  ListCell *cell;
  foreach (cell, columns->outputs) {
    const auto *output = lfirst_node(TargetEntry, cell);
    auto *expression = reinterpret_cast<Node *>(output->expr);
    if (!equal(node, expression)) continue;
    if (is_measure) {
      Node *again = Reaggregate(reinterpret_cast<Aggref *>(node), ColumnOf(output, *columns));
      if (again != nullptr) return again;
    } else if (!columns->is_coarser || !contain_aggs_of_level(expression, 0)) {
      return ColumnOf(output, *columns);
    }
  }
  if (is_measure) columns->has_failed = true;
  return expression_tree_mutator(node, pg::AsMutator(Compute), columns);
}

// Adds the view to the range table; returns its number.
int AddView(Query *query, Oid view) {
  Relation relation = table_open(view, NoLock);
  RangeTblEntry *entry = pg::MakeTableEntry(relation);
  entry->inFromCl = true;
  table_close(relation, NoLock);
  query->rtable = lappend(query->rtable, entry);
  return list_length(query->rtable);
}

List *Keys(const Query *query) {
  return get_sortgrouplist_exprs(query->groupClause, query->targetList);
}

bool IsGrouped(const Query *query) {
  return query->hasAggs || query->groupClause != NIL || query->havingQual != nullptr;
}

// What may stand outside of aggregates.
struct Grouping {
  List *keys;
  int entry;
};

// Finds a column of the view outside of aggregates and of the keys of groups.
bool UsesUngrouped(Node *node, Grouping *grouping) {
  if (node == nullptr || IsA(node, Query) || list_member(grouping->keys, node)) return false;
  if (IsA(node, Aggref) && reinterpret_cast<Aggref *>(node)->agglevelsup == 0) return false;
  if (IsA(node, Var) && reinterpret_cast<Var *>(node)->varlevelsup == 0 &&
      reinterpret_cast<Var *>(node)->varno == grouping->entry)
    return true;
  return expression_tree_walker(node, pg::AsWalker(UsesUngrouped), grouping);
}

}  // namespace

bool DependsOnOrder(Node *node, void *context) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return expression_tree_walker(node, pg::AsWalker(DependsOnOrder), context);
  auto *query = reinterpret_cast<Query *>(node);
  return ReadsInOrder(query) || query_tree_walker(query, pg::AsWalker(DependsOnOrder), context, 0);
}

List *RewritableTables(const Query *query) {
  List *numbers = NIL, *relations = NIL;
  if (query->commandType != CMD_SELECT || query->rowMarks != NIL || query->jointree == nullptr ||
      query->hasForUpdate ||
      contain_volatile_functions(reinterpret_cast<Node *>(const_cast<Query *>(query))) ||
      !CollectTables(query, reinterpret_cast<Node *>(query->jointree), &numbers))
    return NIL;
  if (ReadsInOrder(query) || query->hasTargetSRFs || query->setOperations != nullptr ||
      query->groupingSets != NIL || query->constraintDeps != NIL)
    return NIL;
  ListCell *cell;
  foreach (cell, numbers) {
    const Oid relation = rt_fetch(lfirst_int(cell), query->rtable)->relid;
    if (HasRowSecurity(relation)) return NIL;
    relations = lappend_oid(relations, relation);
  }
  return relations;
}

bool IsExact(const Query *query) {
  return RewritableTables(query) != NIL && query->cteList == NIL && !query->hasSubLinks &&
         query->limitCount == nullptr && query->limitOffset == nullptr &&
         query->distinctClause == NIL &&
         !contain_mutable_functions(reinterpret_cast<Node *>(const_cast<Query *>(query))) &&
         !IsUnstable(reinterpret_cast<Node *>(query->targetList), nullptr) &&
         !IsUnstable(reinterpret_cast<Node *>(query->jointree), nullptr) &&
         !IsUnstable(query->havingQual, nullptr);
}

Query *AnswerFromView(const Query *query, Oid view, const Query *definition) {
  auto *answer = static_cast<Query *>(copyObjectImpl(query));
  auto *from = static_cast<Query *>(copyObjectImpl(definition));
  if (IsGrouped(from) && !IsGrouped(answer)) return nullptr;
  FlattenJoinAliases(answer);
  FlattenInnerJoins(answer);
  FlattenInnerJoins(from);
  if (!Renumber(from, answer)) return nullptr;
  Bitmapset *sources = SourcesOf(reinterpret_cast<Node *>(answer->jointree));
  ForgetNames(reinterpret_cast<Node *>(answer->jointree), nullptr);
  ForgetNames(reinterpret_cast<Node *>(from->jointree), nullptr);
  List *conditions = Split(answer->jointree->quals), *having = Split(answer->havingQual);
  const List *groups_having = Split(from->havingQual);
  List *tables = answer->jointree->fromlist;
  if (!TakeAll(&conditions, Split(from->jointree->quals)) ||
      !TakeAll(&tables, from->jointree->fromlist) || tables != NIL)
    return nullptr;
  Columns columns = {NIL, AddView(answer, view), false, false};
  ListCell *cell;
  foreach (cell, from->targetList) {
    if (!lfirst_node(TargetEntry, cell)->resjunk)
      columns.outputs = lappend(columns.outputs, lfirst(cell));
  }
  if (IsGrouped(from)) {
    const List *ours = Keys(from), *theirs = Keys(answer);
    columns.is_coarser =
        list_difference(ours, theirs) != NIL || list_difference(theirs, ours) != NIL;
    // A condition on the rows of a single group is none on the group.
    if (ours == NIL && (columns.is_coarser || conditions != NIL)) return nullptr;
    if (columns.is_coarser ? groups_having != NIL : !TakeAll(&having, groups_having))
      return nullptr;
  }
  const bool is_ungrouped = IsGrouped(from) && !columns.is_coarser;
  answer->targetList =
      reinterpret_cast<List *>(Compute(reinterpret_cast<Node *>(answer->targetList), &columns));
  if (is_ungrouped) {
    conditions = list_concat(conditions, having);
    having = NIL;
    answer->groupClause = NIL;
    answer->hasAggs = false;
  }
  conditions = reinterpret_cast<List *>(Compute(reinterpret_cast<Node *>(conditions), &columns));
  having = reinterpret_cast<List *>(Compute(reinterpret_cast<Node *>(having), &columns));
  answer->havingQual =
      having == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(having));
  RangeTblRef *reference = makeNode(RangeTblRef);
  reference->rtindex = columns.entry;
  answer->jointree = makeFromExpr(
      list_make1(reference),
      conditions == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(conditions)));
  BlankJoins(answer);
  if (columns.has_failed || UsedColumns(answer, sources) != NIL) return nullptr;
  if (is_ungrouped && (contain_aggs_of_level(reinterpret_cast<Node *>(answer->targetList), 0) ||
                       contain_aggs_of_level(answer->jointree->quals, 0)))
    return nullptr;
  Grouping grouping = {Keys(answer), columns.entry};
  if (IsGrouped(answer) &&
      (UsesUngrouped(reinterpret_cast<Node *>(answer->targetList), &grouping) ||
       UsesUngrouped(answer->havingQual, &grouping)))
    return nullptr;
  return answer;
}

}  // namespace helios::mview
