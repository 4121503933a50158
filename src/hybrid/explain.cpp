// EXPLAIN (ANALYZE) of plans that have read cold rows: which tables, how many chunks and rows.
//
// EXPLAIN ends the plan before it closes its output, where the scans can still be asked what they have read. Scans of
// parallel workers are gone by then: the leader tells what it has read itself.
#include "hybrid/explain.hpp"

#include "hybrid/fetch.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/size.hpp"
#include "pg/hooks.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/relscan.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

constinit pg::HookChain<ExplainOneQuery_hook_type> explain_one_query;
constinit pg::HookChain<ExecutorEnd_hook_type> executor_end;

// The EXPLAIN (ANALYZE) that runs, and the text by which its plan is known from those that it calls.
struct Explained {
  ExplainState *state;
  const char *text;
};
constinit Explained explained = {};

// What all scans of a table have read.
struct TableReads {
  Relation rel;
  ReadCounts counts;
};

struct Walk {
  List *tables;  // of TableReads
  bool has_workers;
};

void Add(Walk *walk, Relation rel, const ReadCounts &counts) {
  ListCell *cell;
  TableReads *reads = nullptr;
  foreach (cell, walk->tables) {
    auto *known = static_cast<TableReads *>(lfirst(cell));
    if (known->rel == rel) reads = known;
  }
  if (reads == nullptr) {
    reads = static_cast<TableReads *>(palloc0(sizeof(TableReads)));
    reads->rel = rel;
    walk->tables = lappend(walk->tables, reads);
  }
  reads->counts.hot_rows += counts.hot_rows;
  reads->counts.cold_rows += counts.cold_rows;
  reads->counts.chunks += counts.chunks;
  reads->counts.skipped += counts.skipped;
}

void AddScan(Walk *walk, const ScanState &state) {
  TableScanDesc scan = state.ss_currentScanDesc;
  if (scan != nullptr && IsHybrid(scan->rs_rd)) Add(walk, scan->rs_rd, CountsOf(scan));
}

void AddIndexScan(Walk *walk, IndexScanDesc scan) {
  if (scan == nullptr || scan->xs_heapfetch == nullptr || !IsHybrid(scan->heapRelation)) return;
  Add(walk, scan->heapRelation, CountsOf(scan->xs_heapfetch));
}

bool Visit(PlanState *state, void *arg) {
  if (state == nullptr) return false;
  auto *walk = static_cast<Walk *>(arg);
  switch (nodeTag(state)) {
    case T_SeqScanState:
    case T_SampleScanState:
    case T_BitmapHeapScanState:
      AddScan(walk, *reinterpret_cast<ScanState *>(state));
      break;
    case T_IndexScanState:
      AddIndexScan(walk, reinterpret_cast<IndexScanState *>(state)->iss_ScanDesc);
      break;
    case T_IndexOnlyScanState:
      AddIndexScan(walk, reinterpret_cast<IndexOnlyScanState *>(state)->ioss_ScanDesc);
      break;
    case T_GatherState:
      walk->has_workers |= reinterpret_cast<GatherState *>(state)->nworkers_launched > 0;
      break;
    case T_GatherMergeState:
      walk->has_workers |= reinterpret_cast<GatherMergeState *>(state)->nworkers_launched > 0;
      break;
    default:
      break;
  }
  return planstate_tree_walker(state, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(Visit)),
                               arg);
}

void PrintAsText(ExplainState *es, const char *name, const TableReads &reads, bool has_workers) {
  appendStringInfoSpaces(es->str, es->indent * 2);
  appendStringInfo(es->str,
                   "Hybrid Table: %s  Chunks Read: " UINT64_FORMAT "  Skipped: " UINT64_FORMAT
                   "  Rows Hot: " UINT64_FORMAT "  Rows Cold: " UINT64_FORMAT "%s\n",
                   name, reads.counts.chunks, reads.counts.skipped, reads.counts.hot_rows,
                   reads.counts.cold_rows, has_workers ? "  (leader only)" : "");
}

