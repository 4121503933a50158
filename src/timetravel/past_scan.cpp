// Short reads of a table AS OF would spend most of their time on setting up an append of two scans, long ones on
// calling a filter for each row. This node reads the table and its log, decides about versions itself, and merges the
// sides if they come in order. Rows of the log are handed on in the shape of rows of the table: column n + kLogColumns
// of the log is column n. What is laid over the table is a third side, whose rows are there as the snapshot sees them;
// rows of the others with their keys are left out.
#include "timetravel/past_scan.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/tables.hpp"
#include "timetravel/cut.hpp"

#include <algorithm>
#include <new>

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
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
  d.index[kLocal] = list_nth_oid(oids, 3);
  d.overlay.local = list_nth_oid(oids, 4);
  d.overlay.deleted = list_nth_oid(oids, 5);
  d.by_scn = list_nth_int(numbers, 0) != 0;
  d.direction[kTable] = static_cast<ScanDirection>(list_nth_int(numbers, 1));
  d.direction[kLog] = static_cast<ScanDirection>(list_nth_int(numbers, 2));
  d.entry[kLog] = list_nth_int(numbers, 3);
  d.last_column = static_cast<AttrNumber>(list_nth_int(numbers, 4));
  d.direction[kLocal] = static_cast<ScanDirection>(list_nth_int(numbers, 5));
  d.entry[kLocal] = list_nth_int(numbers, 6);
  d.sort_columns = list(scan->custom_private, 2);
  d.sort_operators = list(scan->custom_private, 3);
  d.sort_collations = list(scan->custom_private, 4);
  d.nulls_first = list(scan->custom_private, 5);
  d.moment = static_cast<Expr *>(linitial(scan->custom_exprs));
  d.conditions[kTable] = list(scan->custom_exprs, 1);
  d.written_conditions[kTable] = list(scan->custom_exprs, 2);
  d.conditions[kLog] = list(scan->custom_exprs, 3);
  d.written_conditions[kLog] = list(scan->custom_exprs, 4);
  d.quals[kLog] = list(scan->custom_exprs, 5);
  d.conditions[kLocal] = list(scan->custom_exprs, 6);
  d.written_conditions[kLocal] = list(scan->custom_exprs, 7);
  d.quals[kLocal] = list(scan->custom_exprs, 8);
  return d;
}

// ---- The node at work ----

// Where columns of the table begin in rows of a side.
constexpr int kOffset[kParts] = {0, changelog::kLogColumns, 0};

// One of the relations.
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
  ExprState *qual[kParts];  // of log and what is laid over
  ExprContext *key_context;
  Cut *cut;
  Overlay *overlay;  // null: nothing is laid over
  bool is_point;     // all sides are asked for one key: what is laid over has it, or the others do
  bool is_found;     // by that key in what is laid over
  bool by_key;       // all sides come by primary key: equal keys meet
  SortSupport sort;  // null: first what is laid over, then the table, then the log
  int sort_keys;
};

// True if conditions of an index are a value for each of its key columns.
bool BindsKey(const List *conditions, int key_count) {
  Bitmapset *bound = nullptr;
  const ListCell *cell;
  foreach (cell, conditions) {
    const auto *condition = static_cast<const OpExpr *>(lfirst(cell));
    if (!IsA(condition, OpExpr) || !IsA(linitial(condition->args), Var)) return false;
    const auto *column = linitial_node(Var, condition->args);
    if (column->varno != INDEX_VAR || op_mergejoinable(condition->opno, column->vartype) == false)
      return false;
    bound = bms_add_member(bound, column->varattno);
  }
  return bms_num_members(bound) == key_count;
}

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

