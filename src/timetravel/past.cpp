// The table as it was in place of `t TABLESAMPLE as_of(x)`:
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
// With an overlay, rows of the two branches whose keys it covers are left out, and there is a third branch:
//
//   SELECT columns, true FROM local
//
// or the two branches have only rows whose keys it covers.
//
// Privileges and row-level security: the first branch keeps the entry of the table with its permission
// checks, the quals of the policies go into every branch; nobody needs rights on logs.
#include "timetravel/past.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "pg/pg.hpp"
#include "pg/range_table.hpp"
#include "timetravel/moment.hpp"
#include "timetravel/query.hpp"

extern "C" {
#include "access/attmap.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
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

// What the functions of a kind of moment are called, and the types of what is written and what they decide by.
struct Naming {
  const char *resolve;
  Oid argument;
  Oid type;
};

const Naming &NamingOf(Past::Kind kind) {
  static constexpr Naming kInstant = {"as_of_instant", TIMESTAMPTZOID, TIMESTAMPTZOID};
  static constexpr Naming kTransaction = {"as_of_transaction", INT8OID, TIMESTAMPTZOID};
  static constexpr Naming kScn = {"as_of_scn", INT8OID, INT8OID};
  return kind == Past::Kind::kInstant       ? kInstant
         : kind == Past::Kind::kTransaction ? kTransaction
                                            : kScn;
}

// as_of_instant(relation, moment), or what it is for the kind of moment, for a place `depth` queries below the one of
// the moment.
Expr *ResolvedMoment(Oid relation, const Past &past, int depth) {
  const Naming &naming = NamingOf(past.kind);
  Node *moment = static_cast<Node *>(copyObjectImpl(past.moment));
  IncrementVarSublevelsUp(moment, depth, 0);
  return Call(naming.resolve, {OIDOID, naming.argument}, naming.type,
              list_make2(OidConst(relation), moment));
}

// The moment in a branch: as it is written where that costs nothing; in_past and was_alive ask then whether
// the table can answer.
Expr *BranchMoment(Oid relation, const Past &past) {
  if (IsSimple(past.moment) && past.kind != Past::Kind::kTransaction)
    return static_cast<Expr *>(copyObjectImpl(past.moment));
  return Once(ResolvedMoment(relation, past, kMomentDepth));
}

// as_of_instant(relation, moment) IS NOT NULL, which is true or an error.
Expr *Answerable(Oid relation, const Past &past, int depth) {
  NullTest *test = makeNode(NullTest);
  test->arg = ResolvedMoment(relation, past, depth);
  test->nulltesttype = IS_NOT_NULL;
  test->location = -1;
  return reinterpret_cast<Expr *>(test);
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

// NOT is_overlaid(overlay_of(local, deleted), key…), or without NOT: what is asked for of rows whose columns are those of
// the table, moved by `offset`. Null without an overlay.
Expr *AskOverlay(Relation table, const OverlayTables &tables, int offset) {
  if (!OidIsValid(tables.local)) return nullptr;
  const Overlay overlay(tables.local, tables.deleted, CurrentMemoryContext);
  Expr *both = Call("overlay_of", {OIDOID, OIDOID}, INT8OID,
                    list_make2(OidConst(tables.local), OidConst(tables.deleted)));
  List *arguments =
      list_make1(makeRelabelType(both, INTERNALOID, -1, InvalidOid, COERCE_IMPLICIT_CAST));
  for (int i = 0; i < overlay.key_count(); i++) {
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), overlay.key(i) - 1);
    arguments =
        lappend(arguments, makeVar(1, static_cast<AttrNumber>(column->attnum + offset),
                                   column->atttypid, column->atttypmod, column->attcollation, 0));
  }
  Expr *covered = Call("is_overlaid", {INTERNALOID, ANYOID}, BOOLOID, arguments);
  if (tables.part == OverlayTables::Part::kCovered) return covered;
  return reinterpret_cast<Expr *>(makeBoolExpr(NOT_EXPR, list_make1(covered), -1));
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

// The entry of a table that nobody needs privileges for.
RangeTblEntry *MakeTableEntry(Oid relation) {
  Relation table = table_open(relation, AccessShareLock);
  RangeTblEntry *entry = pg::MakeTableEntry(table);
  table_close(table, NoLock);
  return entry;
}

// The branch of the rows of the overlay, in the columns of the table; null in those that the overlay has not.
Query *LocalBranch(const RangeTblEntry *original, int index, Relation table, Oid local_oid) {
  RangeTblEntry *entry = MakeTableEntry(local_oid);
  entry->securityQuals = MapPolicies(original, index, nullptr, 0);
  entry->requiredPerms = original->requiredPerms;
  entry->checkAsUser = original->checkAsUser;
  entry->selectedCols = bms_copy(original->selectedCols);
  Relation local = table_open(local_oid, NoLock);
  const TupleDesc row = RelationGetDescr(local);
  List *columns = BranchColumns(table, nullptr, 0);
  ListCell *cell;
  foreach (cell, columns) {
    auto *column = lfirst_node(TargetEntry, cell);
    const int i = column->resno - 1;
    if (!IsA(column->expr, Var) || (i < row->natts && !TupleDescAttr(row, i)->attisdropped))
      continue;
    const auto *var = reinterpret_cast<const Var *>(column->expr);
    column->expr =
        reinterpret_cast<Expr *>(makeNullConst(var->vartype, var->vartypmod, var->varcollid));
  }
  table_close(local, NoLock);
  return MakeBranch(entry, columns, reinterpret_cast<Expr *>(makeBoolConst(true, false)));
}

// The branch of the rows that are still current, of the table that is number `index` of its range table.
Query *CurrentBranch(const RangeTblEntry *original, int index, Relation table, const Past &past) {
  RangeTblEntry *entry = static_cast<RangeTblEntry *>(copyObjectImpl(original));
  entry->tablesample = nullptr;
  entry->lateral = false;
  entry->securityQuals = MapPolicies(original, index, nullptr, 0);
  Var *xmin = makeVar(1, MinTransactionIdAttributeNumber, XIDOID, -1, InvalidOid, 0);
  Expr *condition =
      Call("in_past", {OIDOID, XIDOID, NamingOf(past.kind).type}, BOOLOID,
           list_make3(OidConst(original->relid), xmin, BranchMoment(original->relid, past)));
  if (Expr *asked = AskOverlay(table, past.overlay, 0))
    condition = reinterpret_cast<Expr *>(makeBoolExpr(AND_EXPR, list_make2(condition, asked), -1));
  return MakeBranch(entry, BranchColumns(table, nullptr, 0), condition);
}

// The branch of the versions in one log: of the table itself, or of a partition.
Query *LogBranch(const RangeTblEntry *original, int index, Relation table,
                 const changelog::TrackedTable &tracked, const AttrMap *attributes,
                 const Past &past) {
  RangeTblEntry *entry = MakeTableEntry(tracked.log);
  entry->securityQuals = MapPolicies(original, index, attributes, changelog::kLogColumns);

  Var *ender = makeVar(1, changelog::kLogXid, XID8OID, -1, InvalidOid, 0);
  Var *creator = makeVar(1, changelog::kLogCreator, XID8OID, -1, InvalidOid, 0);
  Var *operation = makeVar(1, changelog::kLogOp, CHAROID, -1, InvalidOid, 0);
  Expr *not_insert =
      Comparison("<>", CHAROID, reinterpret_cast<Expr *>(operation),
                 reinterpret_cast<Expr *>(makeConst(
                     CHAROID, -1, InvalidOid, 1, CharGetDatum(changelog::kOpInsert), false, true)));
  Expr *alive = Call(
      "was_alive", {OIDOID, XID8OID, XID8OID, NamingOf(past.kind).type}, BOOLOID,
      list_make4(OidConst(tracked.relation), creator, ender, BranchMoment(tracked.relation, past)));
  // Records of transactions that had ended long before are skipped by the index on xid.
  Expr *floor = Call("past_floor", {OIDOID, NamingOf(past.kind).type}, XID8OID,
                     list_make2(OidConst(tracked.relation), BranchMoment(tracked.relation, past)));
  Expr *recent = Comparison(">=", XID8OID, reinterpret_cast<Expr *>(copyObjectImpl(ender)), floor);
  // Up front, so that it holds also where no row is found.
  Expr *answerable = Answerable(tracked.relation, past, kMomentDepth - 1);
  List *conditions = list_make4(answerable, not_insert, recent, alive);
  if (Expr *asked = AskOverlay(table, past.overlay, changelog::kLogColumns))
    conditions = lappend(conditions, asked);
  Expr *condition = reinterpret_cast<Expr *>(makeBoolExpr(AND_EXPR, conditions, -1));
  return MakeBranch(entry, BranchColumns(table, attributes, changelog::kLogColumns), condition);
}

// UNION ALL of the branches, as the parser would have made it.
Query *UniteBranches(List *branches) {
  Query *first = linitial_node(Query, branches);
  if (list_length(branches) == 1)
    return first;  // a partitioned table, without partitions or ONLY it
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

}  // namespace

void CheckReadable(Query *query, int index, const RangeTblEntry *entry, List *moments) {
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
  if (contain_volatile_functions(reinterpret_cast<Node *>(moments))) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("the instant of AS OF must not be volatile"),
                    errhint("Use now() or statement_timestamp() instead of clock_timestamp().")));
  }
}

