#include "mview/trees.hpp"

#include "changelog/changelog.hpp"
#include "mview/plans.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

void Register(QueryEnvironment *names, const char *name, TupleDesc desc, Tuplestorestate *store) {
  auto *relation = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
  relation->md.name = const_cast<char *>(name);
  relation->md.tupdesc = desc;
  relation->md.enrtype = ENR_NAMED_TUPLESTORE;
  relation->md.enrtuples =
      store == nullptr ? -1 : static_cast<double>(tuplestore_tuple_count(store));
  relation->reldata = store;
  if (get_ENR(names, name) != nullptr) unregister_ENR(names, name);
  register_ENR(names, relation);
}

struct SpliceContext {
  const char *name;
  const RangeTblEntry *entry;
};

bool SpliceWalker(Node *node, SpliceContext *context) {
  if (node == nullptr) return false;
  if (IsA(node, RangeTblEntry)) {
    auto *entry = reinterpret_cast<RangeTblEntry *>(node);
    if (entry->rtekind == RTE_NAMEDTUPLESTORE && strcmp(entry->enrname, context->name) == 0)
      *entry = *static_cast<RangeTblEntry *>(copyObjectImpl(context->entry));
    return false;
  }
  if (IsA(node, Query)) {
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(SpliceWalker), context,
                             QTW_EXAMINE_RTES_BEFORE);
  }
  return expression_tree_walker(node, pg::AsWalker(SpliceWalker), context);
}

void AddSources(Node *node, Bitmapset **sources) {
  if (node == nullptr) return;
  if (IsA(node, RangeTblRef)) {
    *sources = bms_add_member(*sources, reinterpret_cast<RangeTblRef *>(node)->rtindex);
  } else if (IsA(node, FromExpr)) {
    ListCell *cell;
    foreach (cell, reinterpret_cast<FromExpr *>(node)->fromlist)
      AddSources(static_cast<Node *>(lfirst(cell)), sources);
  } else {
    auto *join = castNode(JoinExpr, node);
    AddSources(join->larg, sources);
    AddSources(join->rarg, sources);
  }
}

// Runs a plan; it sees what this transaction has written before, in the snapshot that is active.
void RunPlan(PlannedStmt *plan, QueryEnvironment *names, DestReceiver *receiver) {
  PushCopiedSnapshot(GetActiveSnapshot());
  UpdateActiveSnapshotCommandId();
  QueryDesc *desc = CreateQueryDesc(plan, "view maintenance", GetActiveSnapshot(), InvalidSnapshot,
                                    receiver, nullptr, names, 0);
  ExecutorStart(desc, 0);
  ExecutorRun(desc, ForwardScanDirection, 0, true);
  ExecutorFinish(desc);
  ExecutorEnd(desc);
  FreeQueryDesc(desc);
  PopActiveSnapshot();
}

}  // namespace

void NameRows(QueryEnvironment *names, const char *name, const pg::StoredRows &rows) {
  Register(names, name, rows.desc, rows.store);
}

void NameShape(QueryEnvironment *names, const char *name, TupleDesc desc) {
  Register(names, name, desc, nullptr);
}

Query *Parse(const char *text, QueryEnvironment *names) {
  List *statements = pg_parse_query(text);
  return parse_analyze_fixedparams(linitial_node(RawStmt, statements), text, nullptr, 0, names);
}

RangeTblEntry *RowsEntry(const char *name, TupleDesc desc, double rows) {
  auto *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_NAMEDTUPLESTORE;
  entry->enrname = pstrdup(name);
  entry->enrtuples = rows;
  entry->eref = makeAlias(name, NIL);
  entry->inFromCl = true;
  for (int i = 0; i < desc->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(desc, i);
    entry->eref->colnames =
        lappend(entry->eref->colnames, makeString(pstrdup(NameStr(column->attname))));
    entry->coltypes = lappend_oid(entry->coltypes, column->atttypid);
    entry->coltypmods = lappend_int(entry->coltypmods, column->atttypmod);
    entry->colcollations = lappend_oid(entry->colcollations, column->attcollation);
  }
  return entry;
}

RangeTblEntry *SubqueryEntry(Query *query) {
  auto *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = query;
  entry->eref = makeAlias("part", NIL);
  entry->inFromCl = true;
  ListCell *cell;
  foreach (cell, query->targetList) {
    const auto *target = lfirst_node(TargetEntry, cell);
    if (target->resjunk) continue;
    entry->eref->colnames =
        lappend(entry->eref->colnames,
                makeString(pstrdup(target->resname == nullptr ? "?" : target->resname)));
  }
  return entry;
}

void Splice(Query *query, const char *name, const RangeTblEntry *entry) {
  SpliceContext context = {name, entry};
  SpliceWalker(reinterpret_cast<Node *>(query), &context);
}

Query *UnionAll(Query *one, Query *other) {
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, "one", DescribeRows(one));
  NameShape(names, "other", DescribeRows(other));
  Query *both = Parse("SELECT * FROM one UNION ALL SELECT * FROM other", names);
  Splice(both, "one", SubqueryEntry(one));
  Splice(both, "other", SubqueryEntry(other));
  return both;
}

int AddEntry(Query *query, RangeTblEntry *entry, bool is_source) {
  query->rtable = lappend(query->rtable, entry);
  const int number = list_length(query->rtable);
  if (is_source) {
    auto *reference = makeNode(RangeTblRef);
    reference->rtindex = number;
    query->jointree->fromlist = lappend(query->jointree->fromlist, reference);
  }
  return number;
}

TupleDesc DescribeRows(const Query *query) { return ExecCleanTypeFromTL(query->targetList); }

Bitmapset *Sources(const Query *query) {
  Bitmapset *sources = nullptr;
  AddSources(reinterpret_cast<Node *>(query->jointree), &sources);
  return sources;
}

PlannedStmt *Plan(const Query *query) {
  // The planner scribbles on what it plans.
  auto *copy = static_cast<Query *>(copyObjectImpl(query));
  return pg_plan_query(copy, "view maintenance", 0, nullptr);
}

void StorePlanned(PlannedStmt *plan, TupleDesc desc, QueryEnvironment *names,
                  pg::StoredRows *rows) {
  if (rows->store == nullptr) {
    rows->desc = desc;
    rows->store = tuplestore_begin_heap(false, false, work_mem);
  }
  DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
  SetTuplestoreDestReceiverParams(receiver, rows->store, CurrentMemoryContext, false, nullptr,
                                  nullptr);
  RunPlan(plan, names, receiver);
  receiver->rDestroy(receiver);
}

void Store(const Query *query, QueryEnvironment *names, pg::StoredRows *rows) {
  StorePlanned(Plan(query), DescribeRows(query), names, rows);
}

void StoreText(const char *text, QueryEnvironment *names, pg::StoredRows *rows) {
  TupleDesc desc;
  CachedPlan *plan = PlanText(text, names, &desc);
  StorePlanned(linitial_node(PlannedStmt, plan->stmt_list), desc, names, rows);
  ReleaseCachedPlan(plan, CurrentResourceOwner);
}

void Write(const char *text, QueryEnvironment *names) {
  changelog::OwnerScope owner;
  owner.Enter();
  CachedPlan *plan = PlanText(text, names, nullptr);
  RunPlan(linitial_node(PlannedStmt, plan->stmt_list), names, CreateDestReceiver(DestNone));
  ReleaseCachedPlan(plan, CurrentResourceOwner);
  CommandCounterIncrement();
  owner.Leave();
}

}  // namespace helios::mview