// True if an index has the columns of the primary key, none before them, and sorts them as that does: both are read in
// the same direction.
bool IsInKeyOrder(const PastScanState *state, Oid index_oid, int offset) {
  if (!OidIsValid(index_oid)) return false;
  Relation index = index_open(index_oid, AccessShareLock);
  Relation key = index_open(state->overlay->local_index(), AccessShareLock);
  bool is = index->rd_index->indnkeyatts >= state->overlay->key_count();
  for (int i = 0; is && i < state->overlay->key_count(); i++) {
    is = index->rd_index->indkey.values[i] == state->overlay->key(i) + offset &&
         index->rd_opfamily[i] == key->rd_opfamily[i] &&
         index->rd_indcollation[i] == key->rd_indcollation[i] &&
         ((index->rd_indoption[i] ^ key->rd_indoption[i]) & INDOPTION_DESC) == 0;
  }
  index_close(key, NoLock);
  index_close(index, NoLock);
  return is;
}

// True if rows of all sides come in the order of the primary key, and no condition leaves out rows of what is laid over
// that stand for rows of the others.
bool ComeByKey(const PastScanState *state) {
  const PastScan &d = state->description;
  const int count = state->overlay->key_count();
  if (d.entry[kLocal] == 0 || d.quals[kLocal] != NIL ||
      d.index[kLocal] != state->overlay->local_index() ||
      d.direction[kTable] != d.direction[kLocal] ||
      list_length(d.conditions[kTable]) != list_length(d.conditions[kLocal]))
    return false;
  // A log that is read by a plan of its own asks by itself.
  if (state->log_plan == nullptr &&
      (d.direction[kLog] != d.direction[kLocal] ||
       list_length(d.conditions[kLog]) != list_length(d.conditions[kLocal]) ||
       !IsInKeyOrder(state, d.index[kLog], changelog::kLogColumns)))
    return false;
  if (state->sort_keys != 0) {
    if (state->sort_keys != count) return false;
    for (int i = 0; i < count; i++) {
      if (list_nth_int(d.sort_columns, i) != state->overlay->key(i)) return false;
    }
  }
  return IsInKeyOrder(state, d.index[kTable], 0);
}

// Lets the sides be merged by primary key.
void SortByKey(PastScanState *state) {
  const Overlay &overlay = *state->overlay;
  Relation index = index_open(overlay.local_index(), AccessShareLock);
  state->sort_keys = overlay.key_count();
  state->sort = static_cast<SortSupport>(palloc0(state->sort_keys * sizeof(SortSupportData)));
  for (int i = 0; i < state->sort_keys; i++) {
    SortSupport key = &state->sort[i];
    key->ssup_cxt = CurrentMemoryContext;
    key->ssup_collation = index->rd_indcollation[i];
    key->ssup_attno = static_cast<AttrNumber>(i + 1);
    const bool descends = (index->rd_indoption[i] & INDOPTION_DESC) != 0;
    const bool backwards = ScanDirectionIsBackward(state->description.direction[kLocal]);
    PrepareSortSupportFromIndexRel(
        index, descends == backwards ? BTLessStrategyNumber : BTGreaterStrategyNumber, key);
    state->description.sort_columns = lappend_int(state->description.sort_columns, overlay.key(i));
  }
  index_close(index, NoLock);
}

// Prepares to find what is laid over the table.
void MakeOverlay(PastScanState *state) {
  const PastScan &d = state->description;
  MemoryContext before = MemoryContextSwitchTo(state->base.ss.ps.state->es_query_cxt);
  state->overlay = new (palloc(sizeof(Overlay)))
      Overlay(d.overlay.local, d.overlay.deleted, CurrentMemoryContext);
  const int count = state->overlay->key_count();
  state->is_point = d.entry[kLocal] != 0 && d.index[kLocal] == state->overlay->local_index() &&
                    d.quals[kLocal] == NIL && BindsKey(d.conditions[kLocal], count) &&
                    BindsKey(d.conditions[kTable], count);
  state->by_key = !state->is_point && ComeByKey(state);
  if (state->by_key && state->sort == nullptr) SortByKey(state);
  if (state->is_point || state->by_key) state->overlay->AskDeletedOnly();
  MemoryContextSwitchTo(before);
}

