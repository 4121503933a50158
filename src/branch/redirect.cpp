// Leads the tables of a statement to those of the branch, before the planner sees the query:
//
//   main's table is written or locked    its copy, made now if there is none
//   the branch has a copy                the copy; of one with only some rows, those rows in place of main's
//                                        AS OF the fork, and in statements that change it row_plan.cpp
//   else                                 main's table AS OF the fork, by time travel
//
// The planner sees queries after rewriting, so views, rules, policies and the bodies of functions are led as
// well. They were analysed with main's table; a copy has the same columns under the same numbers. Privileges are
// main's: an entry for them stays in the range table, as it does for views.
#include "branch/redirect.hpp"

#include "branch/catalog.hpp"
#include "branch/copy_up.hpp"
#include "branch/fork.hpp"
#include "branch/fork_read.hpp"
#include "branch/inherited.hpp"
#include "branch/matview.hpp"
#include "branch/relations.hpp"
#include "branch/row_plan.hpp"
#include "branch/session.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tsmapi.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<planner_hook_type> planner_chain;
constinit pg::HookChain<needs_fmgr_hook_type> needs_fmgr_chain;

// Tells whether a query changes or locks an entry of its range table.
bool IsWritten(Query *query, int index) {
  return index == query->resultRelation || get_parse_rowmark(query, index) != nullptr;
}

// Makes copies of the tables that a query changes, and lists the materialized views that it reads.
void CopyWritten(Query *query, List **matviews) {
  int index = 0;
  ListCell *cell;
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    index++;
    if (entry->rtekind != RTE_RELATION) continue;
    const Kind kind = Classify(entry->relid, session_branch);
    if (kind == Kind::kMatview) *matviews = list_append_unique_oid(*matviews, entry->relid);
    if (!IsWritten(query, index)) continue;
    if (kind == Kind::kTable) Fill(CopyUp(entry->relid));
    if (kind == Kind::kOwn) Fill(entry->relid);
    if (kind == Kind::kOther || kind == Kind::kForeign) RaiseUnsupported(entry->relid);
  }
}

// Raises an error if a statement that was analysed with main's table uses a column that is another one in the
// table of the branch. Behind the first `common` ones each side has its own.
void CheckColumns(const RangeTblEntry *entry, Oid local, int common) {
  Relation main_table = table_open(entry->relid, NoLock);
  Relation local_table = table_open(local, AccessShareLock);
  const TupleDesc main_row = RelationGetDescr(main_table);
  const TupleDesc local_row = RelationGetDescr(local_table);
  Bitmapset *used =
      bms_union(entry->selectedCols, bms_union(entry->insertedCols, entry->updatedCols));
  const bool whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
  for (int i = 0; i < main_row->natts; i++) {
    const Form_pg_attribute ours = TupleDescAttr(main_row, i);
    if (ours->attisdropped) continue;
    if (!whole && !bms_is_member(ours->attnum - FirstLowInvalidHeapAttributeNumber, used)) continue;
    const Form_pg_attribute theirs = i < common ? TupleDescAttr(local_row, i) : nullptr;
    if (theirs != nullptr && !theirs->attisdropped && theirs->atttypid == ours->atttypid &&
        theirs->atttypmod == ours->atttypmod && theirs->attcollation == ours->attcollation)
      continue;
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
         errmsg("column \"%s\" of table \"%s\" is another one on branch \"%s\"",
                NameStr(ours->attname), RelationGetRelationName(main_table), SessionBranchName()),
         errhint("Name the table without its schema. A view that was made on main cannot be "
                 "used after such a change.")));
  }
  table_close(local_table, NoLock);
  table_close(main_table, NoLock);
}

// Adds an entry that only asks for the privileges of another one.
void KeepPrivileges(Query *query, RangeTblEntry *entry) {
  if (entry->requiredPerms == 0) return;
  auto *asked = static_cast<RangeTblEntry *>(copyObjectImpl(entry));
  asked->inh = false;
  asked->inFromCl = false;
  asked->rellockmode = AccessShareLock;
  asked->lateral = false;
  asked->tablesample = nullptr;
  asked->securityQuals = NIL;
  query->rtable = lappend(query->rtable, asked);
  entry->requiredPerms = 0;
  entry->checkAsUser = InvalidOid;
}

