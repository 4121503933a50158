// VACUUM FULL and CLUSTER: hot rows are written anew, as heapam does; cold ones move with their chunks, which
// keep their rows' identifiers, and with all that transactions still have to know about them.
#include "hybrid/am.hpp"
#include "hybrid/hot_tuple.hpp"
#include "hybrid/options.hpp"
#include "hybrid/reencode.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/slot.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/rewriteheap.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "commands/progress.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/backend_progress.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplesort.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// One rewrite: where rows go, and how many there were.
struct Rewrite {
  Relation from;
  Relation to;
  RewriteState state;
  TransactionId oldest_xmin;
  Datum *values;
  bool *nulls;
  double *tuples;
  double *vacuumed;
  double *recently_dead;
};

// Says whether a tuple need not be kept, and tells heapam's rewrite of it then.
bool DropDead(Rewrite *rewrite, HeapTuple tuple, Buffer buffer) {
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  const HTSV_Result state = HeapTupleSatisfiesVacuum(tuple, rewrite->oldest_xmin, buffer);
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  if (state == HEAPTUPLE_RECENTLY_DEAD || state == HEAPTUPLE_DELETE_IN_PROGRESS) {
    *rewrite->recently_dead += 1;
  }
  if (state != HEAPTUPLE_DEAD) return false;
  *rewrite->vacuumed += 1;
  if (rewrite_heap_dead_tuple(rewrite->state, tuple)) {
    *rewrite->vacuumed += 1;
    *rewrite->recently_dead -= 1;
  }
  return true;
}

// Writes a hot row that has been cold. If everybody sees that it was moved it becomes a row like others, with the
// creator as its xmin; else it is only kept if nothing of it is put out of line, where the creator would be lost.
void WriteFormerlyCold(Rewrite *rewrite, HeapTuple tuple, HeapTuple formed) {
  const TransactionId creator = CreatorOf(tuple->t_data);
  if (TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data), rewrite->oldest_xmin)) {
    HeapTuple old = heap_copytuple(tuple);
    HeapTupleHeaderSetXmin(old->t_data, creator);
    old->t_data->t_infomask |= HEAP_XMIN_FROZEN;
    rewrite_heap_tuple(rewrite->state, old, formed);
    heap_freetuple(old);
    return;
  }
  if (NeedsToast(formed)) {
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_IN_USE),
         errmsg("table \"%s\" has rows that were made hot so recently that it cannot be rewritten",
                RelationGetRelationName(rewrite->from)),
         errdetail("Transactions that began before that are still running."),
         errhint("Try again when they have ended.")));
  }
  HeapTuple kept = WithCreator(formed, creator);
  rewrite_heap_tuple(rewrite->state, tuple, kept);
  heap_freetuple(kept);
}

// Writes a hot row without the values of dropped columns.
void WriteHot(Rewrite *rewrite, HeapTuple tuple) {
  const TupleDesc tupdesc = RelationGetDescr(rewrite->to);
  heap_deform_tuple(tuple, RelationGetDescr(rewrite->from), rewrite->values, rewrite->nulls);
  for (int i = 0; i < tupdesc->natts; i++) {
    if (TupleDescAttr(tupdesc, i)->attisdropped) rewrite->nulls[i] = true;
  }
  HeapTuple formed = heap_form_tuple(tupdesc, rewrite->values, rewrite->nulls);
  if (WasCold(tuple->t_data)) {
    WriteFormerlyCold(rewrite, tuple, formed);
  } else {
    rewrite_heap_tuple(rewrite->state, tuple, formed);
  }
  heap_freetuple(formed);
}

