// Replaces `t TABLESAMPLE as_of(x)` by the table at that instant, before the planner sees the query:
//
//   SELECT columns FROM
//     (SELECT columns, in_past(t, xmin, at) AS alive FROM t
//      UNION ALL
//      SELECT columns, op <> 'I' AND xid >= past_floor(t, at) AND was_alive(t, creator, xid, at)
//        AND as_of_instant(t, x) IS NOT NULL FROM log_of_t)
//   WHERE alive
//
// The instant `at` is x itself where that is a constant or parameter, else from an initplan. That the table can
// answer for it is asked by the filters, and up front by the branch of the log, also where no row is found. The
// planner flattens this into an append relation (which it does only for branches without WHERE, hence the
// column): quals go into both branches, indexes of the table and the log serve them, and ORDER BY merges. Of a
// partitioned table each partition has a log.
//
// Privileges and row-level security: the first branch keeps the entry of the table with its permission
// checks, the quals of the policies go into every branch; nobody needs rights on logs.
#include "timetravel/expand.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"
#include "pg/pg.hpp"
#include "timetravel/carrier.hpp"
#include "timetravel/instant.hpp"
#include "timetravel/session.hpp"

extern "C" {
#include "access/attmap.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

constinit pg::HookChain<planner_hook_type> planner_chain;

Oid FunctionNamed(const char *name, std::initializer_list<Oid> arguments) {
  List *qualified = list_make2(makeString(pstrdup("heliosdb")), makeString(pstrdup(name)));
  return LookupFuncName(qualified, static_cast<int>(arguments.size()), arguments.begin(), false);
}

Expr *Call(const char *name, std::initializer_list<Oid> types, Oid result, List *arguments) {
  return reinterpret_cast<Expr *>(makeFuncExpr(FunctionNamed(name, types), result, arguments,
                                               InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

Const *OidConst(Oid value) {
  return makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(value), false, true);
}

// left `name` right, of a type without collation.
Expr *Comparison(const char *name, Oid type, Expr *left, Expr *right) {
  List *qualified = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup(name)));
  Expr *comparison = make_opclause(OpernameGetOprid(qualified, type, type), BOOLOID, false, left,
                                   right, InvalidOid, InvalidOid);
  set_opfuncid(reinterpret_cast<OpExpr *>(comparison));
  return comparison;
}

// An empty SELECT over the first `used` entries of a range table.
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

// as_of_instant(relation, moment) for a place `depth` queries below the one of `moment`.
Expr *InstantExpr(Oid relation, const Past &past, int depth) {
  Node *moment = static_cast<Node *>(copyObjectImpl(past.moment));
  IncrementVarSublevelsUp(moment, depth, 0);
  const Oid type = past.by_transaction ? INT8OID : TIMESTAMPTZOID;
  return Call(past.by_transaction ? "as_of_transaction" : "as_of_instant", {OIDOID, type},
              TIMESTAMPTZOID, list_make2(OidConst(relation), moment));
}

// (SELECT value): evaluated once, unless the instant depends on other tables.
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

// The instant in a branch: the moment itself where that costs nothing; in_past and was_alive ask then whether
// the table can answer.
Expr *BranchInstant(Oid relation, const Past &past) {
  const bool simple = IsA(past.moment, Const) ||
                      (IsA(past.moment, Param) &&
                       reinterpret_cast<Param *>(past.moment)->paramkind == PARAM_EXTERN);
  if (simple && !past.by_transaction) return static_cast<Expr *>(copyObjectImpl(past.moment));
  return Once(InstantExpr(relation, past, kMomentDepth));
}

// as_of_instant(relation, moment) IS NOT NULL, which is true or an error.
Expr *Answerable(Oid relation, const Past &past, int depth) {
  NullTest *test = makeNode(NullTest);
  test->arg = InstantExpr(relation, past, depth);
  test->nulltesttype = IS_NOT_NULL;
  test->location = -1;
  return reinterpret_cast<Expr *>(test);
}

// The entry of a subquery whose columns are those of `query`.
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

// Columns that pass on the first `count` columns of a subquery, the first entry of its range table.
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

// The columns of a branch: of `relation`, its attribute numbers translated by `attributes` and moved by
// `offset`; NULL for columns that the table has dropped.
List *BranchColumns(Relation table, const AttrMap *attributes, int offset) {
  List *columns = NIL;
  const TupleDesc row = RelationGetDescr(table);
  for (int i = 0; i < row->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(row, i);
    Expr *value;
    if (column->attisdropped) {
      value = reinterpret_cast<Expr *>(makeNullConst(INT4OID, -1, InvalidOid));
    } else {
      const AttrNumber number = attributes == nullptr ? column->attnum : attributes->attnums[i];
      value = reinterpret_cast<Expr *>(makeVar(1, static_cast<AttrNumber>(number + offset),
                                               column->atttypid, column->atttypmod,
                                               column->attcollation, 0));
    }
    columns = lappend(columns, makeTargetEntry(value, static_cast<AttrNumber>(i + 1),
                                               pstrdup(NameStr(column->attname)), false));
  }
  return columns;
}

// SELECT columns, alive FROM entry
Query *MakeBranch(RangeTblEntry *entry, List *columns, Expr *alive) {
  Query *query = MakeQuery(list_make1(entry), 1);
  query->targetList =
      lappend(columns, makeTargetEntry(alive, static_cast<AttrNumber>(list_length(columns) + 1),
                                       pstrdup("alive"), false));
  query->hasSubLinks = true;
  return query;
}

// The branch of the rows that are still current.
Query *CurrentBranch(const RangeTblEntry *original, Relation table, const Past &past) {
  RangeTblEntry *entry = static_cast<RangeTblEntry *>(copyObjectImpl(original));
  entry->tablesample = nullptr;
  entry->lateral = false;
  Var *xmin = makeVar(1, MinTransactionIdAttributeNumber, XIDOID, -1, InvalidOid, 0);
  Expr *condition =
      Call("in_past", {OIDOID, XIDOID, TIMESTAMPTZOID}, BOOLOID,
           list_make3(OidConst(original->relid), xmin, BranchInstant(original->relid, past)));
  return MakeBranch(entry, BranchColumns(table, nullptr, 0), condition);
}

// Replaces columns of a policy's table by those of a log.
struct PolicyMap {
  const AttrMap *attributes;
  int depth;
};

Node *MapPolicy(Node *node, PolicyMap *map) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Var)) {
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    if (static_cast<int>(var->varlevelsup) != map->depth || var->varno != 1)
      return reinterpret_cast<Node *>(var);
    if (var->varattno <= 0) {
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
               errmsg("AS OF does not support row-level security policies that use whole rows or "
                      "system columns")));
    }
    const AttrNumber number =
        map->attributes == nullptr ? var->varattno : map->attributes->attnums[var->varattno - 1];
    var->varattno = static_cast<AttrNumber>(number + changelog::kLogColumns);
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

