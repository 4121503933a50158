// What plans are told about hybrid tables: what a scan is read for, and that no page is to be
// fetched ahead whose number is none.
#include "hybrid/executor.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/cost.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/size.hpp"
#include "hybrid/skip.hpp"
#include "hybrid/slot.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

constinit pg::HookChain<ExecutorStart_hook_type> executor_start;
constinit pg::HookChain<ExecutorRun_hook_type> executor_run;
constinit pg::HookChain<set_rel_pathlist_hook_type> set_rel_pathlist;

// Says whether an index may give rows that do not fit its condition, so that the scan looks at their columns.
bool IsLossy(Relation index) { return index == nullptr || index->rd_rel->relam != BTREE_AM_OID; }

// Adds the columns that a scan hands on. The target list of the inner side of a nested loop has the columns of the
// join's condition, too, which the index has looked at.
bool AddColumnsHandedOn(const ScanState *state, const PlanState *parent, Bitmapset **columns) {
  const auto *scan = reinterpret_cast<const Scan *>(state->ps.plan);
  if (parent == nullptr || !IsA(parent, NestLoopState) || innerPlanState(parent) != &state->ps) {
    return AddColumnsOf(reinterpret_cast<Node *>(scan->plan.targetlist), scan->scanrelid, columns);
  }
  const auto *join = reinterpret_cast<const Join *>(parent->plan);
  Bitmapset *used = nullptr;
  pull_varattnos(reinterpret_cast<Node *>(join->plan.targetlist), INNER_VAR, &used);
  pull_varattnos(reinterpret_cast<Node *>(join->plan.qual), INNER_VAR, &used);
  pull_varattnos(reinterpret_cast<Node *>(join->joinqual), INNER_VAR, &used);
  List *handed_on = NIL;
  ListCell *cell;
  foreach (cell, scan->plan.targetlist) {
    auto *entry = static_cast<TargetEntry *>(lfirst(cell));
    // What is computed is computed in any case.
    if (!IsA(entry->expr, Var) ||
        bms_is_member(entry->resno - FirstLowInvalidHeapAttributeNumber, used)) {
      handed_on = lappend(handed_on, entry);
    }
  }
  return AddColumnsOf(reinterpret_cast<Node *>(handed_on), scan->scanrelid, columns);
}

// Tells the slot of a scan which columns its plan node reads, and of which rows.
void TellNeeds(ScanState *state, const PlanState *parent) {
  TupleTableSlot *slot = state->ss_ScanTupleSlot;
  if (slot == nullptr || !IsHybridSlot(slot)) return;
  // Of hot rows all columns are there; those of rows that become cold meanwhile may be read, too.
  if (state->ss_currentRelation == nullptr || ColdSizeOf(state->ss_currentRelation).rows == 0) {
    return;
  }
  const auto *scan = reinterpret_cast<const Scan *>(state->ps.plan);
  const MemoryContext caller = MemoryContextSwitchTo(slot->tts_mcxt);
  Bitmapset *columns = nullptr;
  bool known = AddColumnsHandedOn(state, parent, &columns) &&
               AddColumnsOf(reinterpret_cast<Node *>(scan->plan.qual), scan->scanrelid, &columns);
  if (known && IsA(scan, IndexScan)) {
    const auto *index_scan = reinterpret_cast<const IndexScan *>(scan);
    if (IsLossy(reinterpret_cast<IndexScanState *>(state)->iss_RelationDesc)) {
      known = AddColumnsOf(reinterpret_cast<Node *>(index_scan->indexqualorig), scan->scanrelid,
                           &columns);
    }
    known = known && AddColumnsOf(reinterpret_cast<Node *>(index_scan->indexorderbyorig),
                                  scan->scanrelid, &columns);
  } else if (known && IsA(scan, BitmapHeapScan)) {
    known = AddColumnsOf(
        reinterpret_cast<Node *>(reinterpret_cast<const BitmapHeapScan *>(scan)->bitmapqualorig),
        scan->scanrelid, &columns);
  } else if (known && !IsA(scan, SeqScan) && !IsA(scan, SampleScan)) {
    known = false;
  }
  ReadColumns(slot, known ? columns : nullptr);
  if (!IsA(scan, SampleScan)) AsHybridSlot(slot)->filter = MakeScanFilter(state);
  MemoryContextSwitchTo(caller);
}