void CopyHot(Rewrite *rewrite, Relation index, bool use_sort) {
  Tuplesortstate *sort =
      use_sort ? tuplesort_begin_cluster(RelationGetDescr(rewrite->from), index,
                                         maintenance_work_mem, nullptr, TUPLESORT_NONE)
               : nullptr;
  IndexScanDesc by_index = nullptr;
  TableScanDesc by_block = nullptr;
  if (index != nullptr && !use_sort) {
    pgstat_progress_update_param(PROGRESS_CLUSTER_PHASE, PROGRESS_CLUSTER_PHASE_INDEX_SCAN_HEAP);
    by_index = pg::BeginIndexScan(rewrite->from, index, SnapshotAny, 0, 0);
    index_rescan(by_index, nullptr, 0, nullptr, 0);
  } else {
    pgstat_progress_update_param(PROGRESS_CLUSTER_PHASE, PROGRESS_CLUSTER_PHASE_SEQ_SCAN_HEAP);
    by_block = table_beginscan(rewrite->from, SnapshotAny, 0, nullptr);
    pgstat_progress_update_param(PROGRESS_CLUSTER_TOTAL_HEAP_BLKS,
                                 reinterpret_cast<HeapScanDesc>(by_block)->rs_nblocks);
  }
  TupleTableSlot *slot = table_slot_create(rewrite->from, nullptr);
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (by_index != nullptr) {
      if (!index_getnext_slot(by_index, ForwardScanDirection, slot)) break;
      if (by_index->xs_recheck) elog(ERROR, "CLUSTER does not support lossy index conditions");
      if (IsCold(slot->tts_tid)) continue;
    } else {
      AsHeapSlot as_heap(slot);
      const bool found = heap_getnextslot(by_block, ForwardScanDirection, slot);
      as_heap.Restore();
      if (!found) break;
      pgstat_progress_update_param(PROGRESS_CLUSTER_HEAP_BLKS_SCANNED,
                                   reinterpret_cast<HeapScanDesc>(by_block)->rs_cblock);
    }
    HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, nullptr);
    if (DropDead(rewrite, tuple, AsHybridSlot(slot)->heap.buffer)) continue;
    *rewrite->tuples += 1;
    pgstat_progress_update_param(PROGRESS_CLUSTER_HEAP_TUPLES_SCANNED,
                                 static_cast<int64>(*rewrite->tuples));
    if (sort != nullptr) {
      tuplesort_putheaptuple(sort, tuple);
    } else {
      WriteHot(rewrite, tuple);
    }
  }
  if (by_index != nullptr) index_endscan(by_index);
  if (by_block != nullptr) table_endscan(by_block);
  ExecDropSingleTupleTableSlot(slot);
  if (sort == nullptr) return;
  pgstat_progress_update_param(PROGRESS_CLUSTER_PHASE, PROGRESS_CLUSTER_PHASE_SORT_TUPLES);
  tuplesort_performsort(sort);
  pgstat_progress_update_param(PROGRESS_CLUSTER_PHASE, PROGRESS_CLUSTER_PHASE_WRITE_NEW_HEAP);
  while (HeapTuple tuple = tuplesort_getheaptuple(sort, true)) {
    CHECK_FOR_INTERRUPTS();
    WriteHot(rewrite, tuple);
  }
  tuplesort_end(sort);
}

// The TOAST relation that is new counts from now; what it gets is as old as the table.
void SetFrozenLimits(Oid toast, TransactionId xid, MultiXactId multi) {
  Relation classes = table_open(RelationRelationId, RowExclusiveLock);
  HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(toast));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", toast);
  auto form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
  form->relfrozenxid = xid;
  form->relminmxid = multi;
  CatalogTupleUpdate(classes, &tuple->t_self, tuple);
  heap_freetuple(tuple);
  table_close(classes, RowExclusiveLock);
  CommandCounterIncrement();
}

// The chunks of a table that anybody sees, by the chunk_id of their pieces.
struct ChunkBytes {
  Oid blob;
  bool reencoded;  // its pieces are in the new relation already, and it is as large as follows
  uint32 meta_bytes;
  uint64 bytes;
};

