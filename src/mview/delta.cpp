#include "mview/delta.hpp"

#include "mview/counted.hpp"
#include "mview/indexes.hpp"
#include "mview/linear.hpp"
#include "mview/settings.hpp"
#include "mview/shape.hpp"
#include "mview/state.hpp"
#include "mview/steps.hpp"
#include "mview/trees.hpp"
#include "pg/compat.hpp"
#include "pg/netting.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_proc.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <limits>

namespace helios::mview {

namespace {

// Finds a function whose result may change between calls with the same arguments.
bool IsMutable(Oid function, void *name) {
  if (func_volatile(function) == PROVOLATILE_IMMUTABLE) return false;
  *static_cast<const char **>(name) = get_func_name(function);
  return true;
}

bool MutableWalker(Node *node, const char **name) {
  if (node == nullptr) return false;
  if (check_functions_in_node(node, IsMutable, name)) return true;
  if (IsA(node, SQLValueFunction) || IsA(node, NextValueExpr)) {
    *name = IsA(node, NextValueExpr) ? "nextval" : "CURRENT_…";
    return true;
  }
  if (IsA(node, Query))
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(MutableWalker), name, 0);
  return expression_tree_walker(node, pg::AsWalker(MutableWalker), name);
}

// Collects the tables that a query reads.
bool RelationWalker(Node *node, List **relations) {
  if (node == nullptr) return false;
  if (!IsA(node, Query))
    return expression_tree_walker(node, pg::AsWalker(RelationWalker), relations);
  const auto *query = reinterpret_cast<Query *>(node);
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    const auto *entry = list_nth_node(RangeTblEntry, query->rtable, i - 1);
    if (entry->rtekind == RTE_RELATION)
      *relations = list_append_unique_oid(*relations, entry->relid);
  }
  return query_tree_walker(const_cast<Query *>(query), pg::AsWalker(RelationWalker), relations, 0);
}

// Says in a few words what a refresh does.
const char *MethodOf(const Shape *shape) {
  bool has[3] = {};
  ListCell *cell;
  foreach (cell, shape->steps)
    has[static_cast<int>(static_cast<Step *>(lfirst(cell))->kind)] = true;
  constexpr const char *kWords[] = {"counters of groups", "rows with what matches them",
                                    "affected partitions"};
  StringInfoData method;
  initStringInfo(&method);
  for (int i = 0; i < 3; i++)
    if (has[i]) appendStringInfo(&method, "%s%s", method.len == 0 ? "" : ", ", kWords[i]);
  return method.len == 0 ? "changed rows" : method.data;
}

// Describes what a refresh does.
void Describe(Shape *shape, const Compiler &compiler) {
  Explanation *explanation = &shape->explanation;
  explanation->is_incremental = shape->linear != nullptr;
  explanation->why_not = compiler.why_not;
  explanation->remedy = compiler.remedy;
  if (!explanation->is_incremental) return;
  explanation->missing = MissingIndexes(shape);
  explanation->method = MethodOf(shape);
}

// Estimates what a full refresh costs. Below the smallest cost it makes no difference.
double FullCost(const Shape *shape) {
  if (full_refresh_fraction >= 1) return std::numeric_limits<double>::infinity();
  constexpr double kSmallest = 10000;
  const double cost = CostOfRows(Plan(shape->query));
  return cost > kSmallest ? cost : kSmallest;
}

}  // namespace

const Shape *Classify(const View &view) {
  // Texts around users' expressions mean what PostgreSQL means by them.
  const int settings = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  auto *shape = static_cast<Shape *>(palloc0(sizeof(Shape)));
  shape->query = Normalize(view.query);
  Compiler compiler = {&view, NIL, nullptr, nullptr};
  const char *function = nullptr;
  if (MutableWalker(reinterpret_cast<Node *>(shape->query), &function)) {
    compiler.why_not = psprintf(
        "its result may change without a change of a table: %s is not immutable", function);
    compiler.remedy =
        "Use immutable functions only, for example with AT TIME ZONE where the time zone matters.";
  } else {
    shape->linear = Compile(&compiler, shape->query);
    if (shape->linear != nullptr) {
      shape->steps = compiler.steps;
      FindKeyed(shape);
    }
  }
  RelationWalker(reinterpret_cast<Node *>(shape->query), &shape->relations);
  Describe(shape, compiler);
  AtEOXact_GUC(false, settings);
  return shape;
}

const Explanation &Explain(const Shape *shape) { return shape->explanation; }

void ComputeDelta(const View &view, const Shape *shape, Delta *delta) {
  *delta = {};
  ListCell *cell;
  foreach (cell, shape->steps) {
    const auto *step = static_cast<Step *>(lfirst(cell));
    if (step->kind == StepKind::kCounted && !HasState(view.relation, step->number)) {
      delta->why_full = "it has lost its state";
      return;
    }
  }
  Changes changes = {&view, shape, create_queryEnv(), NIL, 0, 0, FullCost(shape), nullptr};
  ReadChanges(&changes);
  delta->changes = changes.count;
  if (changes.parts == NIL) return;
  foreach (cell, shape->steps) {
    const auto *step = static_cast<Step *>(lfirst(cell));
    pg::StoredRows output = {};
    ChangeStep(&changes, step, &output, step == shape->keyed ? &delta->taken : nullptr);
    if (output.store == nullptr) continue;
    if (tuplestore_tuple_count(output.store) > 0) {
      AddPart(&changes, step->number, output);
    } else {
      tuplestore_end(output.store);
    }
  }
  pg::StoredRows rows = {};
  StoreLinear(&changes, shape->linear, &rows);
  if (shape->keyed == nullptr) {
    pg::Net(rows, &delta->added, &delta->taken);
  } else if (delta->taken.store != nullptr) {
    const Step *step = shape->keyed;
    delta->key_count =
        step->kind == StepKind::kCounted ? step->counted->key_count : step->key_count;
    delta->key = shape->key;
    pg::Net(rows, &delta->added, nullptr);
    if (delta->added.store == nullptr)
      delta->added = {tuplestore_begin_heap(false, false, work_mem), rows.desc};
  }
  tuplestore_end(rows.store);
  DropParts(&changes);
  delta->why_full = changes.why_full;
}

void BuildState(const View &view, const Shape *shape) {
  DropStates(view.relation);
  ListCell *cell;
  foreach (cell, shape->steps) {
    const auto *step = static_cast<Step *>(lfirst(cell));
    if (step->kind == StepKind::kCounted) BuildGroups(view, shape, step->number, step->counted);
  }
}

void DropState(Oid view) { DropStates(view); }

}  // namespace helios::mview