// Opens one of the relations, and its index; false if there is nothing in it.
bool OpenSide(PastScanState *state, Part part) {
  Side *side = &state->side[part];
  EState *estate = state->base.ss.ps.state;
  side->relation = part == kTable
                       ? state->base.ss.ss_currentRelation
                       : ExecGetRangeTableRelation(estate, state->description.entry[part]);
  // Of a table that nobody has changed lately the log is empty.
  if (part != kTable && pg::PagesOf(side->relation) == 0) return false;
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

// Compares what rows are merged by; columns of the table begin at an offset in each.
int CompareKeys(PastScanState *state, TupleTableSlot *a, int a_offset, TupleTableSlot *b,
                int b_offset) {
  for (int i = 0; i < state->sort_keys; i++) {
    const int column = list_nth_int(state->description.sort_columns, i);
    bool a_null, b_null;
    const Datum a_value = slot_getattr(a, static_cast<AttrNumber>(column + a_offset), &a_null);
    const Datum b_value = slot_getattr(b, static_cast<AttrNumber>(column + b_offset), &b_null);
    const int order = ApplySortComparator(a_value, a_null, b_value, b_null, &state->sort[i]);
    if (order != 0) return order;
  }
  return 0;
}

// True if something stands in place of a row of the table or of its log.
bool IsCovered(PastScanState *state, TupleTableSlot *slot, int offset) {
  Overlay *overlay = state->overlay;
  if (likely(overlay == nullptr)) return false;
  Datum key[INDEX_MAX_KEYS];
  for (int i = 0; i < overlay->key_count(); i++) {
    bool is_null;
    key[i] = slot_getattr(slot, static_cast<AttrNumber>(overlay->key(i) + offset), &is_null);
  }
  return overlay->Covers(key, state->base.ss.ps.state->es_snapshot);
}

// True if a row of the table was there, and still is for who reads it.
bool WasThere(PastScanState *state, TupleTableSlot *slot) {
  TransactionId xmin;
  if (likely(TTS_IS_BUFFERTUPLE(slot))) {
    const auto *row = reinterpret_cast<const BufferHeapTupleTableSlot *>(slot)->base.tuple;
    xmin = HeapTupleHeaderGetRawXmin(row->t_data);
  } else {
    bool is_null;
    xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null));
  }
  return state->cut->ContainsXmin(xmin) && !IsCovered(state, slot, 0);
}

// True if a row has what is asked for of its side.
bool Qualifies(PastScanState *state, Part part, TupleTableSlot *slot) {
  if (state->qual[part] == nullptr) return true;
  ExprContext *context = state->base.ss.ps.ps_ExprContext;
  ResetExprContext(context);
  context->ecxt_scantuple = slot;
  return ExecQual(state->qual[part], context);
}

// True if a row of what is laid over has what is asked for.
bool IsThere(PastScanState *state, TupleTableSlot *slot) {
  const int count = slot->tts_tupleDescriptor->natts;
  slot_getsomeattrs(slot, std::min<int>(count, state->description.last_column));
  return Qualifies(state, kLocal, slot);
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
  return !IsCovered(state, slot, changelog::kLogColumns) && Qualifies(state, kLog, slot);
}

// True if a row of a side is to be handed on.
bool IsWanted(PastScanState *state, Part part, TupleTableSlot *slot) {
  switch (part) {
    case kTable:
      return WasThere(state, slot);
    case kLog:
      return WasAlive(state, slot);
    default:
      return IsThere(state, slot);
  }
}

// Loads the next row of a side that was there; false at its end.
bool Load(PastScanState *state, Part part) {
  Side *side = &state->side[part];
  if (side->loaded) return true;
  if (side->ended) return false;
  if (!side->begun) BeginSide(state, part);
  while (!side->ended && Fetch(side, state->description.direction[part])) {
    CHECK_FOR_INTERRUPTS();
    side->loaded = IsWanted(state, part, side->slot);
    if (side->loaded) return true;
    InstrCountFiltered1(&state->base.ss.ps, 1);
  }
  side->ended = true;
  return false;
}