// Gives a new row the defaults of the columns that only the branch has, in place of those that only main has.
List *WithDefaults(List *targets, Oid local, int common) {
  List *kept = NIL;
  ListCell *cell;
  foreach (cell, targets) {
    if (lfirst_node(TargetEntry, cell)->resno <= common) kept = lappend(kept, lfirst(cell));
  }
  Relation table = table_open(local, AccessShareLock);
  const TupleDesc row = RelationGetDescr(table);
  for (int i = common; i < row->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(row, i);
    if (column->attisdropped || column->attgenerated != '\0') continue;
    Node *value = build_column_default(table, column->attnum);
    if (value == nullptr) continue;
    kept = lappend(kept, makeTargetEntry(reinterpret_cast<Expr *>(value), column->attnum,
                                         pstrdup(NameStr(column->attname)), false));
  }
  table_close(table, NoLock);
  return kept;
}

// The same for the rows that a statement inserts.
void AddDefaults(Query *query, Oid local, int common) {
  if (query->commandType == CMD_INSERT)
    query->targetList = WithDefaults(query->targetList, local, common);
  ListCell *cell;
  foreach (cell, query->mergeActionList) {
    auto *action = lfirst_node(MergeAction, cell);
    if (action->commandType == CMD_INSERT)
      action->targetList = WithDefaults(action->targetList, local, common);
  }
}

// Puts the branch's table in place of main's, and locks it for what the query does with it.
void Swap(Query *query, int index, RangeTblEntry *entry, Oid local) {
  entry->rellockmode = index == query->resultRelation               ? RowExclusiveLock
                       : get_parse_rowmark(query, index) != nullptr ? RowShareLock
                                                                    : AccessShareLock;
  LockRelationOid(local, entry->rellockmode);
  if (entry->relkind != RELKIND_SEQUENCE) {
    const int common = FindLocal(CurrentBranch().id, entry->relid).columns;
    CheckColumns(entry, local, common);
    if (index == query->resultRelation) AddDefaults(query, local, common);
  }
  KeepPrivileges(query, entry);
  if (index == query->resultRelation && query->onConflict != nullptr &&
      OidIsValid(query->onConflict->constraint)) {
    query->onConflict->constraint = get_relation_constraint_oid(
        local, get_constraint_name(query->onConflict->constraint), false);
  }
  entry->relid = local;
}

[[noreturn]] void RefuseSample(const RangeTblEntry *entry) {
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("TABLESAMPLE and AS OF are not supported on branch \"%s\"", SessionBranchName()),
           errdetail("Table \"%s\" is read as of the fork of the branch.",
                     get_rel_name(entry->relid))));
}

// Raises an error if the rest of a copy came later than the snapshot of the transaction.
void CheckWhole(Oid main, const Local &local) {
  if (!FullTransactionIdIsValid(local.whole_xid) || !IsolationUsesXactSnapshot() ||
      !FirstSnapshotSet)
    return;
  const TransactionId xid = XidFromFullTransactionId(local.whole_xid);
  if (TransactionIdIsCurrentTransactionId(xid) || !XidInMVCCSnapshot(xid, GetTransactionSnapshot()))
    return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("table \"%s\" was altered on branch \"%s\" meanwhile", get_rel_name(main),
                         SessionBranchName()),
                  errhint("Run the transaction again.")));
}

// Raises an error for a statement that cannot read a table as of the fork of the branch.
void CheckForkRead(const RangeTblEntry *entry) {
  if (entry->tablesample != nullptr) RefuseSample(entry);
  if (IsolationIsSerializable()) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("table \"%s\" cannot be read on branch \"%s\" in a SERIALIZABLE "
                           "transaction",
                           get_rel_name(entry->relid), SessionBranchName()),
                    errdetail("The branch has not changed it, and reads of the past are not "
                              "watched for conflicts."),
                    errhint("Use REPEATABLE READ.")));
  }
}

// Lets time travel read main's table as of the fork of the branch, as a clause of ours says.
void ReadFork(RangeTblEntry *entry, TableSampleClause *sample) {
  CheckForkRead(entry);
  entry->tablesample = sample;
}

// Raises an error for a view of main that the branch has dropped or replaced: its query is in the statement already.
void CheckView(Oid view) {
  if (!OidIsValid(LocalOf(view))) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("view \"%s\" was replaced on branch \"%s\"", get_rel_name(view),
                         SessionBranchName()),
                  errhint("Name the view without its schema.")));
}

