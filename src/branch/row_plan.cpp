// The planner plans such a statement as one about the copy. Its scans are found in the finished plan:
//
//   … Scan on copy           becomes   Custom Scan (heliosdb branch) on copy
//     conditions                         conditions
//                                        ->  … Scan on copy
//                                        and below it, run on its own: main's rows as of the fork with the conditions
//                                        that can be asked there
//
// The rows of the two do not come in order, and main has most of them: the planner is told both.
#include "branch/row_plan.hpp"

#include "branch/catalog.hpp"
#include "branch/commands.hpp"
#include "branch/fork_read.hpp"
#include "branch/row_scan.hpp"
#include "branch/session.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"
#include "pg/plans.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/prep.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<get_relation_info_hook_type> info_chain;
constinit pg::HookChain<set_rel_pathlist_hook_type> paths_chain;

struct Written {
  PlannedStmt *planned;
  List *hidden;
};

// Tells whether a plan changes or locks an entry of its range table, and how long to wait for its rows.
bool IsWritten(const PlannedStmt *planned, Index entry, LockWaitPolicy *wait) {
  *wait = LockWaitBlock;
  if (list_member_int(planned->resultRelations, static_cast<int>(entry))) return true;
  ListCell *cell;
  foreach (cell, planned->rowMarks) {
    const auto *mark = lfirst_node(PlanRowMark, cell);
    if (mark->rti != entry || !RowMarkRequiresRowShareLock(mark->markType)) continue;
    *wait = mark->waitPolicy;
    return true;
  }
  return false;
}

// ---- Conditions for main's rows ----

// Replaces parameters by those of the plan below, and the entry of the copy by the first one.
struct Translation {
  Index entry;
  List *values;  // of the parameters of the plan below
};

Node *Translate(Node *node, Translation *translation) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Var)) {
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    var->varno = 1;
    var->varnosyn = 0;
    return reinterpret_cast<Node *>(var);
  }
  if (IsA(node, Param)) {
    auto *param = static_cast<Param *>(copyObjectImpl(node));
    translation->values = lappend(translation->values, copyObjectImpl(node));
    param->paramkind = PARAM_EXTERN;
    param->paramid = list_length(translation->values);
    return reinterpret_cast<Node *>(param);
  }
  return expression_tree_mutator(node, pg::AsMutator(Translate), translation);
}

// True for what cannot be asked elsewhere than in the node itself.
bool IsBound(Node *node, Translation *translation) {
  if (node == nullptr) return false;
  switch (nodeTag(node)) {
    case T_SubPlan:
    case T_AlternativeSubPlan:
    case T_CurrentOfExpr:
      return true;
    case T_Var: {
      const auto *var = reinterpret_cast<const Var *>(node);
      return var->varno != static_cast<int>(translation->entry) || var->varattno <= 0;
    }
    default:
      return expression_tree_walker(node, pg::AsWalker(IsBound), translation);
  }
}

List *TranslateConditions(const List *conditions, bool is_hidden, Translation *translation) {
  List *translated = NIL;
  const ListCell *cell;
  foreach (cell, conditions) {
    Node *condition = static_cast<Node *>(lfirst(cell));
    if (IsBound(condition, translation) || contain_volatile_functions(condition) ||
        (is_hidden && contain_leaked_vars(condition)))
      continue;
    translated = lappend(translated, Translate(condition, translation));
  }
  return translated;
}

// All conditions of a scan; false for scans that find rows by their places in the copy, where main's have none.
bool ConditionsOf(const Plan *plan, List **conditions) {
  switch (nodeTag(plan)) {
    case T_SeqScan:
      *conditions = list_copy(plan->qual);
      return true;
    case T_IndexScan:
      *conditions =
          list_concat_copy(reinterpret_cast<const IndexScan *>(plan)->indexqualorig, plan->qual);
      return true;
    case T_BitmapHeapScan:
      *conditions = list_concat_copy(reinterpret_cast<const BitmapHeapScan *>(plan)->bitmapqualorig,
                                     plan->qual);
      return true;
    default:
      return false;
  }
}

bool IsScan(const Plan *plan) {
  switch (nodeTag(plan)) {
    case T_SeqScan:
    case T_IndexScan:
    case T_BitmapHeapScan:
    case T_TidScan:
    case T_TidRangeScan:
      return true;
    default:
      return false;
  }
}

// Puts the tables of the plan below under the locks and invalidations of the whole one.
void Adopt(PlannedStmt *planned, const PlannedStmt *below) {
  ListCell *cell;
  foreach (cell, below->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind == RTE_RELATION)
      planned->rtable = lappend(planned->rtable, copyObjectImpl(entry));
  }
  planned->relationOids = list_concat_unique_oid(planned->relationOids, below->relationOids);
}