// Gives a row of another side the shape of a row of the table.
TupleTableSlot *Shape(PastScanState *state, Part part) {
  TupleTableSlot *slot = state->base.ss.ss_ScanTupleSlot;
  const TupleTableSlot *record = state->side[part].slot;
  const TupleDesc row = slot->tts_tupleDescriptor;
  const int count = std::min<int>(state->description.last_column,
                                  record->tts_tupleDescriptor->natts - kOffset[part]);
  ExecClearTuple(slot);
  for (int i = 0; i < row->natts; i++) {
    const int from = i + kOffset[part];
    const bool is_missing = i >= count || TupleDescAttr(row, i)->attisdropped;
    slot->tts_isnull[i] = is_missing || record->tts_isnull[from];
    if (!slot->tts_isnull[i]) slot->tts_values[i] = record->tts_values[from];
  }
  return ExecStoreVirtualTuple(slot);
}

// Loads a row of a side if it is read here at all.
bool LoadIfRead(PastScanState *state, Part part) {
  if (part == kLog && state->log_plan != nullptr) return false;
  if (part == kLocal && state->description.entry[kLocal] == 0) return false;
  return Load(state, part);
}

// Loads a row of a side that does not have the key of the loaded row of what is laid over: that stands in its place.
bool LoadUncovered(PastScanState *state, Part part) {
  while (LoadIfRead(state, part)) {
    if (!state->by_key || part == kLocal || !state->side[kLocal].loaded ||
        CompareKeys(state, state->side[part].slot, kOffset[part], state->side[kLocal].slot, 0) != 0)
      return true;
    state->side[part].loaded = false;
  }
  return false;
}

// Chooses which side the next row comes from; false at the end of all.
bool Choose(PastScanState *state, Part *part) {
  bool has_any = false;
  for (const Part candidate : {kLocal, kTable, kLog}) {
    if (!LoadUncovered(state, candidate)) continue;
    if (state->sort == nullptr) {
      *part = candidate;
      return true;
    }
    if (!has_any || CompareKeys(state, state->side[candidate].slot, kOffset[candidate],
                                state->side[*part].slot, kOffset[*part]) < 0)
      *part = candidate;
    has_any = true;
  }
  return has_any;
}

// Fetches the next row of the past; an empty slot at the end.
TupleTableSlot *NextRow(ScanState *scan_state) {
  auto *state = reinterpret_cast<PastScanState *>(scan_state);
  if (state->cut == nullptr) MakeCut(state);
  if (state->overlay == nullptr && OidIsValid(state->description.overlay.local)) MakeOverlay(state);
  Part part = kTable;
  if (!Choose(state, &part)) return ExecClearTuple(scan_state->ss_ScanTupleSlot);
  state->side[part].loaded = false;
  if (part == kLocal && state->is_point) {
    for (Side &side : state->side) side.begun = side.ended = true;
    state->is_found = true;
  }
  if (part != kTable) return Shape(state, part);
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
  for (const Part part : {kLog, kLocal})
    state->qual[part] = ExecInitQual(state->description.quals[part], &node->ss.ps);
  PrepareSort(state);
}

TupleTableSlot *ExecPastScan(CustomScanState *node) {
  auto *state = reinterpret_cast<PastScanState *>(node);
  if (!state->table_ended) {
    TupleTableSlot *slot = ExecScan(&node->ss, NextRow, Recheck);
    if (state->log_plan == nullptr || state->is_found || !TupIsNull(slot)) return slot;
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
  state->is_found = false;
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
  if (described.entry[kLog] != 0) {
    const Oid log = rt_fetch(described.entry[kLog], es->rtable)->relid;
    ExplainPropertyText("Log", get_rel_name(log), es);
  }
  if (OidIsValid(described.index[kLog]))
    ExplainPropertyText("Log Index", get_rel_name(described.index[kLog]), es);
  print_all("Log Index Cond", described.written_conditions[kLog]);
  print_all("Log Filter", described.quals[kLog]);
  if (OidIsValid(described.overlay.local))
    ExplainPropertyText("Overlaid by", pg::QualifiedName(described.overlay.local), es);
  if (OidIsValid(described.index[kLocal]))
    ExplainPropertyText("Overlay Index", get_rel_name(described.index[kLocal]), es);
  print_all("Overlay Index Cond", described.written_conditions[kLocal]);
  print_all("Overlay Filter", described.quals[kLocal]);
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
