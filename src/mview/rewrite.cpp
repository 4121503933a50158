// The planner's hook puts views in the place of tables; the executor's decides whether that holds.
//
//   planner    query ─> its copy, with views ─> plan, and behind its range table one entry more:
//                                               the query as it was, with the views and the hashes of theirs
//   executor   all views fresh in the snapshot of this execution?   yes: the plan.   no: the query is planned anew
//
// Between planning and execution others may commit, and a cached plan is executed many times. The entry is copied,
// cached and forgotten with the plan; nothing in the plan refers to it.
#include "mview/rewrite.hpp"

#include <cstring>

#include "changelog/changelog.hpp"
#include "mview/backlog.hpp"
#include "mview/bases.hpp"
#include "mview/freshness.hpp"
#include "mview/refresh.hpp"
#include "mview/rewrite_match.hpp"
#include "mview/shape.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"
#include "pg/tables.hpp"

extern "C" {
#include "access/parallel.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

constinit bool rewrite_from_views = false;

namespace {

constinit pg::HookChain<planner_hook_type> planner_chain;
constinit pg::HookChain<ExecutorStart_hook_type> start_chain;

// Set while this room plans and reads by itself: such queries are left as they are.
constinit bool is_busy = false;

// How the entry behind the range table is named.
constexpr const char *kOriginal = "*heliosdb query without views*";

// Finds what the past or a sample is read with; the rewriting would not see which tables are meant.
bool ReadsOtherwise(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, RangeTblEntry))
    return reinterpret_cast<RangeTblEntry *>(node)->tablesample != nullptr;
  if (IsA(node, FuncExpr)) {
    const Oid function = reinterpret_cast<FuncExpr *>(node)->funcid;
    if (function >= FirstNormalObjectId) {
      const char *name = get_func_name(function);
      if (name != nullptr && strncmp(name, "view_as_of", strlen("view_as_of")) == 0) return true;
    }
  }
  if (IsA(node, Query))
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(ReadsOtherwise), context,
                             QTW_EXAMINE_RTES_BEFORE);
  return expression_tree_walker(node, pg::AsWalker(ReadsOtherwise), context);
}

// Lists the maintained views that read the first of some tables and none but these, so that looking at them takes no
// lock that the query does not take.
List *ViewsOf(const List *tables) {
  const MemoryContext caller = CurrentMemoryContext;
  StringInfoData numbers;
  initStringInfo(&numbers);
  const ListCell *cell;
  foreach (cell, tables)
    appendStringInfo(&numbers, "%s%u", numbers.len > 0 ? ", " : "", lfirst_oid(cell));
  SPI_connect();
  changelog::RunAsOwner(
      psprintf("SELECT c.oid FROM heliosdb.mview_bases b JOIN pg_catalog.pg_class c ON c.oid = "
               "b.view WHERE b.relid = %u AND b.kind = 't' AND c.relispopulated "
               "AND NOT EXISTS (SELECT FROM heliosdb.mview_bases o WHERE o.view = b.view AND "
               "o.relid NOT IN (%s)) ORDER BY c.oid",
               linitial_oid(tables), numbers.data),
      true, SPI_OK_SELECT);
  List *views = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    const Oid view = DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &is_null));
    const MemoryContext spi = MemoryContextSwitchTo(caller);
    views = lappend_oid(views, view);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return views;
}

// Finds the query of a view, normalized, and the hash that a refresh notes of it; false if it answers no
// queries. The view is locked.
bool ReadDefinition(Oid view, Query **definition, int64 *hash) {
  if (get_rel_relkind(view) != RELKIND_MATVIEW) return false;
  ViewOwnerScope owner;
  owner.Enter(view);
  const Reads reads = FindReads(view);
  *hash = HashOf(reads.expanded);
  *definition = reads.has_row_security ? nullptr : Normalize(reads.query);
  owner.Leave();
  return *definition != nullptr && IsExact(*definition);
}

// The views that a statement reads in place of tables, and the hashes of their queries: constants of types oid and bigint
// in turn.
struct Found {
  List *views;
};

BlockNumber SizeOf(Oid view) {
  Relation relation = table_open(view, NoLock);
  const BlockNumber blocks = pg::PagesOf(relation);
  table_close(relation, NoLock);
  return blocks;
}

// A view that may answer a query.
struct Candidate {
  Oid view;
  int64 hash;
  BlockNumber size;
  Query *answer;
};

// Tells whether a view answers a query, and how.
bool Examine(const Query *query, Candidate *candidate) {
  Query *definition;
  if (!ReadDefinition(candidate->view, &definition, &candidate->hash)) return false;
  candidate->answer = AnswerFromView(query, candidate->view, definition);
  if (candidate->answer == nullptr) return false;
  candidate->size = SizeOf(candidate->view);
  return true;
}

bool IsBetter(const Candidate &candidate, const Candidate &than) {
  return than.answer == nullptr || candidate.size < than.size ||
         (candidate.size == than.size && than.answer->hasAggs && !candidate.answer->hasAggs);
}

