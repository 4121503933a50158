// The access method's handler: heapam's functions where hot rows alone matter, else the ones of this room.
#include "hybrid/am.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/slot.hpp"

extern "C" {
#include "catalog/pg_am.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

const TupleTableSlotOps *SlotOps(Relation) { return &kHybridSlotOps; }

// Chunks lie in the TOAST relation, whatever the columns.
bool NeedsToast(Relation) { return true; }

Oid ToastAccessMethod(Relation) { return HEAP_TABLE_AM_OID; }

// Whether the server has asked for the routine, which it does when a table is opened.
constinit bool in_use = false;

TableAmRoutine MakeRoutine() {
  TableAmRoutine routine = *Heap();
  routine.slot_callbacks = SlotOps;
  routine.scan_begin = BeginScan;
  routine.scan_end = EndScan;
  routine.scan_rescan = Rescan;
  routine.scan_getnextslot = GetNextSlot;
  // Ranges of identifiers are filtered: cold rows lie behind any number of blocks that are none.
  routine.scan_set_tidrange = nullptr;
  routine.scan_getnextslot_tidrange = nullptr;
  routine.parallelscan_estimate = ParallelEstimate;
  routine.parallelscan_initialize = ParallelInitialize;
  routine.parallelscan_reinitialize = ParallelReinitialize;
  routine.index_fetch_begin = BeginIndexFetch;
  routine.index_fetch_reset = ResetIndexFetch;
  routine.index_fetch_end = EndIndexFetch;
  routine.index_fetch_tuple = FetchIndexTuple;
  routine.tuple_fetch_row_version = FetchRowVersion;
  routine.tuple_tid_valid = IsTidValid;
  routine.tuple_get_latest_tid = GetLatestTid;
  routine.tuple_satisfies_snapshot = SatisfiesSnapshot;
  routine.index_delete_tuples = DeleteIndexTuples;
  routine.tuple_insert = Insert;
  routine.multi_insert = MultiInsert;
  routine.finish_bulk_insert = FinishBulkInsert;
  routine.tuple_delete = Delete;
  routine.tuple_update = Update;
  routine.tuple_lock = Lock;
  routine.relation_copy_for_cluster = CopyForCluster;
  routine.relation_nontransactional_truncate = Truncate;
  routine.relation_vacuum = Vacuum;
  routine.scan_analyze_next_block = AnalyzeNextBlock;
  routine.scan_analyze_next_tuple = AnalyzeNextTuple;
  routine.index_build_range_scan = BuildIndexRange;
  routine.index_validate_scan = ValidateIndex;
  routine.relation_needs_toast_table = NeedsToast;
  routine.relation_toast_am = ToastAccessMethod;
  routine.relation_estimate_size = EstimateSize;
  routine.scan_bitmap_next_block = BitmapNextBlock;
  routine.scan_bitmap_next_tuple = BitmapNextTuple;
  routine.scan_sample_next_block = SampleNextBlock;
  routine.scan_sample_next_tuple = SampleNextTuple;
  return routine;
}

}  // namespace

const TableAmRoutine *Routine() {
  static const TableAmRoutine routine = MakeRoutine();
  return &routine;
}

bool UsesHybridTables() { return in_use; }

bool IsHybrid(Relation rel) { return rel->rd_tableam == Routine(); }

}  // namespace helios::hybrid

HELIOS_FUNCTION(hybrid_handler) {
  (void)fcinfo;
  helios::hybrid::in_use = true;
  PG_RETURN_POINTER(helios::hybrid::Routine());
}