// Lists chunks, and writes those anew that lack columns: VACUUM FULL makes PostgreSQL forget what rows without
// a column have there.
HTAB *PrepareChunks(const Store &from, const Store &to) {
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(ChunkBytes);
  control.hcxt = CurrentMemoryContext;
  HTAB *chunks =
      hash_create("heliosdb chunks", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  uint32 count;
  // Of a chunk that nobody sees any more some pieces may have been pruned.
  SnapshotData needed;
  InitNonVacuumableSnapshot(needed, GlobalVisTestFor(from.toast));
  const ChunkEntry *entries = ListEntries(from, &needed, &count);
  const TupleDesc tupdesc = RelationGetDescr(from.rel);
  ChunkReader *reader = ChunkReader::Make(CurrentMemoryContext, from.rel, tupdesc);
  ChunkWriter *writer =
      ChunkWriter::Make(CurrentMemoryContext, from.rel, PoliciesOf(from.rel), true);
  for (uint32 i = 0; i < count; i++) {
    bool found;
    auto *chunk =
        static_cast<ChunkBytes *>(hash_search(chunks, &entries[i].blob, HASH_ENTER, &found));
    if (found) continue;
    chunk->reencoded = false;
    reader->Open(entries[i]);
    if (!reader->LacksColumns()) continue;
    GatherChunk(reader, tupdesc, nullptr, writer);
    const std::span<const uint8> bytes = writer->Encode();
    WritePieces(to, bytes, entries[i].blob);
    chunk->reencoded = true;
    chunk->meta_bytes = writer->meta_bytes();
    chunk->bytes = bytes.size();
    writer->Reset();
  }
  reader->Destroy();
  writer->Destroy();
  return chunks;
}

// The tuple that takes the place of one of the TOAST relation; null: none does.
HeapTuple Convert(const Store &from, const Store &to, HTAB *chunks, HeapTuple tuple) {
  bool isnull;
  Oid key = DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(from.toast), &isnull));
  if (key >= FirstNormalObjectId) {
    const auto *chunk = static_cast<ChunkBytes *>(hash_search(chunks, &key, HASH_FIND, nullptr));
    return chunk == nullptr || chunk->reencoded ? nullptr : heap_copytuple(tuple);
  }
  ChunkEntry entry;
  if (!IsEntry(from, tuple, &entry)) return heap_copytuple(tuple);
  const auto *chunk =
      static_cast<ChunkBytes *>(hash_search(chunks, &entry.blob, HASH_FIND, nullptr));
  if (chunk == nullptr || !chunk->reencoded) return heap_copytuple(tuple);
  entry.meta_bytes = chunk->meta_bytes;
  entry.bytes = chunk->bytes;
  return FormEntry(to, entry);
}

// Copies what is not the value of a hot row. That comes before these values are written, so that none gets
// the chunk_id of a chunk.
void CopyCold(Rewrite *rewrite, TransactionId xid_cutoff, MultiXactId multi_cutoff) {
  Store from = OpenStore(rewrite->from, AccessExclusiveLock);
  Store to = OpenStore(rewrite->to, AccessExclusiveLock);
  uint32 count = 0;
  if (from.toast != nullptr && to.toast != nullptr) ListEntries(from, SnapshotAny, &count);
  if (count > 0) {
    SetFrozenLimits(RelationGetRelid(to.toast), xid_cutoff, multi_cutoff);
    HTAB *chunks = PrepareChunks(from, to);
    Rewrite cold = *rewrite;
    double ignored = 0;
    cold.vacuumed = cold.recently_dead = &ignored;
    cold.state =
        begin_heap_rewrite(from.toast, to.toast, rewrite->oldest_xmin, xid_cutoff, multi_cutoff);
    TupleTableSlot *slot = table_slot_create(from.toast, nullptr);
    TableScanDesc scan = table_beginscan(from.toast, SnapshotAny, 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
      CHECK_FOR_INTERRUPTS();
      HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, nullptr);
      HeapTuple converted = Convert(from, to, chunks, tuple);
      if (converted == nullptr) continue;
      if (!DropDead(&cold, tuple, reinterpret_cast<BufferHeapTupleTableSlot *>(slot)->buffer)) {
        rewrite_heap_tuple(cold.state, tuple, converted);
      }
      heap_freetuple(converted);
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(slot);
    end_heap_rewrite(cold.state);
    // The rewrite makes no index entries.
    const Oid index = RelationGetRelid(to.index());
    CloseStore(&to);
    ReindexParams params = {};
    reindex_index(index, false, rewrite->to->rd_rel->relpersistence, &params);
    CommandCounterIncrement();
  }
  CloseStore(&from);
  CloseStore(&to);
}

}  // namespace

void CopyForCluster(Relation from, Relation to, Relation index, bool use_sort,
                    TransactionId oldest_xmin, TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
                    double *tuples, double *vacuumed, double *recently_dead) {
  Rewrite rewrite = {};
  rewrite.from = from;
  rewrite.to = to;
  rewrite.oldest_xmin = oldest_xmin;
  rewrite.values = static_cast<Datum *>(palloc(RelationGetDescr(to)->natts * sizeof(Datum)));
  rewrite.nulls = static_cast<bool *>(palloc(RelationGetDescr(to)->natts * sizeof(bool)));
  rewrite.tuples = tuples;
  rewrite.vacuumed = vacuumed;
  rewrite.recently_dead = recently_dead;
  CopyCold(&rewrite, *xid_cutoff, *multi_cutoff);
  rewrite.state = begin_heap_rewrite(from, to, oldest_xmin, *xid_cutoff, *multi_cutoff);
  CopyHot(&rewrite, index, use_sort);
  end_heap_rewrite(rewrite.state);
}

}  // namespace helios::hybrid