// The branch of the versions in one log: of the table itself, or of a partition.
Query *LogBranch(const RangeTblEntry *original, Relation table,
                 const changelog::TrackedTable &tracked, const AttrMap *attributes,
                 const Past &past) {
  LockRelationOid(tracked.log, AccessShareLock);
  Relation log = table_open(tracked.log, NoLock);
  RangeTblEntry *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = tracked.log;
  entry->relkind = RELKIND_RELATION;
  entry->rellockmode = AccessShareLock;
  List *names = NIL;
  for (int i = 0; i < RelationGetNumberOfAttributes(log); i++)
    names = lappend(names,
                    makeString(pstrdup(NameStr(TupleDescAttr(RelationGetDescr(log), i)->attname))));
  entry->eref = makeAlias(RelationGetRelationName(log), names);
  table_close(log, NoLock);
  PolicyMap map{attributes, 0};
  entry->securityQuals =
      reinterpret_cast<List *>(MapPolicy(reinterpret_cast<Node *>(original->securityQuals), &map));

  Var *ender = makeVar(1, changelog::kLogXid, XID8OID, -1, InvalidOid, 0);
  Var *creator = makeVar(1, changelog::kLogCreator, XID8OID, -1, InvalidOid, 0);
  Var *operation = makeVar(1, changelog::kLogOp, CHAROID, -1, InvalidOid, 0);
  Expr *not_insert =
      Comparison("<>", CHAROID, reinterpret_cast<Expr *>(operation),
                 reinterpret_cast<Expr *>(makeConst(
                     CHAROID, -1, InvalidOid, 1, CharGetDatum(changelog::kOpInsert), false, true)));
  Expr *alive = Call("was_alive", {OIDOID, XID8OID, XID8OID, TIMESTAMPTZOID}, BOOLOID,
                     list_make4(OidConst(tracked.relation), creator, ender,
                                BranchInstant(tracked.relation, past)));
  // Records of transactions that had ended long before are skipped by the index on xid.
  Expr *floor = Call("past_floor", {OIDOID, TIMESTAMPTZOID}, XID8OID,
                     list_make2(OidConst(tracked.relation), BranchInstant(tracked.relation, past)));
  Expr *recent = Comparison(">=", XID8OID, reinterpret_cast<Expr *>(copyObjectImpl(ender)), floor);
  // Up front, so that it holds also where no row is found.
  Expr *answerable = Answerable(tracked.relation, past, kMomentDepth - 1);
  Expr *condition = reinterpret_cast<Expr *>(
      makeBoolExpr(AND_EXPR, list_make4(answerable, not_insert, recent, alive), -1));
  return MakeBranch(entry, BranchColumns(table, attributes, changelog::kLogColumns), condition);
}