Plan *ReplaceScan(Plan *plan, void *context) {
  auto *written = static_cast<Written *>(context);
  if (!IsScan(plan)) return nullptr;
  const Index entry = reinterpret_cast<Scan *>(plan)->scanrelid;
  LockWaitPolicy wait;
  if (!IsWritten(written->planned, entry, &wait)) return nullptr;
  const Oid copy = rt_fetch(entry, written->planned->rtable)->relid;
  const Local local = FindPartial(copy);
  List *conditions;
  if (!local.exists || !ConditionsOf(plan, &conditions)) return nullptr;
  const Oid main = FindCopyOf(copy).main;

  Translation translation = {entry, NIL};
  List *below =
      TranslateConditions(conditions, list_member_oid(written->hidden, copy), &translation);
  PlannedStmt *main_plan = PlanForkRead(main, copy, OverlaidSample(local, Rows::kUncopied), below);

  CustomScan *node = makeNode(CustomScan);
  node->scan.plan = *plan;
  node->scan.plan.type = T_CustomScan;
  node->scan.plan.targetlist = static_cast<List *>(copyObjectImpl(plan->targetlist));
  node->scan.plan.qual = static_cast<List *>(copyObjectImpl(conditions));
  node->scan.plan.lefttree = nullptr;
  node->scan.plan.righttree = nullptr;
  plan->initPlan = NIL;
  node->scan.scanrelid = entry;
  node->flags = CUSTOMPATH_SUPPORT_PROJECTION;
  node->custom_plans = list_make1(plan);
  node->custom_exprs = translation.values;
  node->custom_private =
      list_make3(main_plan, list_make3_oid(main, copy, local.deleted), makeInteger(wait));
  node->custom_relids = bms_make_singleton(static_cast<int>(entry));
  node->methods = RowScanMethods();
  Adopt(written->planned, main_plan);
  return reinterpret_cast<Plan *>(node);
}

// ---- What the planner is told ----

// Tells whether an entry of a query is changed or locked and a table of which the branch has only some rows.
bool IsWrittenPartial(PlannerInfo *root, Index entry, Oid relation) {
  if (static_cast<int>(entry) != root->parse->resultRelation &&
      get_parse_rowmark(root->parse, entry) == nullptr)
    return false;
  return FindPartial(relation).exists;
}

void AddRowsOfMain(PlannerInfo *root, Oid relation, bool is_parent, RelOptInfo *info) {
  if (info_chain.previous() != nullptr) info_chain.previous()(root, relation, is_parent, info);
  if (likely(!OnBranch()) || !IsWrittenPartial(root, info->relid, relation)) return;
  Relation main = table_open(FindCopyOf(relation).main, AccessShareLock);
  BlockNumber pages;
  double tuples, all_visible;
  estimate_rel_size(main, nullptr, &pages, &tuples, &all_visible);
  table_close(main, NoLock);
  info->pages += pages;
  info->tuples += tuples;
  ListCell *cell;
  foreach (cell, info->indexlist) {
    auto *index = lfirst_node(IndexOptInfo, cell);
    if (index->indpred == NIL) index->tuples = info->tuples;
  }
}

void ForgetOrder(PlannerInfo *root, RelOptInfo *info, Index entry, RangeTblEntry *relation) {
  if (paths_chain.previous() != nullptr) paths_chain.previous()(root, info, entry, relation);
  if (likely(!OnBranch()) || relation->rtekind != RTE_RELATION ||
      !IsWrittenPartial(root, entry, relation->relid))
    return;
  info->partial_pathlist = NIL;
  ListCell *cell;
  foreach (cell, info->pathlist) static_cast<Path *>(lfirst(cell))->pathkeys = NIL;
}

}  // namespace

void UseRowScans(PlannedStmt *planned, List *hidden) {
  bool is_copying = false;
  ListCell *cell;
  int entry = 0;
  foreach (cell, planned->rtable) {
    const auto *relation = lfirst_node(RangeTblEntry, cell);
    LockWaitPolicy wait;
    entry++;
    is_copying = is_copying || (relation->rtekind == RTE_RELATION &&
                                IsWritten(planned, static_cast<Index>(entry), &wait) &&
                                FindPartial(relation->relid).exists);
  }
  if (!is_copying) return;
  Written written = {planned, hidden};
  pg::ReplacePlans(planned, ReplaceScan, &written);
  MarkCopying(planned);
}

void InitRowPlan() {
  info_chain.Install(&get_relation_info_hook, AddRowsOfMain);
  paths_chain.Install(&set_rel_pathlist_hook, ForgetOrder);
}

}  // namespace helios::branch