// Tells the scans of a running plan, below the node `parent`, what they need to know of hybrid tables.
bool Visit(PlanState *state, void *parent) {
  if (state == nullptr) return false;
  switch (nodeTag(state)) {
    case T_SeqScanState:
    case T_SampleScanState:
    case T_IndexScanState:
      TellNeeds(reinterpret_cast<ScanState *>(state), static_cast<PlanState *>(parent));
      break;
    case T_BitmapHeapScanState: {
      auto *scan = reinterpret_cast<BitmapHeapScanState *>(state);
      if (scan->ss.ss_currentRelation != nullptr && IsHybrid(scan->ss.ss_currentRelation)) {
        TellNeeds(&scan->ss, static_cast<PlanState *>(parent));
        scan->prefetch_maximum = 0;
      }
      break;
    }
    default:
      break;
  }
  return planstate_tree_walker(state, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(Visit)),
                               state);
}

bool HasHybridTable(EState *estate) {
  if (estate->es_relations == nullptr) return false;
  for (Index i = 0; i < estate->es_range_table_size; i++) {
    if (estate->es_relations[i] != nullptr && IsHybrid(estate->es_relations[i])) return true;
  }
  return false;
}

void StartExecutor(QueryDesc *query, int flags) {
  executor_start.next(standard_ExecutorStart)(query, flags);
  if (!UsesHybridTables() || !HasHybridTable(query->estate)) return;
  Visit(query->planstate, nullptr);
}

// Runs a plan. What EvalPlanQual begins anew within has not been visited: no page is fetched ahead by
// plans that write or lock rows and read a hybrid table by bitmaps.
void RunExecutor(QueryDesc *query, ScanDirection direction, uint64 count, bool once) {
  const bool recheck = query->operation != CMD_SELECT || query->plannedstmt->rowMarks != NIL;
  if (!UsesHybridTables() || !recheck || !HasHybridTable(query->estate)) {
    executor_run.next(standard_ExecutorRun)(query, direction, count, once);
    return;
  }
  const int before = effective_io_concurrency;
  effective_io_concurrency = 0;
  PG_TRY();
  { executor_run.next(standard_ExecutorRun)(query, direction, count, once); }
  PG_FINALLY();
  { effective_io_concurrency = before; }
  PG_END_TRY();
}

// Has scans of a hybrid table give the columns that are asked for, not all: a plan that hands on whole rows
// to save a projection would have them all decoded.
void AskForColumns(RelOptInfo *rel) {
  // A system column that something needs is what keeps PostgreSQL from that (use_physical_tlist).
  Relids *needed = &rel->attr_needed[TableOidAttributeNumber - rel->min_attr];
  if (bms_is_empty(*needed)) *needed = bms_make_singleton(0);
}

// Corrects what PostgreSQL has planned for a hybrid table.
void PlanScan(PlannerInfo *root, RelOptInfo *rel, Index index, RangeTblEntry *entry) {
  if (set_rel_pathlist.previous() != nullptr) set_rel_pathlist.previous()(root, rel, index, entry);
  if (!UsesHybridTables() || entry->rtekind != RTE_RELATION || rel->attr_needed == nullptr) return;
  // The paths of inheritance parents and samples are not scans that could be chosen anew.
  if (entry->inh || entry->tablesample != nullptr || IS_DUMMY_REL(rel)) return;
  Relation table = table_open(entry->relid, NoLock);
  if (IsHybrid(table)) {
    AskForColumns(rel);
    CostColdRows(root, rel, table);
  }
  table_close(table, NoLock);
}

}  // namespace

void InitExecutor() {
  executor_start.Install(&ExecutorStart_hook, StartExecutor);
  executor_run.Install(&ExecutorRun_hook, RunExecutor);
  set_rel_pathlist.Install(&set_rel_pathlist_hook, PlanScan);
}

}  // namespace helios::hybrid
