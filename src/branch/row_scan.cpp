// First come the rows of the copy, from the plan that the planner made for it, then main's rows as of the fork that are
// not in it. The statement's snapshot does not see what is copied meanwhile, so each row comes once. A row that somebody
// else has copied since is taken as it is now, as READ COMMITTED does with rows that others have changed.
//
//   EvalPlanQual    for the row that is looked at again only the scan of the copy is asked; where a subquery locks rows,
//                   they may be others than before
#include "branch/row_scan.hpp"

#include "branch/commands.hpp"
#include "branch/fork_read.hpp"
#include "branch/row_copy.hpp"

extern "C" {
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

struct RowScanState {
  CustomScanState base;
  PlanState *copy_plan;
  PlannedStmt *main_plan;
  Oid main;
  Local local;  // as it was when the statement was planned
  LockWaitPolicy wait;
  List *values;  // ExprStates of the parameters
  ParamListInfo params;
  ForkReader reader;
  RowCopier copier;
  bool is_copying;      // the copier is open
  bool copy_ended;      // rows are main's now
  bool must_rescan;     // the reader has been at work
  TupleTableSlot *row;  // of main, in the columns of the copy
  uint64 copied;
};

void Describe(RowScanState *state, const CustomScan *scan) {
  state->main_plan = linitial_node(PlannedStmt, scan->custom_private);
  const auto *oids = static_cast<List *>(lsecond(scan->custom_private));
  state->main = linitial_oid(oids);
  state->local.relation = lsecond_oid(oids);
  state->local.deleted = lthird_oid(oids);
  state->wait = static_cast<LockWaitPolicy>(intVal(lthird(scan->custom_private)));
}

// Raises an error if the copy has become another thing since the statement was planned.
void CheckCopy(const RowScanState *state) {
  const Local now = FindPartial(state->local.relation);
  if (now.exists && now.deleted == state->local.deleted) return;
  ereport(ERROR,
          (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
           errmsg("table \"%s\" was altered on the branch meanwhile", get_rel_name(state->main)),
           errhint("Run the statement again.")));
}

void BeginRowScan(CustomScanState *node, EState *estate, int flags) {
  auto *state = reinterpret_cast<RowScanState *>(node);
  const auto *scan = castNode(CustomScan, node->ss.ps.plan);
  Describe(state, scan);
  state->copy_plan = ExecInitNode(static_cast<Plan *>(linitial(scan->custom_plans)), estate, flags);
  node->custom_ps = list_make1(state->copy_plan);
  node->ss.ps.resultopsfixed = false;
  node->ss.ps.scanopsfixed = false;
  if ((flags & EXEC_FLAG_EXPLAIN_ONLY) != 0) return;
  CheckCopy(state);
  state->values = ExecInitExprList(scan->custom_exprs, &node->ss.ps);
  state->row = ExecInitExtraTupleSlot(estate, RelationGetDescr(node->ss.ss_currentRelation),
                                      &TTSOpsHeapTuple);
}

// Evaluates the parameters of the plan for main's rows.
void SetParams(RowScanState *state) {
  ExprContext *context = state->base.ss.ps.ps_ExprContext;
  if (state->params == nullptr) state->params = makeParamList(list_length(state->values));
  ListCell *cell, *expression;
  const auto *scan = castNode(CustomScan, state->base.ss.ps.plan);
  forboth(cell, state->values, expression, scan->custom_exprs) {
    ParamExternData *param = &state->params->params[foreach_current_index(cell)];
    param->value = ExecEvalExpr(lfirst_node(ExprState, cell), context, &param->isnull);
    param->pflags = PARAM_FLAG_CONST;
    param->ptype = exprType(static_cast<Node *>(lfirst(expression)));
  }
}

// Begins to read main's rows.
void BeginMain(RowScanState *state) {
  EState *estate = state->base.ss.ps.state;
  MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
  SetParams(state);
  if (!state->reader.is_open()) {
    state->reader.Open(state->main_plan, state->params, estate->es_snapshot);
  } else if (state->must_rescan) {
    state->reader.Rescan();
  }
  state->must_rescan = true;
  MemoryContextSwitchTo(before);
}

// Tells whether a row fulfils the conditions of the node.
bool Qualifies(RowScanState *state) {
  ExprContext *context = state->base.ss.ps.ps_ExprContext;
  ResetExprContext(context);
  // Expressions were made for a slot whose columns are all there.
  slot_getallattrs(state->row);
  context->ecxt_scantuple = state->row;
  return ExecQual(state->base.ss.ps.qual, context);
}

// Brings a row into the copy; false if it is not for this statement.
bool CopyRow(RowScanState *state) {
  EState *estate = state->base.ss.ps.state;
  if (!state->is_copying) {
    MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
    state->copier.Open(state->local.relation, state->local.deleted, estate->es_output_cid - 1);
    state->is_copying = true;
    MemoryContextSwitchTo(before);
  }
  MemoryContext before =
      MemoryContextSwitchTo(state->base.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
  const Copied copied = state->copier.Copy(state->row, estate->es_snapshot, state->wait);
  MemoryContextSwitchTo(before);
  switch (copied) {
    case Copied::kNow:
      state->copied++;
      state->row->tts_tableOid = state->local.relation;
      slot_getallattrs(state->row);
      return true;
    case Copied::kBefore:
      state->row->tts_tableOid = state->local.relation;
      return Qualifies(state);
    default:
      return false;
  }
}

// Fetches the next of main's rows that the statement is about; null at the end.
TupleTableSlot *NextOfMain(RowScanState *state) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    TupleTableSlot *found = state->reader.Next();
    if (TupIsNull(found)) return nullptr;
    ExecCopySlot(state->row, found);
    if (!Qualifies(state)) {
      InstrCountFiltered1(&state->base.ss.ps, 1);
      continue;
    }
    if (!CopyRow(state)) continue;
    ProjectionInfo *projection = state->base.ss.ps.ps_ProjInfo;
    state->base.ss.ps.ps_ExprContext->ecxt_scantuple = state->row;
    return projection == nullptr ? state->row : ExecProject(projection);
  }
}