void ExpandPast(Query *query, int index, RangeTblEntry *entry, const Past &past) {
  CheckReadable(query, index, entry, list_make1(past.moment));
  Relation table = table_open(entry->relid, NoLock);
  if (OidIsValid(past.overlay.local)) CheckOverlay(past.overlay, table);
  List *branches = list_make1(CurrentBranch(entry, index, table, past));
  List *conditions = NIL;
  if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) {
    conditions = list_make1(Answerable(entry->relid, past, 1));
    // With ONLY there are no rows, then as now.
    List *partitions =
        entry->inh ? find_all_inheritors(entry->relid, AccessShareLock, nullptr) : NIL;
    ListCell *cell;
    foreach (cell, partitions) {
      Relation partition = table_open(lfirst_oid(cell), NoLock);
      if (partition->rd_rel->relkind == RELKIND_RELATION) {
        const AttrMap *attributes =
            build_attrmap_by_name(RelationGetDescr(partition), RelationGetDescr(table));
        branches = lappend(
            branches, LogBranch(entry, index, table, TrackedOrError(RelationGetRelid(partition)),
                                attributes, past));
      }
      table_close(partition, NoLock);
    }
  } else {
    branches = lappend(branches,
                       LogBranch(entry, index, table, TrackedOrError(entry->relid), nullptr, past));
    if (past.overlay.part == OverlayTables::Part::kAll)
      branches = lappend(branches, LocalBranch(entry, index, table, past.overlay.local));
  }
  table_close(table, NoLock);

  ReplaceBySubquery(entry, SelectAlive(UniteBranches(branches), conditions),
                    contain_vars_of_level(past.moment, 0));
}

}  // namespace helios::timetravel
