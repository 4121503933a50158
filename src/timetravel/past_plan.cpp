// From the planner's append of two scans to one node:
//
//   Append or Merge Append
//     ->  Index or Seq Scan on t        Filter: in_past(t, xmin, at)
//     ->  Result                        One-Time Filter: as_of_instant(t, at) IS NOT NULL
//           ->  … Scan on log_of_t      Filter: xid >= past_floor(t, at) AND was_alive(t, creator, xid, at)
//
// and with an overlay NOT is_overlaid(…) among the conditions of both, and a third scan of what is laid over,
//
// becomes a CustomScan where `at` is a constant or a parameter of the statement. A log that is read in another way, by
// a bitmap of block ranges for example, keeps its plan below that node.
#include "timetravel/past_plan.hpp"

#include "changelog/changelog.hpp"
#include "pg/plans.hpp"
#include "timetravel/past_scan.hpp"
#include "timetravel/plan_match.hpp"

#include <algorithm>

extern "C" {
#include "access/sysattr.h"
#include "access/table.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// The scans below an Append or MergeAppend: of the table, of its log, and of what is laid over, or null; false if there
// are others.
bool FindChildren(const Plan *plan, Plan **table, Plan **log, Plan **local) {
  List *children = NIL;
  if (IsA(plan, Append)) {
    const auto *append = reinterpret_cast<const Append *>(plan);
    if (append->part_prune_info != nullptr || append->nasyncplans > 0) return false;
    children = append->appendplans;
  } else if (IsA(plan, MergeAppend)) {
    const auto *append = reinterpret_cast<const MergeAppend *>(plan);
    if (append->part_prune_info != nullptr) return false;
    children = append->mergeplans;
  }
  const int count = list_length(children);
  if (count < 2 || count > 3 || plan->qual != NIL) return false;
  *table = static_cast<Plan *>(linitial(children));
  *log = static_cast<Plan *>(lsecond(children));
  *local = count == 3 ? static_cast<Plan *>(lthird(children)) : nullptr;
  return true;
}

// Adds the keys of a MergeAppend to the description of a node; false if one is no column of the table.
bool AddSort(const MergeAppend *append, const PastRead &table, List **private_data) {
  List *columns = NIL, *operators = NIL, *collations = NIL, *nulls_first = NIL;
  for (int i = 0; append != nullptr && i < append->numCols; i++) {
    const auto *entry = static_cast<TargetEntry *>(
        list_nth(table.scan->plan.targetlist, append->sortColIdx[i] - 1));
    const auto *var = reinterpret_cast<const Var *>(entry->expr);
    if (!IsA(var, Var) || var->varno != static_cast<int>(table.scan->scanrelid) ||
        var->varattno <= 0)
      return false;
    columns = lappend_int(columns, var->varattno);
    operators = lappend_oid(operators, append->sortOperators[i]);
    collations = lappend_oid(collations, append->collations[i]);
    nulls_first = lappend_int(nulls_first, append->nullsFirst[i]);
  }
  for (List *part : {columns, operators, collations, nulls_first})
    *private_data = lappend(*private_data, part);
  return true;
}

// Finds the last column of a table that an expression reads: all for a whole row, -1 if it reads a system column.
AttrNumber LastColumn(Node *node, Index entry, AttrNumber all) {
  Bitmapset *columns = nullptr;
  pull_varattnos(node, entry, &columns);
  AttrNumber last = 0;
  const int first = bms_next_member(columns, -1);
  if (first >= 0 && first + FirstLowInvalidHeapAttributeNumber < 0) return -1;
  for (int member = -1; (member = bms_next_member(columns, member)) >= 0;) {
    const auto column = static_cast<AttrNumber>(member + FirstLowInvalidHeapAttributeNumber);
    if (column == InvalidAttrNumber) return all;
    last = std::max(last, column);
  }
  return last;
}

// The last column of the table that the node's expressions read, of any side; -1 if they read system columns, which
// rows of the log have not.
AttrNumber LastColumnOf(const PastRead &table, const PastRead &log, const PastRead &local,
                        const List *sort_columns) {
  Relation relation = table_open(table.table, NoLock);
  const AttrNumber all = RelationGetNumberOfAttributes(relation);
  table_close(relation, NoLock);
  const Index entry = table.scan->scanrelid;
  const AttrNumber of_columns =
      LastColumn(reinterpret_cast<Node *>(table.scan->plan.targetlist), entry, all);
  const AttrNumber of_quals = LastColumn(reinterpret_cast<Node *>(table.quals), entry, all);
  AttrNumber of_log = 0;
  if (log.quals != NIL) {
    of_log = LastColumn(reinterpret_cast<Node *>(log.quals), log.scan->scanrelid,
                        static_cast<AttrNumber>(all + changelog::kLogColumns));
  }
  AttrNumber of_local = 0;
  if (local.quals != NIL)
    of_local = LastColumn(reinterpret_cast<Node *>(local.quals), local.scan->scanrelid, all);
  if (of_columns < 0 || of_quals < 0 || of_log < 0 || of_local < 0) return -1;
  int last = std::max({static_cast<int>(of_columns), static_cast<int>(of_quals),
                       of_log - changelog::kLogColumns, static_cast<int>(of_local)});
  const ListCell *cell;
  foreach (cell, sort_columns) last = std::max(last, lfirst_int(cell));
  return static_cast<AttrNumber>(last);
}

// The columns of the append, with the values of the table's scan.
List *Columns(const List *of_append, const List *of_scan) {
  List *columns = NIL;
  const ListCell *outer, *inner;
  forboth(outer, of_append, inner, of_scan) {
    auto *column = static_cast<TargetEntry *>(copyObjectImpl(lfirst(outer)));
    column->expr = lfirst_node(TargetEntry, inner)->expr;
    columns = lappend(columns, column);
  }
  return columns;
}

// Makes one node of an Append or MergeAppend over a table, its log and what is laid over it; null if they are something
// else.
Plan *Convert(Plan *plan) {
  Plan *table_plan, *log_plan, *local_plan;
  PastRead table, log = {}, local = {};
  if (plan->parallel_aware || !FindChildren(plan, &table_plan, &log_plan, &local_plan) ||
      !MatchTableRead(table_plan, &table) ||
      contain_volatile_functions(reinterpret_cast<Node *>(table.quals)))
    return nullptr;
  const bool has_log =
      MatchLogRead(log_plan, &log) && table.table == log.table && equal(table.moment, log.moment);
  if (!has_log) log = {};
  // What is merged must come from here.
  if (!has_log && IsA(plan, MergeAppend)) return nullptr;
  if (has_log && table.overlay.local != log.overlay.local) return nullptr;
  if (local_plan != nullptr &&
      (!OidIsValid(table.overlay.local) || !MatchLocalRead(local_plan, &local)))
    return nullptr;
  const auto *merge = IsA(plan, MergeAppend) ? reinterpret_cast<MergeAppend *>(plan) : nullptr;

  List *oids = list_make3_oid(table.table, table.index, log.index);
  oids = lappend_oid(oids, local.index);
  oids = lappend_oid(oids, table.overlay.local);
  oids = lappend_oid(oids, table.overlay.deleted);
  List *data = list_make2(oids, NIL);
  if (!AddSort(merge, table, &data)) return nullptr;
  // What the table's index looked for may be a condition on the others.
  if (table.conditions == NIL) {
    log.quals = NIL;
    local.quals = NIL;
  }
  const AttrNumber last = LastColumnOf(table, log, local, static_cast<List *>(list_nth(data, 2)));
  if (last < 0) return nullptr;
  List *numbers = list_make4_int(table.by_scn, table.direction, log.direction,
                                 has_log ? static_cast<int>(log.scan->scanrelid) : 0);
  numbers = lappend_int(numbers, last);
  numbers = lappend_int(numbers, local.direction);
  numbers =
      lappend_int(numbers, local_plan == nullptr ? 0 : static_cast<int>(local.scan->scanrelid));
  lsecond(data) = numbers;

  CustomScan *node = makeNode(CustomScan);
  node->scan.plan = *plan;
  node->scan.plan.type = T_CustomScan;
  node->scan.plan.targetlist = Columns(plan->targetlist, table.scan->plan.targetlist);
  node->scan.plan.qual = table.quals;
  node->scan.scanrelid = table.scan->scanrelid;
  node->flags = CUSTOMPATH_SUPPORT_PROJECTION;
  node->custom_exprs = list_make5(table.moment, table.conditions, table.written_conditions,
                                  log.conditions, log.written_conditions);
  for (List *part : {log.quals, local.conditions, local.written_conditions, local.quals})
    node->custom_exprs = lappend(node->custom_exprs, part);
  node->custom_private = data;
  node->custom_relids = bms_make_singleton(static_cast<int>(table.scan->scanrelid));
  for (const Scan *scan : {log.scan, local.scan}) {
    if (scan != nullptr)
      node->custom_relids = bms_add_member(node->custom_relids, static_cast<int>(scan->scanrelid));
  }
  if (!has_log) node->custom_plans = list_make1(log_plan);
  node->methods = PastScanMethods();
  return reinterpret_cast<Plan *>(node);
}

Plan *ConvertOne(Plan *plan, void *) { return Convert(plan); }

}  // namespace

void UsePastScans(PlannedStmt *planned) { pg::ReplacePlans(planned, ConvertOne, nullptr); }

}  // namespace helios::timetravel
