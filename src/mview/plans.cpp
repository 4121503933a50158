#include "mview/plans.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "common/hashfn.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "port/pg_bitutils.h"
#include "tcop/cmdtag.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cstring>

namespace helios::mview {

namespace {

// Statements of views that are gone are forgotten when there are too many.
constexpr long kMostPlans = 512;

// Named rows as they were when a statement was planned.
struct Rows {
  const char *name;
  TupleDesc desc;
  int magnitude;
};

// A plan by its text, with all that belongs to it in a memory context.
struct Kept {
  const char *text;
  MemoryContext context;
  CachedPlanSource *source;
  List *rows;  // of Rows
};

constinit HTAB *plans = nullptr;

uint32 HashText(const void *key, Size) {
  const char *text = *static_cast<const char *const *>(key);
  return string_hash(text, strlen(text) + 1);
}

int CompareTexts(const void *a, const void *b, Size) {
  return strcmp(*static_cast<const char *const *>(a), *static_cast<const char *const *>(b));
}

void CreateTable() {
  HASHCTL control = {};
  control.keysize = sizeof(const char *);
  control.entrysize = sizeof(Kept);
  control.hash = HashText;
  control.match = CompareTexts;
  control.hcxt = TopMemoryContext;
  plans = hash_create("plans of view maintenance", kMostPlans, &control,
                      HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

// Tells roughly how many rows there are: another plan is worth making when that changes.
int MagnitudeOf(EphemeralNamedRelation rows) {
  constexpr int kBits = 2;
  const double count = std::max(rows->md.enrtuples, 1.0);
  return pg_leftmost_one_pos64(static_cast<uint64>(count)) / kBits;
}

// Collects the named rows that a statement reads.
bool CollectRows(Node *node, List **names) {
  if (node == nullptr) return false;
  if (IsA(node, RangeTblEntry)) {
    const auto *entry = reinterpret_cast<RangeTblEntry *>(node);
    if (entry->rtekind == RTE_NAMEDTUPLESTORE) *names = lappend(*names, entry->enrname);
    return false;
  }
  if (IsA(node, Query)) {
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(CollectRows), names,
                             QTW_EXAMINE_RTES_BEFORE);
  }
  return expression_tree_walker(node, pg::AsWalker(CollectRows), names);
}

// Tells whether named rows are still like those that a plan was made for.
bool Fits(const Kept &kept, QueryEnvironment *names) {
  ListCell *cell;
  foreach (cell, kept.rows) {
    const auto *before = static_cast<const Rows *>(lfirst(cell));
    EphemeralNamedRelation now = get_ENR(names, before->name);
    if (now == nullptr || !equalTupleDescs(now->md.tupdesc, before->desc) ||
        MagnitudeOf(now) != before->magnitude)
      return false;
  }
  return true;
}

void Forget(Kept *kept) {
  const Kept gone = *kept;
  hash_search(plans, &kept->text, HASH_REMOVE, nullptr);
  DropCachedPlan(gone.source);
  MemoryContextDelete(gone.context);
}

// Makes room for another plan.
void ForgetAll() {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, plans);
  while (auto *kept = static_cast<Kept *>(hash_seq_search(&status))) Forget(kept);
}

// Analyzes a statement, and keeps that in a context of its own.
Kept Analyze(const char *text, QueryEnvironment *names) {
  auto *raw = linitial_node(RawStmt, pg_parse_query(text));
  Kept kept = {};
  kept.source = CreateCachedPlan(raw, text, CreateCommandTag(raw->stmt));
  List *queries = pg_analyze_and_rewrite_fixedparams(raw, text, nullptr, 0, names);
  List *read = NIL;
  CollectRows(linitial_node(Node, queries), &read);
  CompleteCachedPlan(kept.source, queries, nullptr, nullptr, 0, nullptr, nullptr,
                     CURSOR_OPT_GENERIC_PLAN, false);
  kept.context =
      AllocSetContextCreate(CurrentMemoryContext, "plan of view maintenance", ALLOCSET_SMALL_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(kept.context);
  kept.text = pstrdup(text);
  ListCell *cell;
  foreach (cell, read) {
    EphemeralNamedRelation named = get_ENR(names, static_cast<const char *>(lfirst(cell)));
    auto *rows = static_cast<Rows *>(palloc(sizeof(Rows)));
    *rows = {pstrdup(named->md.name), CreateTupleDescCopy(named->md.tupdesc), MagnitudeOf(named)};
    kept.rows = lappend(kept.rows, rows);
  }
  MemoryContextSwitchTo(caller);
  return kept;
}

}  // namespace

CachedPlan *PlanText(const char *text, QueryEnvironment *names, TupleDesc *desc) {
  if (plans == nullptr) CreateTable();
  auto *kept = static_cast<Kept *>(hash_search(plans, &text, HASH_FIND, nullptr));
  if (kept != nullptr && !Fits(*kept, names)) {
    Forget(kept);
    kept = nullptr;
  }
  if (kept == nullptr) {
    if (hash_get_num_entries(plans) >= kMostPlans) ForgetAll();
    const Kept made = Analyze(text, names);
    kept = static_cast<Kept *>(hash_search(plans, &made.text, HASH_ENTER, nullptr));
    *kept = made;
    MemoryContextSetParent(made.context, TopMemoryContext);
    SaveCachedPlan(made.source);
  }
  CachedPlan *plan = GetCachedPlan(kept->source, nullptr, CurrentResourceOwner, names);
  if (desc != nullptr)
    *desc = kept->source->resultDesc == nullptr ? nullptr
                                                : CreateTupleDescCopy(kept->source->resultDesc);
  return plan;
}

}  // namespace helios::mview
