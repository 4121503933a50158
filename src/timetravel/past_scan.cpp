// Short reads of a table AS OF would spend most of their time on setting up an append of two scans, long ones on
// calling a filter for each row. This node reads the table and its log, decides about versions itself, and merges the
// two if they come in order. Rows of the log are handed on in the shape of rows of the table: column n + kLogColumns
// of the log is column n.
#include "timetravel/past_scan.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "timetravel/cut.hpp"

#include <new>

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/nodeIndexscan.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/sortsupport.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

PastScan Describe(const CustomScan *scan) {
  PastScan d = {};
  const auto list = [](const List *all, int n) { return static_cast<List *>(list_nth(all, n)); };
  const List *oids = list(scan->custom_private, 0);
  const List *numbers = list(scan->custom_private, 1);
  d.table = list_nth_oid(oids, 0);
  d.index[kTable] = list_nth_oid(oids, 1);
  d.index[kLog] = list_nth_oid(oids, 2);
  d.by_scn = list_nth_int(numbers, 0) != 0;
  d.direction[kTable] = static_cast<ScanDirection>(list_nth_int(numbers, 1));
  d.direction[kLog] = static_cast<ScanDirection>(list_nth_int(numbers, 2));
  d.log_entry = list_nth_int(numbers, 3);
  d.last_column = static_cast<AttrNumber>(list_nth_int(numbers, 4));
  d.sort_columns = list(scan->custom_private, 2);
  d.sort_operators = list(scan->custom_private, 3);
  d.sort_collations = list(scan->custom_private, 4);
  d.nulls_first = list(scan->custom_private, 5);
  d.moment = static_cast<Expr *>(linitial(scan->custom_exprs));
  d.conditions[kTable] = list(scan->custom_exprs, 1);
  d.written_conditions[kTable] = list(scan->custom_exprs, 2);
  d.conditions[kLog] = list(scan->custom_exprs, 3);
  d.written_conditions[kLog] = list(scan->custom_exprs, 4);
  d.log_quals = list(scan->custom_exprs, 5);
  return d;
}

// ---- The node at work ----

// One of the two relations.
struct Side {
  Relation relation;
  Relation index;
  IndexScanDesc index_scan;
  TableScanDesc table_scan;
  ScanKey keys;
  int key_count;
  IndexRuntimeKeyInfo *runtime_keys;
  int runtime_key_count;
  TupleTableSlot *slot;  // a row as it lies in its page
  bool begun;
  bool loaded;  // `slot` has a row that was not handed on
  bool ended;
};

struct PastScanState {
  CustomScanState base;
  PastScan description;
  PlanState *log_plan;  // reads the log, where that is not done here; null if it is
  bool table_ended;     // of the two plans, the second one is read
  Side side[kParts];
  ExprState *log_qual;
  ExprContext *key_context;
  Cut *cut;
  SortSupport sort;  // null: first the table, then the log
  int sort_keys;
};

// Evaluates the moment, and asks whether the table can answer.
void MakeCut(PastScanState *state) {
  PlanState *plan = &state->base.ss.ps;
  MemoryContext before = MemoryContextSwitchTo(plan->state->es_query_cxt);
  bool is_null;
  const Datum value =
      ExecEvalExpr(ExecInitExpr(state->description.moment, plan), plan->ps_ExprContext, &is_null);
  if (is_null) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("the instant or transaction of AS OF must not be null")));
  }
  const Moment moment = state->description.by_scn ? AtScn(DatumGetInt64(value))
                                                  : AtInstant(DatumGetTimestampTz(value));
  state->cut = new (palloc(sizeof(Cut))) Cut(state->description.table, moment);
  MemoryContextSwitchTo(before);
}

// Opens one of the relations, and its index; false if there is nothing in it.
bool OpenSide(PastScanState *state, Part part) {
  Side *side = &state->side[part];
  EState *estate = state->base.ss.ps.state;
  side->relation = part == kTable ? state->base.ss.ss_currentRelation
                                  : ExecGetRangeTableRelation(estate, state->description.log_entry);
  // Of a table that nobody has changed lately the log is empty.
  if (part == kLog && RelationGetNumberOfBlocks(side->relation) == 0) return false;
  side->slot = table_slot_create(side->relation, &estate->es_tupleTable);
  if (!OidIsValid(state->description.index[part])) return true;
  side->index = index_open(state->description.index[part], AccessShareLock);
  ExecIndexBuildScanKeys(&state->base.ss.ps, side->index, state->description.conditions[part],
                         false, &side->keys, &side->key_count, &side->runtime_keys,
                         &side->runtime_key_count, nullptr, nullptr);
  if (side->runtime_key_count == 0 || state->key_context != nullptr) return true;
  // A context of its own: the keys must outlive the rows.
  PlanState *plan = &state->base.ss.ps;
  ExprContext *of_rows = plan->ps_ExprContext;
  ExecAssignExprContext(estate, plan);
  state->key_context = plan->ps_ExprContext;
  plan->ps_ExprContext = of_rows;
  return true;
}