// UNION ALL of the branches, as the parser would have made it.
Query *UniteBranches(List *branches) {
  Query *first = linitial_node(Query, branches);
  if (list_length(branches) == 1) return first;  // a partitioned table without partitions
  Query *query = MakeQuery(NIL, 0);
  query->targetList = PassColumns(first, list_length(first->targetList));
  List *types = NIL, *typmods = NIL, *collations = NIL;
  ListCell *cell;
  foreach (cell, query->targetList) {
    Node *value = reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr);
    types = lappend_oid(types, exprType(value));
    typmods = lappend_int(typmods, exprTypmod(value));
    collations = lappend_oid(collations, exprCollation(value));
  }
  foreach (cell, branches) {
    query->rtable = lappend(
        query->rtable, MakeSubqueryEntry(lfirst_node(Query, cell),
                                         foreach_current_index(cell) == 0 ? "current" : "log"));
    RangeTblRef *reference = makeNode(RangeTblRef);
    reference->rtindex = list_length(query->rtable);
    if (query->setOperations == nullptr) {
      query->setOperations = reinterpret_cast<Node *>(reference);
      continue;
    }
    SetOperationStmt *operation = makeNode(SetOperationStmt);
    operation->op = SETOP_UNION;
    operation->all = true;
    operation->larg = query->setOperations;
    operation->rarg = reinterpret_cast<Node *>(reference);
    operation->colTypes = types;
    operation->colTypmods = typmods;
    operation->colCollations = collations;
    query->setOperations = reinterpret_cast<Node *>(operation);
  }
  return query;
}

// SELECT columns FROM united WHERE alive AND condition; alive is the last column.
Query *SelectAlive(Query *united, List *conditions) {
  const int columns = list_length(united->targetList) - 1;
  Query *query = MakeQuery(list_make1(MakeSubqueryEntry(united, "past")), 1);
  query->targetList = PassColumns(united, columns);
  Var *alive = makeVar(1, static_cast<AttrNumber>(columns + 1), BOOLOID, -1, InvalidOid, 0);
  query->jointree->quals = reinterpret_cast<Node *>(make_ands_explicit(lappend(conditions, alive)));
  query->hasSubLinks = checkExprHasSubLink(query->jointree->quals);
  return query;
}

// True if `node` reads a system column of range table entry `varno`.
struct SystemColumn {
  int varno;
  int depth;
};

bool ReadsSystemColumn(Node *node, SystemColumn *of) {
  if (node == nullptr) return false;
  if (IsA(node, Var)) {
    const auto *var = reinterpret_cast<Var *>(node);
    return var->varno == of->varno && static_cast<int>(var->varlevelsup) == of->depth &&
           var->varattno < 0;
  }
  if (IsA(node, Query)) {
    of->depth++;
    const bool found =
        query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(ReadsSystemColumn), of, 0);
    of->depth--;
    return found;
  }
  return expression_tree_walker(node, pg::AsWalker(ReadsSystemColumn), of);
}

