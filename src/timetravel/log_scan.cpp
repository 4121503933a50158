// A point read of the past is a point read of the table and one of its log. The executor would spend most of the time
// of the latter on setting up
//
//   Result   One-Time Filter: as_of_instant(table, at) IS NOT NULL
//     ->  Index Scan on log   Filter: xid >= past_floor(table, at) AND was_alive(table, creator, xid, at)
//
// so, where `at` is a constant or parameter of the statement, the finished plan gets one node in its place that asks
// and filters without calling functions of SQL.
#include "timetravel/log_scan.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "timetravel/carrier.hpp"
#include "timetravel/cut.hpp"

#include <new>

extern "C" {
#include "access/genam.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/nodeIndexscan.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/xid8.h"

PGDLLEXPORT Datum helios_was_alive(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_was_alive_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_past_floor(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_past_floor_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_instant(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_scn(PG_FUNCTION_ARGS);
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// ---- The node in a plan ----
//
//   custom_exprs    moment (Const or Param), index conditions as executed, the same as written
//   custom_private  OIDs: index, table, 1 for an SCN; integer: direction of the scan

struct Description {
  Expr *moment;
  List *conditions;
  List *written_conditions;
  Oid index;
  Oid table;
  bool by_scn;
  ScanDirection direction;
};

Description Describe(const CustomScan *scan) {
  const auto *oids = linitial_node(List, scan->custom_private);
  return {static_cast<Expr *>(linitial(scan->custom_exprs)),
          static_cast<List *>(lsecond(scan->custom_exprs)),
          static_cast<List *>(lthird(scan->custom_exprs)),
          list_nth_oid(oids, 0),
          list_nth_oid(oids, 1),
          list_nth_oid(oids, 2) != 0,
          static_cast<ScanDirection>(intVal(lsecond(scan->custom_private)))};
}

// ---- The node at work ----

struct LogScanState {
  CustomScanState base;
  Description description;
  Relation index;
  IndexScanDesc scan;
  TupleTableSlot *record;  // the log's row as it lies in its page
  ScanKey keys;
  int key_count;
  IndexRuntimeKeyInfo *runtime_keys;
  int runtime_key_count;
  ExprContext *runtime_context;
  bool keys_ready;
  Cut *cut;
};

// Evaluates the moment, which is a constant or a parameter.
Moment EvaluateMoment(LogScanState *state) {
  ExprState *expression = ExecInitExpr(state->description.moment, &state->base.ss.ps);
  bool is_null;
  const Datum value = ExecEvalExpr(expression, state->base.ss.ps.ps_ExprContext, &is_null);
  if (is_null) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("the instant or transaction of AS OF must not be null")));
  }
  return state->description.by_scn ? AtScn(DatumGetInt64(value))
                                   : AtInstant(DatumGetTimestampTz(value));
}

// Makes the cut, asking whether the table can answer, and opens the scan.
void Start(LogScanState *state) {
  EState *estate = state->base.ss.ps.state;
  MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
  state->cut = new (palloc(sizeof(Cut))) Cut(state->description.table, EvaluateMoment(state));
  state->scan = pg::BeginIndexScan(state->base.ss.ss_currentRelation, state->index,
                                   estate->es_snapshot, state->key_count, 0);
  MemoryContextSwitchTo(before);
}

// Computes keys that depend on parameters and puts the scan at its beginning.
void Position(LogScanState *state) {
  if (state->runtime_key_count > 0) {
    ResetExprContext(state->runtime_context);
    ExecIndexEvalRuntimeKeys(state->runtime_context, state->runtime_keys, state->runtime_key_count);
  }
  index_rescan(state->scan, state->keys, state->key_count, nullptr, 0);
  state->keys_ready = true;
}

// Reads one of the columns that a log has of its own, which in indexed records are never null.
FullTransactionId ReadXid(TupleTableSlot *record, AttrNumber column) {
  bool is_null;
  return DatumGetFullTransactionId(slot_getattr(record, column, &is_null));
}

// True if the version was there at the moment, and the index conditions hold.
bool IsWanted(LogScanState *state) {
  TupleTableSlot *record = state->record;
  if (state->cut->Contains(ReadXid(record, changelog::kLogXid)) ||
      !state->cut->Contains(ReadXid(record, changelog::kLogCreator)))
    return false;
  // A btree never asks to look at its conditions again.
  if (unlikely(state->scan->xs_recheck)) elog(ERROR, "index of a change log is lossy");
  return true;
}

// Fetches the next version that was there; an empty slot at the end.
TupleTableSlot *NextVersion(ScanState *scan_state) {
  auto *state = reinterpret_cast<LogScanState *>(scan_state);
  if (state->cut == nullptr) Start(state);
  if (!state->keys_ready) Position(state);
  ScanDirection direction = scan_state->ps.state->es_direction;
  if (ScanDirectionIsBackward(state->description.direction))
    direction = static_cast<ScanDirection>(-direction);
  TupleTableSlot *slot = scan_state->ss_ScanTupleSlot;
  while (index_getnext_slot(state->scan, direction, state->record)) {
    CHECK_FOR_INTERRUPTS();
    if (!IsWanted(state)) {
      InstrCountFiltered1(scan_state, 1);
      continue;
    }
    ExecClearTuple(slot);
    slot_getallattrs(state->record);
    const int columns = slot->tts_tupleDescriptor->natts;
    for (int i = 0; i < columns; i++) {
      slot->tts_values[i] = state->record->tts_values[i];
      slot->tts_isnull[i] = state->record->tts_isnull[i];
    }
    return ExecStoreVirtualTuple(slot);
  }
  return ExecClearTuple(slot);
}

// The record itself decides; nothing of it is written down elsewhere.
bool RecheckVersion(ScanState *, TupleTableSlot *) { return true; }

void BeginLogScan(CustomScanState *node, EState *, int flags) {
  auto *state = reinterpret_cast<LogScanState *>(node);
  state->description = Describe(castNode(CustomScan, node->ss.ps.plan));
  if ((flags & EXEC_FLAG_EXPLAIN_ONLY) != 0) return;
  state->record = table_slot_create(node->ss.ss_currentRelation, &node->ss.ps.state->es_tupleTable);
  state->index = index_open(state->description.index, AccessShareLock);
  ExecIndexBuildScanKeys(&node->ss.ps, state->index, state->description.conditions, false,
                         &state->keys, &state->key_count, &state->runtime_keys,
                         &state->runtime_key_count, nullptr, nullptr);
  if (state->runtime_key_count == 0) return;
  // A context of its own: the keys must outlive the rows.
  ExprContext *of_rows = node->ss.ps.ps_ExprContext;
  ExecAssignExprContext(node->ss.ps.state, &node->ss.ps);
  state->runtime_context = node->ss.ps.ps_ExprContext;
  node->ss.ps.ps_ExprContext = of_rows;
}

TupleTableSlot *ExecLogScan(CustomScanState *node) {
  return ExecScan(&node->ss, NextVersion, RecheckVersion);
}

void EndLogScan(CustomScanState *node) {
  auto *state = reinterpret_cast<LogScanState *>(node);
  if (state->record != nullptr) ExecClearTuple(state->record);
  if (state->scan != nullptr) index_endscan(state->scan);
  if (state->index != nullptr) index_close(state->index, NoLock);
}

void RescanLogScan(CustomScanState *node) {
  auto *state = reinterpret_cast<LogScanState *>(node);
  // The moment is a parameter of the statement at most, so the cut stays.
  state->keys_ready = false;
  ExecScanReScan(&node->ss);
}

// Remembers where the scan stands, and goes back there: a merge join may ask for it where the log is all that it reads
// on one side.
void MarkLogScan(CustomScanState *node) {
  auto *state = reinterpret_cast<LogScanState *>(node);
  index_markpos(state->scan);
}

void RestoreLogScan(CustomScanState *node) {
  auto *state = reinterpret_cast<LogScanState *>(node);
  index_restrpos(state->scan);
}

void ExplainLogScan(CustomScanState *node, List *ancestors, ExplainState *es) {
  const Description described = Describe(castNode(CustomScan, node->ss.ps.plan));
  List *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
  const bool prefix = list_length(es->rtable) > 1 || es->verbose;
  const auto print = [&](const char *label, Node *expression) {
    ExplainPropertyText(label, deparse_expression(expression, context, prefix, false), es);
  };
  ExplainPropertyText("Index", get_rel_name(described.index), es);
  if (described.written_conditions != NIL) {
    print("Index Cond", reinterpret_cast<Node *>(make_ands_explicit(described.written_conditions)));
  }
  print(described.by_scn ? "As of SCN" : "As of", reinterpret_cast<Node *>(described.moment));
}

Node *CreateLogScanState(CustomScan *);

constexpr CustomScanMethods kScanMethods = {"heliosdb log", CreateLogScanState};
constexpr CustomExecMethods kExecMethods = [] {
  CustomExecMethods methods = {};
  methods.CustomName = "heliosdb log";
  methods.BeginCustomScan = BeginLogScan;
  methods.ExecCustomScan = ExecLogScan;
  methods.EndCustomScan = EndLogScan;
  methods.ReScanCustomScan = RescanLogScan;
  methods.MarkPosCustomScan = MarkLogScan;
  methods.RestrPosCustomScan = RestoreLogScan;
  methods.ExplainCustomScan = ExplainLogScan;
  return methods;
}();

Node *CreateLogScanState(CustomScan *) {
  auto *state = static_cast<LogScanState *>(palloc0(sizeof(LogScanState)));
  NodeSetTag(state, T_CustomScanState);
  state->base.methods = &kExecMethods;
  return reinterpret_cast<Node *>(state);
}

// ---- From the planner's nodes to ours ----

// The call of one of two functions in an expression, or null.
const FuncExpr *CallOf(const Node *node, PGFunction by_instant, PGFunction by_scn, bool *is_scn) {
  const auto *call = reinterpret_cast<const FuncExpr *>(node);
  if (!IsA(node, FuncExpr) || call->funcid < FirstNormalObjectId) return nullptr;
  FmgrInfo info;
  fmgr_info(call->funcid, &info);
  *is_scn = info.fn_addr == by_scn;
  return *is_scn || info.fn_addr == by_instant ? call : nullptr;
}

// True for `op <> 'I'`.
bool IsNotInsert(const Node *node) {
  const auto *op = reinterpret_cast<const OpExpr *>(node);
  return IsA(node, OpExpr) && op->opfuncid == F_CHARNE && IsA(linitial(op->args), Var) &&
         static_cast<Var *>(linitial(op->args))->varattno == changelog::kLogOp;
}

// True for `xid >= past_floor(…)`.
bool IsFloor(const Node *node) {
  const auto *op = reinterpret_cast<const OpExpr *>(node);
  bool is_scn;
  return IsA(node, OpExpr) && list_length(op->args) == 2 &&
         CallOf(static_cast<Node *>(lsecond(op->args)), helios_past_floor, helios_past_floor_scn,
                &is_scn) != nullptr;
}

// Takes what the node does by itself out of the conditions of an index scan; the call of was_alive(), or null.
const FuncExpr *TakeAlive(List *quals, List **left, bool *is_scn) {
  const FuncExpr *alive = nullptr;
  *left = NIL;
  ListCell *cell;
  foreach (cell, quals) {
    Node *qual = static_cast<Node *>(lfirst(cell));
    const FuncExpr *call =
        alive == nullptr ? CallOf(qual, helios_was_alive, helios_was_alive_scn, is_scn) : nullptr;
    if (call != nullptr) {
      alive = call;
    } else if (!IsNotInsert(qual) && !IsFloor(qual)) {
      *left = lappend(*left, qual);
    }
  }
  return alive;
}

// True if a Result only asks whether the table can answer, and passes on what is below.
bool OnlyAsks(const Result *result) {
  const auto *tests = reinterpret_cast<const List *>(result->resconstantqual);
  if (result->plan.qual != NIL || result->plan.initPlan != NIL || tests == nullptr ||
      !IsA(tests, List) || list_length(tests) != 1 || !IsA(linitial(tests), NullTest))
    return false;
  bool is_scn;
  if (CallOf(reinterpret_cast<Node *>(linitial_node(NullTest, tests)->arg), helios_as_of_instant,
             helios_as_of_scn, &is_scn) == nullptr)
    return false;
  if (list_length(result->plan.targetlist) != list_length(result->plan.lefttree->targetlist))
    return false;
  ListCell *cell;
  foreach (cell, result->plan.targetlist) {
    const auto *var = reinterpret_cast<Var *>(lfirst_node(TargetEntry, cell)->expr);
    if (!IsA(var, Var) || var->varno != OUTER_VAR ||
        var->varattno != foreach_current_index(cell) + 1)
      return false;
  }
  return true;
}

// Makes our node of a Result over an index scan of a log; null if they do something else.
Plan *Convert(Plan *plan) {
  if (!IsA(plan, Result) || plan->lefttree == nullptr || !IsA(plan->lefttree, IndexScan) ||
      !OnlyAsks(reinterpret_cast<Result *>(plan)))
    return nullptr;
  const auto *scan = reinterpret_cast<IndexScan *>(plan->lefttree);
  List *left;
  bool is_scn = false;
  const FuncExpr *alive = TakeAlive(scan->scan.plan.qual, &left, &is_scn);
  if (alive == nullptr || scan->scan.plan.parallel_aware || scan->scan.plan.initPlan != NIL ||
      scan->indexorderby != NIL)
    return nullptr;
  Node *moment = static_cast<Node *>(llast(alive->args));
  if (!IsSimple(moment) || !IsA(linitial(alive->args), Const)) return nullptr;

  CustomScan *node = makeNode(CustomScan);
  node->scan = scan->scan;
  node->scan.plan.type = T_CustomScan;
  node->scan.plan.qual = left;
  node->flags = CUSTOMPATH_SUPPORT_BACKWARD_SCAN | CUSTOMPATH_SUPPORT_PROJECTION;
  node->custom_exprs = list_make3(moment, scan->indexqual, scan->indexqualorig);
  const Oid table = DatumGetObjectId(linitial_node(Const, alive->args)->constvalue);
  node->custom_private = list_make2(list_make3_oid(scan->indexid, table, static_cast<Oid>(is_scn)),
                                    makeInteger(scan->indexorderdir));
  node->methods = &kScanMethods;
  return reinterpret_cast<Plan *>(node);
}

void ConvertBelow(Plan *plan);

// Converts what a pointer to a plan points to.
void ConvertAt(Plan **place) {
  if (*place == nullptr) return;
  Plan *converted = Convert(*place);
  if (converted != nullptr) {
    *place = converted;
  } else {
    ConvertBelow(*place);
  }
}

void ConvertList(List *plans) {
  ListCell *cell;
  foreach (cell, plans) ConvertAt(reinterpret_cast<Plan **>(&lfirst(cell)));
}

void ConvertBelow(Plan *plan) {
  check_stack_depth();
  ConvertAt(&plan->lefttree);
  ConvertAt(&plan->righttree);
  switch (nodeTag(plan)) {
    case T_Append:
      return ConvertList(reinterpret_cast<Append *>(plan)->appendplans);
    case T_MergeAppend:
      return ConvertList(reinterpret_cast<MergeAppend *>(plan)->mergeplans);
    case T_SubqueryScan:
      return ConvertAt(&reinterpret_cast<SubqueryScan *>(plan)->subplan);
    case T_CustomScan:
      return ConvertList(reinterpret_cast<CustomScan *>(plan)->custom_plans);
    default:
      return;
  }
}

}  // namespace

void InitLogScan() { RegisterCustomScanMethods(&kScanMethods); }

void UseLogScans(PlannedStmt *planned) {
  ConvertAt(&planned->planTree);
  ConvertList(planned->subplans);
}

}  // namespace helios::timetravel