// Computes the keys that depend on parameters, and puts a scan at its beginning.
void BeginSide(PastScanState *state, Part part) {
  Side *side = &state->side[part];
  EState *estate = state->base.ss.ps.state;
  MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
  side->begun = true;
  if (side->slot == nullptr) side->ended = !OpenSide(state, part);
  if (side->ended) {
    MemoryContextSwitchTo(before);
    return;
  }
  if (side->runtime_key_count > 0)
    ExecIndexEvalRuntimeKeys(state->key_context, side->runtime_keys, side->runtime_key_count);
  if (side->index == nullptr) {
    if (side->table_scan == nullptr) {
      side->table_scan = table_beginscan(side->relation, estate->es_snapshot, 0, nullptr);
    } else {
      table_rescan(side->table_scan, nullptr);
    }
  } else {
    if (side->index_scan == nullptr) {
      side->index_scan =
          pg::BeginIndexScan(side->relation, side->index, estate->es_snapshot, side->key_count, 0);
    }
    index_rescan(side->index_scan, side->keys, side->key_count, nullptr, 0);
  }
  MemoryContextSwitchTo(before);
}

// Fetches the next row of a scan into its slot.
bool Fetch(Side *side, ScanDirection direction) {
  return side->index != nullptr ? index_getnext_slot(side->index_scan, direction, side->slot)
                                : table_scan_getnextslot(side->table_scan, direction, side->slot);
}

// True if a row of the table was there.
bool WasThere(PastScanState *state, TupleTableSlot *slot) {
  if (likely(TTS_IS_BUFFERTUPLE(slot))) {
    const auto *row = reinterpret_cast<const BufferHeapTupleTableSlot *>(slot)->base.tuple;
    return state->cut->ContainsXmin(HeapTupleHeaderGetRawXmin(row->t_data));
  }
  bool is_null;
  const Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null);
  return state->cut->ContainsXmin(DatumGetTransactionId(xmin));
}

// True if a record is a version that was there, and has what is asked for.
bool WasAlive(PastScanState *state, TupleTableSlot *slot) {
  slot_getsomeattrs(slot, state->description.last_column + changelog::kLogColumns);
  if (DatumGetChar(slot->tts_values[changelog::kLogOp - 1]) == changelog::kOpInsert) return false;
  const auto xid = [slot](AttrNumber column) {
    return DatumGetFullTransactionId(slot->tts_values[column - 1]);
  };
  if (state->cut->Contains(xid(changelog::kLogXid)) ||
      !state->cut->Contains(xid(changelog::kLogCreator)))
    return false;
  if (state->log_qual == nullptr) return true;
  ExprContext *context = state->base.ss.ps.ps_ExprContext;
  ResetExprContext(context);
  context->ecxt_scantuple = slot;
  return ExecQual(state->log_qual, context);
}

// Loads the next row of a side that was there; false at its end.
bool Load(PastScanState *state, Part part) {
  Side *side = &state->side[part];
  if (side->loaded) return true;
  if (side->ended) return false;
  if (!side->begun) BeginSide(state, part);
  while (!side->ended && Fetch(side, state->description.direction[part])) {
    CHECK_FOR_INTERRUPTS();
    side->loaded = part == kTable ? WasThere(state, side->slot) : WasAlive(state, side->slot);
    if (side->loaded) return true;
    InstrCountFiltered1(&state->base.ss.ps, 1);
  }
  side->ended = true;
  return false;
}