// Raises an error if the session reads the past.
void CheckPresent(Oid table) {
  const char *instant = GetConfigOption("heliosdb.as_of", true, false);
  if (instant == nullptr || *instant == '\0') return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("table \"%s\" cannot be read in the past on branch \"%s\"",
                         get_rel_name(table), SessionBranchName()),
                  errdetail("heliosdb.as_of is set."), errhint("RESET heliosdb.as_of.")));
}

// Lets a query read the rows of an inherited table where they are; notes the table in `read`.
void LeadInherited(Query *query, int index, RangeTblEntry *entry, List **read) {
  const Oid local = entry->relid;
  if (!ReadsSource(local)) return;
  CheckPresent(local);
  CheckForkRead(entry);
  KeepPrivileges(query, entry);
  ReadSource(entry, index, local);
  if (read != nullptr) *read = list_append_unique_oid(*read, local);
}

// Leads one table of a query.
void LeadTable(Query *query, int index, RangeTblEntry *entry, List **read) {
  switch (Classify(entry->relid, session_branch)) {
    case Kind::kTable: {
      CheckPresent(entry->relid);
      const Oid local = LocalOf(entry->relid);
      if (!OidIsValid(local)) {
        CheckExistedAtFork(entry->relid);
        ReadFork(entry, ForkSample());
        break;
      }
      const Local copy = FindLocal(CurrentBranch().id, entry->relid);
      if (copy.IsPartial() && !IsWritten(query, index)) {
        CheckColumns(entry, local, copy.columns);
        ReadFork(entry, OverlaidSample(copy, Rows::kAll));
        break;
      }
      CheckWhole(entry->relid, copy);
      if (entry->tablesample != nullptr) RefuseSample(entry);
      Swap(query, index, entry, local);
      LeadInherited(query, index, entry, read);
      break;
    }
    case Kind::kOwn: {
      // As foreign keys name it, or by its name once it was altered.
      LeadInherited(query, index, entry, read);
      const CopyOf of = FindCopyOf(entry->relid);
      if (!OidIsValid(of.main)) break;
      const Local copy = FindLocal(of.branch, of.main);
      CheckWhole(of.main, copy);
      if (!copy.IsPartial() || IsWritten(query, index)) break;
      entry->relid = of.main;
      ReadFork(entry, OverlaidSample(copy, Rows::kAll));
      break;
    }
    case Kind::kSequence:
      // Reading main's would show where that is now.
      Swap(query, index, entry, LocalSequence(entry->relid));
      break;
    case Kind::kMatview:
      CheckPresent(entry->relid);
      Swap(query, index, entry, CopyMatview(entry->relid, true));
      break;
    case Kind::kView:
      CheckView(entry->relid);
      break;
    case Kind::kOther:
    case Kind::kForeign:
      RaiseUnsupported(entry->relid);
    default:
      break;
  }
}

bool LeadNode(Node *node, void *context);

// The second argument of the walker is the list of inherited tables that the statement reads elsewhere, or null.
void LeadQuery(Query *query, void *read) {
  query_tree_walker(query, pg::AsWalker(LeadNode), read, 0);
  // Entries that only ask for privileges are added at the end.
  const int count = list_length(query->rtable);
  for (int index = 1; index <= count; index++) {
    RangeTblEntry *entry = rt_fetch(index, query->rtable);
    if (entry->rtekind == RTE_RELATION) LeadTable(query, index, entry, static_cast<List **>(read));
  }
}

bool LeadNode(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    LeadQuery(reinterpret_cast<Query *>(node), context);
    return false;
  }
  if (IsA(node, NextValueExpr)) {
    auto *next = reinterpret_cast<NextValueExpr *>(node);
    next->seqid = LocalSequence(next->seqid);
    return false;
  }
  if (IsA(node, FuncExpr)) {
    // The arguments first: what is put around them is not looked into again.
    const bool stop = expression_tree_walker(node, pg::AsWalker(LeadNode), context);
    LeadSequences(reinterpret_cast<FuncExpr *>(node));
    return stop;
  }
  return expression_tree_walker(node, pg::AsWalker(LeadNode), context);
}

bool CopyNode(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    CopyWritten(reinterpret_cast<Query *>(node), static_cast<List **>(context));
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(CopyNode), context, 0);
  }
  return expression_tree_walker(node, pg::AsWalker(CopyNode), context);
}

// Items like those that invalidate a plan, which no cache has: the branch that the plan was made for, and an inherited
// table whose rows it reads elsewhere.
constexpr int kMadeFor = -1;
constexpr int kReadsSource = -2;

