#include "timetravel/query.hpp"

#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// Replaces columns of a policy's table by those of what stands in its place.
struct PolicyMap {
  int index;  // of the table in the range table that the policies were written for
  const AttrMap *attributes;
  int offset;
  int depth;
};

Node *MapPolicy(Node *node, PolicyMap *map) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Var)) {
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    if (static_cast<int>(var->varlevelsup) != map->depth || var->varno != map->index)
      return reinterpret_cast<Node *>(var);
    if (var->varattno <= 0) {
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
               errmsg("AS OF does not support row-level security policies that use whole rows or "
                      "system columns")));
    }
    const AttrNumber number =
        map->attributes == nullptr ? var->varattno : map->attributes->attnums[var->varattno - 1];
    var->varno = 1;
    var->varattno = static_cast<AttrNumber>(number + map->offset);
    return reinterpret_cast<Node *>(var);
  }
  if (IsA(node, Query)) {
    map->depth++;
    Query *query =
        query_tree_mutator(reinterpret_cast<Query *>(node), pg::AsMutator(MapPolicy), map, 0);
    map->depth--;
    return reinterpret_cast<Node *>(query);
  }
  return expression_tree_mutator(node, pg::AsMutator(MapPolicy), map);
}

}  // namespace

Oid FunctionOf(const char *name, std::initializer_list<Oid> arguments) {
  return pg::FindFunction("heliosdb", name, arguments);
}

Expr *Call(const char *name, std::initializer_list<Oid> types, Oid result, List *arguments) {
  return reinterpret_cast<Expr *>(makeFuncExpr(FunctionOf(name, types), result, arguments,
                                               InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

Const *OidConst(Oid value) {
  return makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(value), false, true);
}

Expr *Comparison(const char *name, Oid type, Expr *left, Expr *right) {
  List *qualified = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup(name)));
  Expr *comparison = make_opclause(OpernameGetOprid(qualified, type, type), BOOLOID, false, left,
                                   right, InvalidOid, InvalidOid);
  set_opfuncid(reinterpret_cast<OpExpr *>(comparison));
  return comparison;
}

Query *MakeQuery(List *range_table, int used) {
  Query *query = makeNode(Query);
  query->commandType = CMD_SELECT;
  query->querySource = QSRC_ORIGINAL;
  query->canSetTag = true;
  query->rtable = range_table;
  List *references = NIL;
  for (int i = 1; i <= used; i++) {
    RangeTblRef *reference = makeNode(RangeTblRef);
    reference->rtindex = i;
    references = lappend(references, reference);
  }
  query->jointree = makeFromExpr(references, nullptr);
  return query;
}

Expr *Once(Expr *value) {
  Query *query = MakeQuery(NIL, 0);
  query->hasSubLinks = checkExprHasSubLink(reinterpret_cast<Node *>(value));
  query->targetList = list_make1(makeTargetEntry(value, 1, pstrdup("value"), false));
  SubLink *link = makeNode(SubLink);
  link->subLinkType = EXPR_SUBLINK;
  link->subselect = reinterpret_cast<Node *>(query);
  link->location = -1;
  return reinterpret_cast<Expr *>(link);
}

RangeTblEntry *MakeSubqueryEntry(Query *query, const char *name) {
  RangeTblEntry *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = query;
  List *names = NIL;
  ListCell *cell;
  foreach (cell, query->targetList)
    names = lappend(names, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
  entry->eref = makeAlias(name, names);
  return entry;
}

List *PassColumns(const Query *query, int count) {
  List *columns = NIL;
  for (int i = 0; i < count; i++) {
    const auto *column = static_cast<TargetEntry *>(list_nth(query->targetList, i));
    Node *value = reinterpret_cast<Node *>(column->expr);
    Var *var =
        makeVar(1, column->resno, exprType(value), exprTypmod(value), exprCollation(value), 0);
    columns = lappend(columns, makeTargetEntry(reinterpret_cast<Expr *>(var), column->resno,
                                               pstrdup(column->resname), false));
  }
  return columns;
}

void ReplaceBySubquery(RangeTblEntry *entry, Query *subquery, bool lateral) {
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = subquery;
  entry->lateral = lateral;
  entry->relkind = 0;
  entry->rellockmode = 0;
  entry->tablesample = nullptr;
  entry->inh = false;
  entry->requiredPerms = 0;
  entry->checkAsUser = InvalidOid;
  entry->selectedCols = nullptr;
  entry->securityQuals = NIL;
}

void KeepApart(Query *subquery) {
  // A query that has a common table expression is not pulled up, and one that nobody reads is not planned.
  CommonTableExpr *unread = makeNode(CommonTableExpr);
  unread->ctename = pstrdup("unread");
  Query *query = MakeQuery(NIL, 0);
  query->targetList =
      list_make1(makeTargetEntry(reinterpret_cast<Expr *>(makeNullConst(BOOLOID, -1, InvalidOid)),
                                 1, pstrdup("value"), false));
  unread->ctequery = reinterpret_cast<Node *>(query);
  unread->location = -1;
  subquery->cteList = lappend(subquery->cteList, unread);
}

List *MapPolicies(const RangeTblEntry *original, int index, const AttrMap *attributes, int offset) {
  PolicyMap map{index, attributes, offset, 0};
  return reinterpret_cast<List *>(
      MapPolicy(reinterpret_cast<Node *>(original->securityQuals), &map));
}

}  // namespace helios::timetravel