// Gives a record the shape of a row of the table.
TupleTableSlot *Shape(PastScanState *state) {
  TupleTableSlot *slot = state->base.ss.ss_ScanTupleSlot;
  const TupleTableSlot *record = state->side[kLog].slot;
  const TupleDesc row = slot->tts_tupleDescriptor;
  ExecClearTuple(slot);
  for (int i = 0; i < row->natts; i++) {
    const int from = i + changelog::kLogColumns;
    const bool is_missing =
        i >= state->description.last_column || TupleDescAttr(row, i)->attisdropped;
    slot->tts_isnull[i] = is_missing || record->tts_isnull[from];
    if (!slot->tts_isnull[i]) slot->tts_values[i] = record->tts_values[from];
  }
  return ExecStoreVirtualTuple(slot);
}

// True if the loaded record comes before the loaded row of the table.
bool RecordComesFirst(PastScanState *state) {
  TupleTableSlot *row = state->side[kTable].slot;
  TupleTableSlot *record = state->side[kLog].slot;
  for (int i = 0; i < state->sort_keys; i++) {
    const auto column = static_cast<AttrNumber>(list_nth_int(state->description.sort_columns, i));
    bool row_null, record_null;
    const Datum of_row = slot_getattr(row, column, &row_null);
    const Datum of_record = slot_getattr(
        record, static_cast<AttrNumber>(column + changelog::kLogColumns), &record_null);
    const int order =
        ApplySortComparator(of_record, record_null, of_row, row_null, &state->sort[i]);
    if (order != 0) return order < 0;
  }
  return false;
}

// Chooses which side the next row comes from; false at the end of both.
bool Choose(PastScanState *state, Part *part) {
  *part = kTable;
  if (state->sort == nullptr) {
    if (Load(state, kTable)) return true;
    if (state->log_plan != nullptr) return false;
    *part = kLog;
    return Load(state, kLog);
  }
  const bool has_row = Load(state, kTable);
  const bool has_record = Load(state, kLog);
  if (has_record && (!has_row || RecordComesFirst(state))) *part = kLog;
  return has_row || has_record;
}

// Fetches the next row of the past; an empty slot at the end.
TupleTableSlot *NextRow(ScanState *scan_state) {
  auto *state = reinterpret_cast<PastScanState *>(scan_state);
  if (state->cut == nullptr) MakeCut(state);
  Part part;
  if (!Choose(state, &part)) return ExecClearTuple(scan_state->ss_ScanTupleSlot);
  state->side[part].loaded = false;
  if (part == kLog) return Shape(state);
  // Expressions were made for a slot whose columns are all there.
  slot_getsomeattrs(state->side[kTable].slot, state->description.last_column);
  return state->side[kTable].slot;
}

// The row itself decides; nothing of it is written down elsewhere.
bool Recheck(ScanState *, TupleTableSlot *) { return true; }

// Prepares the comparison of rows that are merged.
void PrepareSort(PastScanState *state) {
  const PastScan &d = state->description;
  state->sort_keys = list_length(d.sort_columns);
  if (state->sort_keys == 0) return;
  state->sort = static_cast<SortSupport>(palloc0(state->sort_keys * sizeof(SortSupportData)));
  for (int i = 0; i < state->sort_keys; i++) {
    SortSupport key = &state->sort[i];
    key->ssup_cxt = CurrentMemoryContext;
    key->ssup_collation = list_nth_oid(d.sort_collations, i);
    key->ssup_nulls_first = list_nth_int(d.nulls_first, i) != 0;
    PrepareSortSupportFromOrderingOp(list_nth_oid(d.sort_operators, i), key);
  }
}

// The plan that reads the log, where the node does not do that itself.
Plan *LogPlanOf(const CustomScanState *node) {
  return static_cast<Plan *>(linitial(castNode(CustomScan, node->ss.ps.plan)->custom_plans));
}

bool IsReadByPlan(const PastScanState *state) {
  return castNode(CustomScan, state->base.ss.ps.plan)->custom_plans != NIL;
}

void BeginPastScan(CustomScanState *node, EState *estate, int flags) {
  auto *state = reinterpret_cast<PastScanState *>(node);
  state->description = Describe(castNode(CustomScan, node->ss.ps.plan));
  if ((flags & EXEC_FLAG_EXPLAIN_ONLY) != 0) {
    if (IsReadByPlan(state))
      node->custom_ps = list_make1(ExecInitNode(LogPlanOf(node), estate, flags));
    return;
  }
  // Rows of the table are handed on in the slot that they were fetched into.
  node->ss.ps.scanopsfixed = false;
  if (node->ss.ps.ps_ProjInfo == nullptr) node->ss.ps.resultopsfixed = false;
  if (IsReadByPlan(state)) {
    state->log_plan = ExecInitNode(LogPlanOf(node), estate, flags);
    node->custom_ps = list_make1(state->log_plan);
    node->ss.ps.resultopsfixed = false;
  }
  state->log_qual = ExecInitQual(state->description.log_quals, &node->ss.ps);
  PrepareSort(state);
}

