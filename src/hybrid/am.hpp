// The functions of the table access method, by the files that have them, and what these share.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/tableam.h"
#include "commands/vacuum.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// heapam's functions, for hot rows.
inline const TableAmRoutine *Heap() { return GetHeapamTableAmRoutine(); }

extern const TableAmRoutine *Routine();

// scan.cpp
TableScanDesc BeginScan(Relation rel, Snapshot snapshot, int nkeys, ScanKeyData *key,
                        ParallelTableScanDesc parallel, uint32 flags);
void EndScan(TableScanDesc scan);
void Rescan(TableScanDesc scan, ScanKeyData *key, bool set_params, bool allow_strat,
            bool allow_sync, bool allow_pagemode);
bool GetNextSlot(TableScanDesc scan, ScanDirection direction, TupleTableSlot *slot);
Size ParallelEstimate(Relation rel);
Size ParallelInitialize(Relation rel, ParallelTableScanDesc parallel);
void ParallelReinitialize(Relation rel, ParallelTableScanDesc parallel);
bool BitmapNextBlock(TableScanDesc scan, TBMIterateResult *page);
bool BitmapNextTuple(TableScanDesc scan, TBMIterateResult *page, TupleTableSlot *slot);

// sample.cpp
bool SampleNextBlock(TableScanDesc scan, SampleScanState *state);
bool SampleNextTuple(TableScanDesc scan, SampleScanState *state, TupleTableSlot *slot);
bool AnalyzeNextBlock(TableScanDesc scan, BlockNumber block, BufferAccessStrategy strategy);
bool AnalyzeNextTuple(TableScanDesc scan, TransactionId oldest_xmin, double *live_rows,
                      double *dead_rows, TupleTableSlot *slot);

// fetch.cpp
IndexFetchTableData *BeginIndexFetch(Relation rel);
void ResetIndexFetch(IndexFetchTableData *fetch);
void EndIndexFetch(IndexFetchTableData *fetch);
bool FetchIndexTuple(IndexFetchTableData *fetch, ItemPointer tid, Snapshot snapshot,
                     TupleTableSlot *slot, bool *call_again, bool *all_dead);
bool FetchRowVersion(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot);
bool IsTidValid(TableScanDesc scan, ItemPointer tid);
void GetLatestTid(TableScanDesc scan, ItemPointer tid);
bool SatisfiesSnapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot);
TransactionId DeleteIndexTuples(Relation rel, TM_IndexDeleteOp *operation);

// write.cpp
void Insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options, BulkInsertState bulk);
void MultiInsert(Relation rel, TupleTableSlot **slots, int count, CommandId cid, int options,
                 BulkInsertState bulk);
void FinishBulkInsert(Relation rel, int options);
TM_Result Delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
                 Snapshot crosscheck, bool wait, TM_FailureData *failure, bool changing_partition);
TM_Result Update(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
                 Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *failure,
                 LockTupleMode *mode, bool *update_indexes);
TM_Result Lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
               CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
               TM_FailureData *failure);

// build.cpp
double BuildIndexRange(Relation table, Relation index, IndexInfo *info, bool allow_sync,
                       bool any_visible, bool progress, BlockNumber first, BlockNumber blocks,
                       IndexBuildCallback callback, void *state, TableScanDesc scan);
// validate.cpp
void ValidateIndex(Relation table, Relation index, IndexInfo *info, Snapshot snapshot,
                   ValidateIndexState *state);

// vacuum.cpp
void Vacuum(Relation rel, VacuumParams *params, BufferAccessStrategy strategy);

// rewrite.cpp
void CopyForCluster(Relation from, Relation to, Relation index, bool use_sort,
                    TransactionId oldest_xmin, TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
                    double *tuples, double *vacuumed, double *recently_dead);

// truncate.cpp
void Truncate(Relation rel);

// size.cpp
void EstimateSize(Relation rel, int32 *attr_widths, BlockNumber *pages, double *tuples,
                  double *all_visible);

}  // namespace helios::hybrid
