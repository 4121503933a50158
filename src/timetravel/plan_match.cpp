#include "timetravel/plan_match.hpp"

#include "changelog/changelog.hpp"
#include "timetravel/carrier.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

PGDLLEXPORT Datum helios_in_past(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_in_past_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_was_alive(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_was_alive_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_past_floor(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_past_floor_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_instant(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_is_overlaid(PG_FUNCTION_ARGS);
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// The two C functions behind a function of SQL, by kind of moment.
struct Pair {
  PGFunction by_instant;
  PGFunction by_scn;
};

constexpr Pair kInPast = {helios_in_past, helios_in_past_scn};
constexpr Pair kWasAlive = {helios_was_alive, helios_was_alive_scn};
constexpr Pair kPastFloor = {helios_past_floor, helios_past_floor_scn};
constexpr Pair kIsOverlaid = {helios_is_overlaid, helios_is_overlaid};
constexpr Pair kAsOf = {helios_as_of_instant, helios_as_of_scn};

// The call of one of two functions that an expression is, or null.
const FuncExpr *CallOf(const Node *node, Pair pair, bool *by_scn) {
  const auto *call = reinterpret_cast<const FuncExpr *>(node);
  if (!IsA(node, FuncExpr) || call->funcid < FirstNormalObjectId) return nullptr;
  FmgrInfo info;
  fmgr_info(call->funcid, &info);
  *by_scn = info.fn_addr == pair.by_scn;
  return *by_scn || info.fn_addr == pair.by_instant ? call : nullptr;
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
  bool by_scn;
  return IsA(node, OpExpr) && list_length(op->args) == 2 &&
         CallOf(static_cast<Node *>(lsecond(op->args)), kPastFloor, &by_scn) != nullptr;
}

// Reads NOT is_overlaid(overlay_of(local, deleted), …); false for other conditions.
bool ReadOverlay(Node *node, OverlayTables *overlay) {
  const auto *negation = reinterpret_cast<const BoolExpr *>(node);
  bool by_scn;
  if (!IsA(node, BoolExpr) || negation->boolop != NOT_EXPR) return false;
  const FuncExpr *call =
      CallOf(static_cast<Node *>(linitial(negation->args)), kIsOverlaid, &by_scn);
  if (call == nullptr) return false;
  const auto *both = reinterpret_cast<const FuncExpr *>(
      strip_implicit_coercions(static_cast<Node *>(linitial(call->args))));
  if (!IsA(both, FuncExpr) || list_length(both->args) != 2 || !IsA(linitial(both->args), Const) ||
      !IsA(lsecond(both->args), Const))
    return false;
  overlay->local = DatumGetObjectId(linitial_node(Const, both->args)->constvalue);
  overlay->deleted = DatumGetObjectId(lsecond_node(Const, both->args)->constvalue);
  return true;
}

// Takes the call that filters by the moment, and what leaves out rows, out of conditions; false if there is none, or its arguments are not
// simple. First of its arguments is the table, last the moment.
bool TakeFilter(List *conditions, Pair pair, PastRead *read) {
  const FuncExpr *filter = nullptr;
  read->quals = NIL;
  read->overlay = {};
  ListCell *cell;
  foreach (cell, conditions) {
    Node *condition = static_cast<Node *>(lfirst(cell));
    if (ReadOverlay(condition, &read->overlay)) continue;
    bool by_scn = false;
    const FuncExpr *call = filter == nullptr ? CallOf(condition, pair, &by_scn) : nullptr;
    if (call == nullptr) {
      read->quals = lappend(read->quals, condition);
      continue;
    }
    filter = call;
    read->by_scn = by_scn;
  }
  if (filter == nullptr || !IsA(linitial(filter->args), Const)) return false;
  read->moment = static_cast<Node *>(llast(filter->args));
  read->table = DatumGetObjectId(linitial_node(Const, filter->args)->constvalue);
  return IsSimple(read->moment);
}

// True for an index whose conditions are never to be looked at again.
bool IsBtree(Oid index) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is_btree = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam == BTREE_AM_OID;
  ReleaseSysCache(tuple);
  return is_btree;
}

// Reads a scan by the bitmap of one index, which finds the same rows as the index.
bool ReadBitmapScan(const Plan *plan, PastRead *read) {
  const auto *bitmap = reinterpret_cast<const BitmapIndexScan *>(plan->lefttree);
  if (!IsA(bitmap, BitmapIndexScan) || bitmap->scan.plan.initPlan != NIL) return false;
  read->index = bitmap->indexid;
  read->conditions = bitmap->indexqual;
  read->written_conditions = bitmap->indexqualorig;
  return IsBtree(bitmap->indexid);
}

// Reads how a scan goes through its relation, by a bitmap too if rows are few anyway; false for other ways than those of a PastRead.
bool ReadScan(Plan *plan, bool bitmap_too, PastRead *read) {
  if (plan->parallel_aware || plan->initPlan != NIL) return false;
  read->scan = reinterpret_cast<Scan *>(plan);
  read->index = InvalidOid;
  read->direction = ForwardScanDirection;
  read->conditions = NIL;
  read->written_conditions = NIL;
  if (IsA(plan, SeqScan)) return true;
  if (bitmap_too && IsA(plan, BitmapHeapScan)) return ReadBitmapScan(plan, read);
  if (!IsA(plan, IndexScan)) return false;
  const auto *scan = reinterpret_cast<IndexScan *>(plan);
  read->index = scan->indexid;
  read->direction = scan->indexorderdir;
  read->conditions = scan->indexqual;
  read->written_conditions = scan->indexqualorig;
  return scan->indexorderby == NIL && IsBtree(scan->indexid);
}

// True if a Result only asks whether the table can answer, and passes on what is below.
bool OnlyAsks(const Result *result) {
  const auto *tests = reinterpret_cast<const List *>(result->resconstantqual);
  if (result->plan.qual != NIL || result->plan.initPlan != NIL || tests == nullptr ||
      !IsA(tests, List) || list_length(tests) != 1 || !IsA(linitial(tests), NullTest))
    return false;
  bool by_scn;
  if (CallOf(reinterpret_cast<Node *>(linitial_node(NullTest, tests)->arg), kAsOf, &by_scn) ==
      nullptr)
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

}  // namespace

bool MatchTableRead(Plan *plan, PastRead *read) {
  return ReadScan(plan, false, read) && TakeFilter(plan->qual, kInPast, read);
}

bool MatchLocalRead(Plan *plan, PastRead *read) {
  if (!ReadScan(plan, true, read)) return false;
  read->quals = plan->qual;
  return true;
}

bool MatchLogRead(Plan *plan, PastRead *read) {
  if (!IsA(plan, Result) || plan->lefttree == nullptr ||
      !OnlyAsks(reinterpret_cast<Result *>(plan)))
    return false;
  Plan *scan = plan->lefttree;
  if (!ReadScan(scan, true, read) || !TakeFilter(scan->qual, kWasAlive, read)) return false;
  bool asks_for_inserts = false;
  List *left = NIL;
  ListCell *cell;
  foreach (cell, read->quals) {
    Node *qual = static_cast<Node *>(lfirst(cell));
    if (IsNotInsert(qual)) {
      asks_for_inserts = true;
    } else if (!IsFloor(qual)) {
      left = lappend(left, qual);
    }
  }
  read->quals = left;
  // Of an index that leaves out the records of inserts the planner does not ask for that again; other indexes of a log
  // are not ours.
  return OidIsValid(read->index) != asks_for_inserts;
}

}  // namespace helios::timetravel
