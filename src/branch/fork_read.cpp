#include "branch/fork_read.hpp"

#include "branch/redirect.hpp"
#include "pg/names.hpp"
#include "pg/range_table.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "tcop/dest.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

TableSampleClause *MakeSample(const char *method, List *arguments) {
  TableSampleClause *sample = makeNode(TableSampleClause);
  sample->tsmhandler = pg::FindFunction(kAdminSchema, method, {INTERNALOID});
  sample->args = arguments;
  return sample;
}

// The columns of the copy, from entry 1; null where it has none any more.
List *ColumnsOf(Oid copy_oid) {
  Relation copy = table_open(copy_oid, AccessShareLock);
  const TupleDesc row = RelationGetDescr(copy);
  List *columns = NIL;
  for (int i = 0; i < row->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(row, i);
    Expr *value =
        column->attisdropped
            ? reinterpret_cast<Expr *>(makeNullConst(INT4OID, -1, InvalidOid))
            : reinterpret_cast<Expr *>(makeVar(1, column->attnum, column->atttypid,
                                               column->atttypmod, column->attcollation, 0));
    columns = lappend(columns, makeTargetEntry(value, static_cast<AttrNumber>(i + 1),
                                               pstrdup(NameStr(column->attname)), false));
  }
  table_close(copy, NoLock);
  return columns;
}

}  // namespace

TableSampleClause *SampleAt(ForkPoint fork) {
  return MakeSample(CarrierOf(fork), list_make1(MomentOf(fork)));
}

TableSampleClause *ForkSample() { return SampleAt(MainFork()); }

TableSampleClause *OverlaidSample(const Local &local, Rows rows) {
  return MakeSample(kOverlaidCarrier,
                    OverlaidArguments(MainFork(), local, static_cast<char>(rows)));
}

PlannedStmt *PlanForkRead(Oid main, Oid copy, TableSampleClause *sample, List *quals) {
  Relation table = table_open(main, AccessShareLock);
  RangeTblEntry *entry = pg::MakeTableEntry(table);
  entry->inh = true;
  entry->tablesample = sample;
  table_close(table, NoLock);

  Query *query = makeNode(Query);
  query->commandType = CMD_SELECT;
  query->querySource = QSRC_ORIGINAL;
  query->canSetTag = true;
  query->rtable = list_make1(entry);
  RangeTblRef *reference = makeNode(RangeTblRef);
  reference->rtindex = 1;
  query->jointree =
      makeFromExpr(list_make1(reference), reinterpret_cast<Node *>(make_ands_explicit(quals)));
  query->targetList = ColumnsOf(copy);
  return PlanUnled(query);
}

void ForkReader::Open(PlannedStmt *plan, ParamListInfo params, Snapshot snapshot) {
  query_ = CreateQueryDesc(plan, "", snapshot, InvalidSnapshot, None_Receiver, params, nullptr, 0);
  PushActiveSnapshot(snapshot);
  ExecutorStart(query_, 0);
  PopActiveSnapshot();
}

void ForkReader::Rescan() { ExecReScan(query_->planstate); }

TupleTableSlot *ForkReader::Next() {
  EState *estate = query_->estate;
  PushActiveSnapshot(query_->snapshot);
  MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
  ResetPerTupleExprContext(estate);
  TupleTableSlot *slot = ExecProcNode(query_->planstate);
  MemoryContextSwitchTo(before);
  PopActiveSnapshot();
  return slot;
}

void ForkReader::Close() {
  ExecutorFinish(query_);
  ExecutorEnd(query_);
  FreeQueryDesc(query_);
  query_ = nullptr;
}

}  // namespace helios::branch