void PrintAsGroup(ExplainState *es, const TableReads &reads, bool has_workers) {
  ExplainOpenGroup("Hybrid Table", nullptr, true, es);
  ExplainPropertyText("Relation Name", RelationGetRelationName(reads.rel), es);
  ExplainPropertyText("Schema", get_namespace_name(RelationGetNamespace(reads.rel)), es);
  ExplainPropertyUInteger("Chunks Read", nullptr, reads.counts.chunks, es);
  ExplainPropertyUInteger("Chunks Skipped", nullptr, reads.counts.skipped, es);
  ExplainPropertyUInteger("Rows Hot", nullptr, reads.counts.hot_rows, es);
  ExplainPropertyUInteger("Rows Cold", nullptr, reads.counts.cold_rows, es);
  ExplainPropertyBool("Leader Only", has_workers, es);
  ExplainCloseGroup("Hybrid Table", nullptr, true, es);
}

// Tells whether chunks were read or skipped, or may have been by workers.
bool IsWorthPrinting(const TableReads &reads, bool has_workers) {
  return reads.counts.chunks > 0 || reads.counts.skipped > 0 ||
         (has_workers && ColdSizeOf(reads.rel).chunks > 0);
}

void Print(ExplainState *es, const Walk &walk) {
  bool is_open = false;
  ListCell *cell;
  foreach (cell, walk.tables) {
    const auto *reads = static_cast<const TableReads *>(lfirst(cell));
    if (!IsWorthPrinting(*reads, walk.has_workers)) continue;
    if (es->format == EXPLAIN_FORMAT_TEXT) {
      PrintAsText(es,
                  es->verbose ? pg::QualifiedName(RelationGetRelid(reads->rel))
                              : quote_identifier(RelationGetRelationName(reads->rel)),
                  *reads, walk.has_workers);
      continue;
    }
    if (!is_open) ExplainOpenGroup("Hybrid Tables", "Hybrid Tables", false, es);
    is_open = true;
    PrintAsGroup(es, *reads, walk.has_workers);
  }
  if (is_open) ExplainCloseGroup("Hybrid Tables", "Hybrid Tables", false, es);
}

void EndExecutor(QueryDesc *query) {
  if (explained.state != nullptr && query->sourceText == explained.text &&
      query->instrument_options != 0 && UsesHybridTables()) {
    Walk walk = {};
    Visit(query->planstate, &walk);
    Print(explained.state, walk);
  }
  executor_end.next(standard_ExecutorEnd)(query);
}

// Explains a query as PostgreSQL does, which has no function for that before version 17.
void ExplainStandard(Query *query, int options, IntoClause *into, ExplainState *es,
                     const char *text, ParamListInfo params, QueryEnvironment *environment) {
#if PG_VERSION_NUM >= 170000
  standard_ExplainOneQuery(query, options, into, es, text, params, environment);
#else
  instr_time start, duration;
  BufferUsage before = pgBufferUsage;
  INSTR_TIME_SET_CURRENT(start);
  PlannedStmt *plan = pg_plan_query(query, text, options, params);
  INSTR_TIME_SET_CURRENT(duration);
  INSTR_TIME_SUBTRACT(duration, start);
  BufferUsage usage = {};
  BufferUsageAccumDiff(&usage, &pgBufferUsage, &before);
  ExplainOnePlan(plan, into, es, text, params, environment, &duration,
                 es->buffers ? &usage : nullptr);
#endif
}

void ExplainQuery(Query *query, int options, IntoClause *into, ExplainState *es, const char *text,
                  ParamListInfo params, QueryEnvironment *environment) {
  const Explained outer = explained;
  explained = es->analyze ? Explained{es, text} : Explained{};
  PG_TRY();
  { explain_one_query.next(ExplainStandard)(query, options, into, es, text, params, environment); }
  PG_FINALLY();
  { explained = outer; }
  PG_END_TRY();
}

}  // namespace

void InitExplain() {
  explain_one_query.Install(&ExplainOneQuery_hook, ExplainQuery);
  executor_end.Install(&ExecutorEnd_hook, EndExecutor);
}

}  // namespace helios::hybrid