// Tells whether EvalPlanQual gives the node its row.
bool IsGiven(const RowScanState *state) {
  const EPQState *epq = state->base.ss.ps.state->es_epq_active;
  if (epq == nullptr) return false;
  const Index at = castNode(CustomScan, state->base.ss.ps.plan)->scan.scanrelid - 1;
  return epq->relsubs_done[at] || epq->relsubs_slot[at] != nullptr ||
         epq->relsubs_rowmark[at] != nullptr;
}

TupleTableSlot *ExecRowScan(CustomScanState *node) {
  auto *state = reinterpret_cast<RowScanState *>(node);
  if (!state->copy_ended) {
    TupleTableSlot *slot = ExecProcNode(state->copy_plan);
    if (!TupIsNull(slot) || IsGiven(state)) return slot;
    state->copy_ended = true;
    BeginMain(state);
  }
  return NextOfMain(state);
}

void EndRowScan(CustomScanState *node) {
  auto *state = reinterpret_cast<RowScanState *>(node);
  if (state->reader.is_open()) state->reader.Close();
  if (state->is_copying) state->copier.Close();
  ExecEndNode(state->copy_plan);
}

void RescanRowScan(CustomScanState *node) {
  auto *state = reinterpret_cast<RowScanState *>(node);
  state->copy_ended = false;
  if (node->ss.ps.chgParam != nullptr)
    UpdateChangedParamSet(state->copy_plan, node->ss.ps.chgParam);
  if (state->copy_plan->chgParam == nullptr) ExecReScan(state->copy_plan);
}

void ExplainRowScan(CustomScanState *node, List *, ExplainState *es) {
  auto *state = reinterpret_cast<RowScanState *>(node);
  ExplainPropertyText("Rows of", get_rel_name(state->main), es);
  if (es->analyze)
    ExplainPropertyInteger("Rows Copied", nullptr, static_cast<int64>(state->copied), es);
}

Node *CreateRowScanState(CustomScan *);

constexpr CustomScanMethods kScanMethods = {"heliosdb branch", CreateRowScanState};
constexpr CustomExecMethods kExecMethods = [] {
  CustomExecMethods methods = {};
  methods.CustomName = "heliosdb branch";
  methods.BeginCustomScan = BeginRowScan;
  methods.ExecCustomScan = ExecRowScan;
  methods.EndCustomScan = EndRowScan;
  methods.ReScanCustomScan = RescanRowScan;
  methods.ExplainCustomScan = ExplainRowScan;
  return methods;
}();

Node *CreateRowScanState(CustomScan *) {
  auto *state = static_cast<RowScanState *>(palloc0(sizeof(RowScanState)));
  NodeSetTag(state, T_CustomScanState);
  state->base.methods = &kExecMethods;
  return reinterpret_cast<Node *>(state);
}

}  // namespace

const CustomScanMethods *RowScanMethods() { return &kScanMethods; }

void InitRowScan() { RegisterCustomScanMethods(&kScanMethods); }

}  // namespace helios::branch