TupleTableSlot *ExecPastScan(CustomScanState *node) {
  auto *state = reinterpret_cast<PastScanState *>(node);
  if (!state->table_ended) {
    TupleTableSlot *slot = ExecScan(&node->ss, NextRow, Recheck);
    if (state->log_plan == nullptr || !TupIsNull(slot)) return slot;
    state->table_ended = true;
  }
  return ExecProcNode(state->log_plan);
}

void EndPastScan(CustomScanState *node) {
  auto *state = reinterpret_cast<PastScanState *>(node);
  for (Side &side : state->side) {
    if (side.slot != nullptr) ExecClearTuple(side.slot);
    if (side.index_scan != nullptr) index_endscan(side.index_scan);
    if (side.table_scan != nullptr) table_endscan(side.table_scan);
    if (side.index != nullptr) index_close(side.index, NoLock);
  }
  ListCell *cell;
  foreach (cell, node->custom_ps) ExecEndNode(static_cast<PlanState *>(lfirst(cell)));
}

void RescanPastScan(CustomScanState *node) {
  auto *state = reinterpret_cast<PastScanState *>(node);
  // The moment is a parameter of the statement at most, so the cut stays.
  if (state->key_context != nullptr) ResetExprContext(state->key_context);
  for (Side &side : state->side) {
    side.begun = false;
    side.loaded = false;
    side.ended = false;
  }
  state->table_ended = false;
  ExecScanReScan(&node->ss);
  if (state->log_plan == nullptr) return;
  if (node->ss.ps.chgParam != nullptr) UpdateChangedParamSet(state->log_plan, node->ss.ps.chgParam);
  if (state->log_plan->chgParam == nullptr) ExecReScan(state->log_plan);
}

void ExplainPastScan(CustomScanState *node, List *ancestors, ExplainState *es) {
  const PastScan described = Describe(castNode(CustomScan, node->ss.ps.plan));
  List *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
  const auto print = [&](const char *label, Node *expression) {
    ExplainPropertyText(label, deparse_expression(expression, context, true, false), es);
  };
  const auto print_all = [&](const char *label, List *conditions) {
    if (conditions != NIL) print(label, reinterpret_cast<Node *>(make_ands_explicit(conditions)));
  };
  if (OidIsValid(described.index[kTable]))
    ExplainPropertyText("Index", get_rel_name(described.index[kTable]), es);
  print_all("Index Cond", described.written_conditions[kTable]);
  if (described.log_entry != 0) {
    const Oid log = rt_fetch(described.log_entry, es->rtable)->relid;
    ExplainPropertyText("Log", get_rel_name(log), es);
  }
  if (OidIsValid(described.index[kLog]))
    ExplainPropertyText("Log Index", get_rel_name(described.index[kLog]), es);
  print_all("Log Index Cond", described.written_conditions[kLog]);
  print_all("Log Filter", described.log_quals);
  print(described.by_scn ? "As of SCN" : "As of", reinterpret_cast<Node *>(described.moment));
}

Node *CreatePastScanState(CustomScan *);

constexpr CustomScanMethods kScanMethods = {"heliosdb past", CreatePastScanState};
constexpr CustomExecMethods kExecMethods = [] {
  CustomExecMethods methods = {};
  methods.CustomName = "heliosdb past";
  methods.BeginCustomScan = BeginPastScan;
  methods.ExecCustomScan = ExecPastScan;
  methods.EndCustomScan = EndPastScan;
  methods.ReScanCustomScan = RescanPastScan;
  methods.ExplainCustomScan = ExplainPastScan;
  return methods;
}();

Node *CreatePastScanState(CustomScan *) {
  auto *state = static_cast<PastScanState *>(palloc0(sizeof(PastScanState)));
  NodeSetTag(state, T_CustomScanState);
  state->base.methods = &kExecMethods;
  return reinterpret_cast<Node *>(state);
}

}  // namespace

const CustomScanMethods *PastScanMethods() { return &kScanMethods; }

void InitPastScan() { RegisterCustomScanMethods(&kScanMethods); }

}  // namespace helios::timetravel