// Has one query answered from the smallest view that does, of those that are alike from one with its own groups.
void Answer(Query *query, Found *found) {
  const List *tables = RewritableTables(query);
  if (tables == NIL) return;
  Candidate best = {};
  ListCell *cell;
  foreach (cell, ViewsOf(tables)) {
    Candidate candidate = {lfirst_oid(cell), 0, InvalidBlockNumber, nullptr};
    // A refresh that is under way is not waited for.
    if (!ConditionalLockRelationOid(candidate.view, AccessShareLock)) continue;
    const bool is_better = Examine(query, &candidate) && IsBetter(candidate, best) &&
                           IsFresh(candidate.view, candidate.hash, GetActiveSnapshot());
    const Oid other = is_better ? best.view : candidate.view;
    if (is_better) best = candidate;
    if (OidIsValid(other)) UnlockRelationOid(other, AccessShareLock);
  }
  if (best.answer == nullptr) return;
  *query = *best.answer;
  found->views = lappend(found->views, makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
                                                 ObjectIdGetDatum(best.view), false, true));
  found->views = lappend(found->views, makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
                                                 Int64GetDatum(best.hash), false, FLOAT8PASSBYVAL));
}

bool AnswerNode(Node *node, Found *found) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return expression_tree_walker(node, pg::AsWalker(AnswerNode), found);
  auto *query = reinterpret_cast<Query *>(node);
  query_tree_walker(query, pg::AsWalker(AnswerNode), found, 0);
  Answer(query, found);
  return false;
}

// Appends the query as it was, whether it may be planned with workers, and what must be fresh for the plan to hold.
void AppendOriginal(PlannedStmt *plan, Query *original, List *views, int options) {
  RangeTblEntry *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = original;
  entry->functions = lcons(makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
                                     Int32GetDatum(options & CURSOR_OPT_PARALLEL_OK), false, true),
                           views);
  entry->eref = makeAlias(kOriginal, NIL);
  plan->rtable = lappend(plan->rtable, entry);
}

const RangeTblEntry *FindOriginal(const PlannedStmt *plan) {
  if (plan->commandType != CMD_SELECT || plan->rtable == NIL) return nullptr;
  const auto *entry = llast_node(RangeTblEntry, plan->rtable);
  const bool is_original = entry->rtekind == RTE_SUBQUERY && entry->subquery != nullptr &&
                           strcmp(entry->eref->aliasname, kOriginal) == 0;
  return is_original ? entry : nullptr;
}

// Puts views into a statement; returns what it has found.
Found FindAnswers(Query *query) {
  Found found = {NIL};
  is_busy = true;
  PG_TRY();
  { AnswerNode(reinterpret_cast<Node *>(query), &found); }
  PG_FINALLY();
  { is_busy = false; }
  PG_END_TRY();
  return found;
}

PlannedStmt *PlanWithViews(Query *query, const char *text, int options, ParamListInfo params) {
  if (likely(!rewrite_from_views) || is_busy || query->commandType != CMD_SELECT ||
      query->hasModifyingCTE || !IsTransactionState() || !ActiveSnapshotSet() || !MayReadViews() ||
      !OidIsValid(get_extension_oid("heliosdb", true)) ||
      ReadsOtherwise(reinterpret_cast<Node *>(query), nullptr) ||
      DependsOnOrder(reinterpret_cast<Node *>(query), nullptr))
    return planner_chain.next(standard_planner)(query, text, options, params);
  auto *original = static_cast<Query *>(copyObjectImpl(query));
  const Found found = FindAnswers(query);
  PlannedStmt *plan = planner_chain.next(standard_planner)(query, text, options, params);
  if (found.views != NIL) AppendOriginal(plan, original, found.views, options);
  return plan;
}

// Tells whether all views that a plan reads in place of tables are fresh.
bool Holds(const RangeTblEntry *original, Snapshot snapshot) {
  ListCell *cell = list_second_cell(original->functions);
  while (cell != nullptr) {
    const Oid view = DatumGetObjectId(lfirst_node(Const, cell)->constvalue);
    cell = lnext(original->functions, cell);
    const int64 hash = DatumGetInt64(lfirst_node(Const, cell)->constvalue);
    cell = lnext(original->functions, cell);
    if (!IsFresh(view, hash, snapshot)) return false;
  }
  return true;
}

// Plans a query as it was written.
PlannedStmt *PlanOriginal(const RangeTblEntry *original, const QueryDesc *run, int flags) {
  auto *query = static_cast<Query *>(copyObjectImpl(original->subquery));
  // Parts that the planner had dropped from the other plan were not locked with it.
  AcquireRewriteLocks(query, true, false);
  // The cursor may have been made scrollable because the other plan is.
  const int scroll = (flags & EXEC_FLAG_BACKWARD) != 0 ? CURSOR_OPT_SCROLL : 0;
  const int options = scroll | DatumGetInt32(linitial_node(Const, original->functions)->constvalue);
  return planner(query, run->sourceText, options, run->params);
}

// Has a statement run as it was written if its plan does not hold in its snapshot.
pg_noinline void Revise(QueryDesc *run, const RangeTblEntry *original, int flags) {
  const bool was_busy = is_busy;
  is_busy = true;
  PG_TRY();
  {
    if (!Holds(original, run->snapshot)) run->plannedstmt = PlanOriginal(original, run, flags);
  }
  PG_FINALLY();
  { is_busy = was_busy; }
  PG_END_TRY();
}

void StartWithViews(QueryDesc *run, int flags) {
  const RangeTblEntry *original = FindOriginal(run->plannedstmt);
  // Workers have the plan that their leader has chosen.
  if (unlikely(original != nullptr) && !IsParallelWorker()) Revise(run, original, flags);
  start_chain.next(standard_ExecutorStart)(run, flags);
}

}  // namespace

void InitRewrite() {
  planner_chain.Install(&planner_hook, PlanWithViews);
  start_chain.Install(&ExecutorStart_hook, StartWithViews);
}

}  // namespace helios::mview