// Replaces one table by what it was.
void ExpandTable(Query *query, int index, RangeTblEntry *entry, const Past &past) {
  if (get_parse_rowmark(query, index) != nullptr) {
    ereport(
        ERROR,
        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("rows of the past cannot be locked"),
         errdetail("FOR UPDATE or FOR SHARE applies to \"%s\" AS OF.", entry->eref->aliasname)));
  }
  SystemColumn system{index, 0};
  if (query_tree_walker(query, pg::AsWalker(ReadsSystemColumn), &system, 0)) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("system columns of \"%s\" AS OF are not available", entry->eref->aliasname)));
  }
  if (contain_volatile_functions(past.moment)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("the instant of AS OF must not be volatile"),
                    errhint("Use now() or statement_timestamp() instead of clock_timestamp().")));
  }
  Relation table = table_open(entry->relid, NoLock);
  List *branches = list_make1(CurrentBranch(entry, table, past));
  List *conditions = NIL;
  if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) {
    conditions = list_make1(Answerable(entry->relid, past, 1));
    List *partitions = find_all_inheritors(entry->relid, AccessShareLock, nullptr);
    ListCell *cell;
    foreach (cell, partitions) {
      Relation partition = table_open(lfirst_oid(cell), NoLock);
      if (partition->rd_rel->relkind == RELKIND_RELATION) {
        const AttrMap *attributes =
            build_attrmap_by_name(RelationGetDescr(partition), RelationGetDescr(table));
        branches = lappend(
            branches,
            LogBranch(entry, table, TrackedOrError(RelationGetRelid(partition)), attributes, past));
      }
      table_close(partition, NoLock);
    }
  } else {
    branches =
        lappend(branches, LogBranch(entry, table, TrackedOrError(entry->relid), nullptr, past));
  }
  table_close(table, NoLock);

  // As for a view, relid stays, so that whole rows keep the table's row type.
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = SelectAlive(UniteBranches(branches), conditions);
  entry->lateral = contain_vars_of_level(past.moment, 0);
  entry->relkind = 0;
  entry->rellockmode = 0;
  entry->tablesample = nullptr;
  entry->inh = false;
  entry->requiredPerms = 0;
  entry->checkAsUser = InvalidOid;
  entry->selectedCols = nullptr;
  entry->securityQuals = NIL;
}

bool ExpandNode(Node *node, void *context);

// Expands the tables of the queries inside a query, and then its own: what replaces a table is not looked
// into again.
bool ExpandQuery(Query *query) {
  query_tree_walker(query, pg::AsWalker(ExpandNode), nullptr, 0);
  int index = 0;
  ListCell *cell;
  foreach (cell, query->rtable) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    index++;
    Past past = {};
    if (entry->rtekind != RTE_RELATION || index == query->resultRelation) continue;
    if (FindPast(entry, &past) || FindSessionPast(entry, &past.moment))
      ExpandTable(query, index, entry, past);
  }
  return false;
}

bool ExpandNode(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) return ExpandQuery(reinterpret_cast<Query *>(node));
  return expression_tree_walker(node, pg::AsWalker(ExpandNode), context);
}

// Tells whether a query has a TABLESAMPLE clause anywhere; most have none, and no expression is looked at
// unless it has subqueries.
bool HasSample(Query *query);

bool NodeHasSample(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) return HasSample(reinterpret_cast<Query *>(node));
  return expression_tree_walker(node, pg::AsWalker(NodeHasSample), context);
}

bool HasSample(Query *query) {
  ListCell *cell;
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->tablesample != nullptr) return true;
    if (entry->rtekind == RTE_SUBQUERY && HasSample(entry->subquery)) return true;
  }
  foreach (cell, query->cteList) {
    if (NodeHasSample(lfirst_node(CommonTableExpr, cell)->ctequery, nullptr)) return true;
  }
  return query->hasSubLinks && query_tree_walker(query, pg::AsWalker(NodeHasSample), nullptr, 0);
}

PlannedStmt *PlanWithPast(Query *query, const char *text, int options, ParamListInfo params) {
  if (unlikely(SessionReadsPast() || HasSample(query))) {
    if (SessionReadsPast()) XactReadOnly = true;
    ExpandQuery(query);
  }
  return planner_chain.next(standard_planner)(query, text, options, params);
}

}  // namespace

void InstallExpansion() { planner_chain.Install(&planner_hook, PlanWithPast); }

}  // namespace helios::timetravel
