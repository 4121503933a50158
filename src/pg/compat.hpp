// Every difference between PostgreSQL 15 and 18 that the code meets, in one place.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/amapi.h"
#include "access/genam.h"
#include "access/generic_xlog.h"
#include "access/heapam_xlog.h"
#include "access/hio.h"
#include "access/transam.h"
#include "access/xloginsert.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Fills the IndexAmRoutine fields that exist only in later versions.
inline void CompleteAmRoutine(IndexAmRoutine *routine, bool can_build_parallel) {
#if PG_VERSION_NUM >= 170000
  routine->amcanbuildparallel = can_build_parallel;
#else
  (void)routine;
  (void)can_build_parallel;
#endif
}

// Honours the cost-based delay and interrupts in a loop of vacuum.
inline void VacuumDelay() {
#if PG_VERSION_NUM >= 180000
  vacuum_delay_point(false);
#else
  vacuum_delay_point();
#endif
}

// Names the relation's storage: changes with every rebuild.
inline Oid FileOf(Relation rel) {
#if PG_VERSION_NUM >= 160000
  return rel->rd_locator.relNumber;
#else
  return rel->rd_node.relNode;
#endif
}

// Extends a relation by one page and returns it locked exclusively; the page is not initialised.
inline Buffer ExtendLocked(Relation rel, ForkNumber fork) {
#if PG_VERSION_NUM >= 160000
  return ExtendBufferedRel(BMR_REL(rel), fork, nullptr, EB_LOCK_FIRST);
#else
  // Also for a relation that this transaction made: parallel workers extend it too.
  const bool lock_needed = !RelationUsesLocalBuffers(rel);
  if (lock_needed) LockRelationForExtension(rel, ExclusiveLock);
  Buffer buffer = ReadBufferExtended(rel, fork, P_NEW, RBM_NORMAL, nullptr);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  if (lock_needed) UnlockRelationForExtension(rel, ExclusiveLock);
  return buffer;
#endif
}

// Returns a page with room for a tuple, locked exclusively, and the page of the visibility map if it needs to change.
inline Buffer GetBufferForTuple(Relation rel, Size bytes, Buffer *map) {
#if PG_VERSION_NUM >= 160000
  return RelationGetBufferForTuple(rel, bytes, InvalidBuffer, 0, nullptr, map, nullptr, 0);
#else
  return RelationGetBufferForTuple(rel, bytes, InvalidBuffer, 0, nullptr, map, nullptr);
#endif
}

// Logs that snapshots of standbys which see a transaction as running must end, with a page that does not
// change: heapam's records that free something carry that, and need not free anything.
inline void LogSnapshotConflict(Buffer buffer, TransactionId youngest) {
  START_CRIT_SECTION();
  MarkBufferDirty(buffer);
  XLogBeginInsert();
#if PG_VERSION_NUM >= 170000
  xl_heap_prune record = {};
  record.flags = XLHP_HAS_CONFLICT_HORIZON;
  XLogRegisterData(reinterpret_cast<char *>(&record), SizeOfHeapPrune);
  XLogRegisterData(reinterpret_cast<char *>(&youngest), sizeof(youngest));
  const uint8 info = XLOG_HEAP2_PRUNE_VACUUM_SCAN;
#elif PG_VERSION_NUM >= 160000
  xl_heap_freeze_page record = {};
  record.snapshotConflictHorizon = youngest;
  XLogRegisterData(reinterpret_cast<char *>(&record), SizeOfHeapFreezePage);
  const uint8 info = XLOG_HEAP2_FREEZE_PAGE;
#else
  xl_heap_freeze_page record = {};
  record.cutoff_xid = youngest;
  TransactionIdAdvance(record.cutoff_xid);
  XLogRegisterData(reinterpret_cast<char *>(&record), SizeOfHeapFreezePage);
  const uint8 info = XLOG_HEAP2_FREEZE_PAGE;
#endif
  XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
  const XLogRecPtr end = XLogInsert(RM_HEAP2_ID, info);
  PageSetLSN(BufferGetPage(buffer), end);
  END_CRIT_SECTION();
}

// Begins an index scan.
inline IndexScanDesc BeginIndexScan(Relation heap, Relation index, Snapshot snapshot, int keys,
                                    int orderbys) {
#if PG_VERSION_NUM >= 180000
  return index_beginscan(heap, index, snapshot, nullptr, keys, orderbys);
#else
  return index_beginscan(heap, index, snapshot, keys, orderbys);
#endif
}

// Begins a scan of an index for a bitmap.
inline IndexScanDesc BeginBitmapScan(Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
  return index_beginscan_bitmap(index, snapshot, nullptr, keys);
#else
  return index_beginscan_bitmap(index, snapshot, keys);
#endif
}

// Calls `visit` with every page of a bitmap, in ascending order.
template <typename Visit>
void ForEachPage(TIDBitmap *bitmap, Visit visit) {
#if PG_VERSION_NUM >= 180000
  TBMPrivateIterator *iterator = tbm_begin_private_iterate(bitmap);
  TBMIterateResult page;
  while (tbm_private_iterate(iterator, &page)) visit(page.blockno);
  tbm_end_private_iterate(iterator);
#else
  TBMIterator *iterator = tbm_begin_iterate(bitmap);
  while (const TBMIterateResult *page = tbm_iterate(iterator)) visit(page->blockno);
  tbm_end_iterate(iterator);
#endif
}

// Names the transaction of this backend, also while it has no number.
inline LocalTransactionId CurrentLocalTransaction() {
#if PG_VERSION_NUM >= 170000
  return MyProc->vxid.lxid;
#else
  return MyProc->lxid;
#endif
}

// Releases what an access method keeps between insertions.
inline void EndIndexInserts(Relation index, IndexInfo *info) {
#if PG_VERSION_NUM >= 170000
  index_insert_cleanup(index, info);
#else
  (void)index;
  (void)info;
#endif
}

// Makes the entries of a new row in the indexes of a table that are open.
inline void InsertIndexEntries(ResultRelInfo *table, TupleTableSlot *row, EState *estate) {
#if PG_VERSION_NUM >= 160000
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL, false);
#else
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL);
#endif
}

// Walkers and mutators of expression trees as PostgreSQL takes them: before 16 without their arguments.
#if PG_VERSION_NUM >= 160000
using WalkerFunction = tree_walker_callback;
using MutatorFunction = tree_mutator_callback;
#else
using WalkerFunction = bool (*)();
using MutatorFunction = Node *(*)();
#endif
template <typename Function>
WalkerFunction AsWalker(Function *function) {
  return reinterpret_cast<WalkerFunction>(reinterpret_cast<void *>(function));
}
template <typename Function>
MutatorFunction AsMutator(Function *function) {
  return reinterpret_cast<MutatorFunction>(reinterpret_cast<void *>(function));
}

}  // namespace helios::pg