void AddItem(PlannedStmt *plan, int kind, uint32 value) {
  PlanInvalItem *item = makeNode(PlanInvalItem);
  item->cacheId = kind;
  item->hashValue = value;
  plan->invalItems = lappend(plan->invalItems, item);
}

// Lists the relations with policies that a query changes or locks.
bool ListHidden(Node *node, List **hidden) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    auto *query = reinterpret_cast<Query *>(node);
    for (int index = 1; index <= list_length(query->rtable); index++) {
      const RangeTblEntry *entry = rt_fetch(index, query->rtable);
      if (entry->rtekind == RTE_RELATION && entry->securityQuals != NIL && IsWritten(query, index))
        *hidden = list_append_unique_oid(*hidden, entry->relid);
    }
    return query_tree_walker(query, pg::AsWalker(ListHidden), hidden, 0);
  }
  return expression_tree_walker(node, pg::AsWalker(ListHidden), hidden);
}

PlannedStmt *PlanOnBranch(Query *query, const char *text, int options, ParamListInfo params) {
  if (likely(!OnBranch()))
    return planner_chain.next(standard_planner)(query, text, options, params);
  // Copies come first: a table may be read in one place of a statement and written in another.
  List *matviews = NIL;
  CopyNode(reinterpret_cast<Node *>(query), &matviews);
  CopyMatviews(matviews);
  List *read = NIL;
  LeadQuery(query, &read);
  List *hidden = NIL;
  ListHidden(reinterpret_cast<Node *>(query), &hidden);
  const int64 branch = session_branch;
  PlannedStmt *plan = planner_chain.next(standard_planner)(query, text, options, params);
  UseRowScans(plan, hidden);
  AddItem(plan, kMadeFor, static_cast<uint32>(branch));
  ListCell *cell;
  foreach (cell, read) {
    AddItem(plan, kReadsSource, lfirst_oid(cell));
    // Filling the table makes the plan out of date.
    plan->relationOids = lappend_oid(plan->relationOids, lfirst_oid(cell));
  }
  return plan;
}

// On a branch, functions in SQL are called and not inlined: the planner inlines them after its hook, and would read
// the tables of main.
bool NeedsCall(Oid function) {
  if (needs_fmgr_chain.previous() != nullptr && needs_fmgr_chain.previous()(function)) return true;
  if (likely(!OnBranch()) || function < FirstNormalObjectId) return false;
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool in_sql = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->prolang == SQLlanguageId;
  ReleaseSysCache(tuple);
  return in_sql;
}

}  // namespace

void LeadSequences(FuncExpr *call) {
  switch (call->funcid) {
    case F_NEXTVAL:
    case F_CURRVAL:
    case F_SETVAL_REGCLASS_INT8:
    case F_SETVAL_REGCLASS_INT8_BOOL:
      break;
    default:
      return;
  }
  ListCell *first = list_head(call->args);
  lfirst(first) =
      makeFuncExpr(pg::FindFunction(kAdminSchema, "branch_sequence", {REGCLASSOID}), REGCLASSOID,
                   list_make1(lfirst(first)), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

PlannedStmt *PlanUnled(Query *query) {
  PlannedStmt *plan = planner_chain.next(standard_planner)(query, "", 0, nullptr);
  AddItem(plan, kMadeFor, static_cast<uint32>(session_branch));
  return plan;
}

void LeadExpression(Node *expression) { LeadNode(expression, nullptr); }

bool IsForSession(const PlannedStmt *plan) {
  auto made_for = static_cast<uint32>(kMain);
  ListCell *cell;
  foreach (cell, plan->invalItems) {
    const auto *item = lfirst_node(PlanInvalItem, cell);
    if (item->cacheId == kMadeFor) made_for = item->hashValue;
  }
  return made_for == static_cast<uint32>(session_branch);
}

void CheckSources(const PlannedStmt *plan) {
  ListCell *cell;
  foreach (cell, plan->invalItems) {
    const auto *item = lfirst_node(PlanInvalItem, cell);
    if (item->cacheId == kReadsSource) CheckNotFilled(item->hashValue);
  }
}

void InitRedirect() {
  planner_chain.Install(&planner_hook, PlanOnBranch);
  needs_fmgr_chain.Install(&needs_fmgr_hook, NeedsCall);
}

}  // namespace helios::branch

// branch_sequence(sequence regclass): the sequence of the session's branch in place of one of main.
HELIOS_FUNCTION(branch_sequence) { PG_RETURN_OID(helios::branch::LocalSequence(PG_GETARG_OID(0))); }
