#include "hybrid/store.hpp"

#include "hybrid/core/chunk.hpp"
#include "pg/pause.hpp"

#include "hybrid/direct_load.hpp"

extern "C" {
#include "access/generic_xlog.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/toasting.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

constexpr uint32 kEntryMagic = 0x454b4843;  // "CHKE"
constexpr uint16 kEntryVersion = 1;
constexpr AttrNumber kKeyColumn = 1;
constexpr AttrNumber kSequenceColumn = 2;

// What fits a page together with the headers of tuple and page, so that a page holds one piece.
constexpr uint32 kPieceBytes =
    MaxHeapTupleSize - MAXALIGN(SizeofHeapTupleHeader) - 2 * sizeof(int32) - VARHDRSZ;

// More than a header of 1,600 columns and the zones of all of them.
constexpr uint32 kMaxMetaBytes = 4 << 20;

// A chunk as its entry is stored.
struct StoredEntry {
  uint32 magic;
  uint16 version;
  uint16 flags;
  uint32 rows;
  uint32 meta_bytes;
  uint64 bytes;
  Oid blob;
  BlockNumber source_from;
  BlockNumber source_to;
  uint32 holes;
  TransactionId mover;
  uint32 reserved;
};

// Whom the numbers of rows belong to while they are given out: a tuple that no table has.
ItemPointerData CounterLock() { return TidOf(kMaxRows - 1); }

// Raises that a table's cold rows cannot be read.
[[noreturn]] void RaiseCorrupted(const Store &store, const char *what) {
  ereport(
      ERROR,
      (errcode(ERRCODE_DATA_CORRUPTED),
       errmsg("table \"%s\" has %s among its cold rows", RelationGetRelationName(store.rel), what),
       errhint(
           "Restore the table from a backup, or read its other rows by leaving out this part.")));
}

// Takes an entry as it is stored.
ChunkEntry ReadEntry(const Store &store, HeapTuple tuple, int32 sequence,
                     std::span<const uint8> data) {
  StoredEntry stored;
  if (data.size() != sizeof(stored)) RaiseCorrupted(store, "a chunk's entry of a wrong size");
  memcpy(&stored, data.data(), sizeof(stored));
  if (stored.magic != kEntryMagic || stored.version != kEntryVersion || sequence < 0 ||
      stored.rows == 0 || stored.rows > kMaxChunkRows || stored.holes > stored.rows ||
      stored.meta_bytes > stored.bytes || stored.meta_bytes > kMaxMetaBytes) {
    RaiseCorrupted(store, "a chunk's entry that nobody wrote");
  }
  return {.first_row = RowNumber{static_cast<uint32>(sequence)} * kRowsPerBlock,
          .rows = stored.rows,
          .meta_bytes = stored.meta_bytes,
          .bytes = stored.bytes,
          .blob = stored.blob,
          .source_from = stored.source_from,
          .source_to = stored.source_to,
          .holes = stored.holes,
          .mover = stored.mover,
          .creator = HeapTupleHeaderGetRawXmin(tuple->t_data),
          .tid = tuple->t_self};
}

}  // namespace

Store OpenStore(Relation rel, LOCKMODE lock) {
  // Who reads sees what this session has inserted.
  if (HasLoads()) FlushLoad(RelationGetRelid(rel));
  Store store = {};
  store.rel = rel;
  store.lock = lock;
  const Oid toast = rel->rd_rel->reltoastrelid;
  if (!OidIsValid(toast)) return store;
  store.toast = table_open(toast, lock);
  store.usable = toast_open_indexes(store.toast, lock, &store.indexes, &store.index_count);
  return store;
}

void CloseStore(Store *store) {
  if (store->toast == nullptr) return;
  // What was written must stay to be seen by those who rebuild an index of the TOAST relation.
  const LOCKMODE unlock = store->lock == AccessShareLock ? AccessShareLock : NoLock;
  toast_close_indexes(store->indexes, store->index_count, unlock);
  table_close(store->toast, unlock);
  store->toast = nullptr;
}

Store OpenStoreForChunks(Relation rel) {
  if (!OidIsValid(rel->rd_rel->reltoastrelid)) {
    LockRelation(rel, ShareUpdateExclusiveLock);
    AlterTableCreateToastTable(RelationGetRelid(rel), PointerGetDatum(nullptr),
                               ShareUpdateExclusiveLock);
    CommandCounterIncrement();
  }
  return OpenStore(rel, RowExclusiveLock);
}

HeapTuple FormStoreTuple(const Store &store, Oid key, int32 sequence, std::span<const uint8> data) {
  auto *bytes = static_cast<varlena *>(palloc(VARHDRSZ + data.size()));
  SET_VARSIZE(bytes, VARHDRSZ + data.size());
  memcpy(VARDATA(bytes), data.data(), data.size());
  Datum values[] = {ObjectIdGetDatum(key), Int32GetDatum(sequence), PointerGetDatum(bytes)};
  bool nulls[] = {false, false, false};
  HeapTuple tuple = heap_form_tuple(RelationGetDescr(store.toast), values, nulls);
  pfree(bytes);
  return tuple;
}

void IndexStoreTuple(const Store &store, HeapTuple tuple) {
  const TupleDesc tupdesc = RelationGetDescr(store.toast);
  bool nulls[] = {false, false};
  bool isnull;
  Datum values[] = {heap_getattr(tuple, kKeyColumn, tupdesc, &isnull),
                    heap_getattr(tuple, kSequenceColumn, tupdesc, &isnull)};
  for (int i = 0; i < store.index_count; i++) {
    Relation index = store.indexes[i];
    if (!index->rd_index->indisready) continue;
    index_insert(index, values, nulls, &tuple->t_self, store.toast,
                 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, nullptr);
  }
}

void InsertStoreTuple(const Store &store, HeapTuple tuple, int options, BulkInsertState bulk) {
  heap_insert(store.toast, tuple, GetCurrentCommandId(true), options | HEAP_INSERT_NO_LOGICAL,
              bulk);
  IndexStoreTuple(store, tuple);
}

void InsertForAll(const Store &store, HeapTuple tuple) {
  // It is frozen when the index has it: without an entry nobody would find it, and make another one.
  InsertStoreTuple(store, tuple, 0, nullptr);
  pg::Pause("hybrid_before_freeze");
  Buffer buffer = ReadBuffer(store.toast, ItemPointerGetBlockNumber(&tuple->t_self));
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  GenericXLogState *xlog = GenericXLogStart(store.toast);
  Page page = GenericXLogRegisterBuffer(xlog, buffer, 0);
  ItemId item = PageGetItemId(page, ItemPointerGetOffsetNumber(&tuple->t_self));
  HeapTupleHeaderSetXminFrozen(reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item)));
  GenericXLogFinish(xlog);
  UnlockReleaseBuffer(buffer);
}

HeapTuple FormEntry(const Store &store, const ChunkEntry &entry) {
  const StoredEntry stored = {.magic = kEntryMagic,
                              .version = kEntryVersion,
                              .flags = 0,
                              .rows = entry.rows,
                              .meta_bytes = entry.meta_bytes,
                              .bytes = entry.bytes,
                              .blob = entry.blob,
                              .source_from = entry.source_from,
                              .source_to = entry.source_to,
                              .holes = entry.holes,
                              .mover = entry.mover,
                              .reserved = 0};
  return FormStoreTuple(store, kEntryKey, static_cast<int32>(entry.first_row / kRowsPerBlock),
                        {reinterpret_cast<const uint8 *>(&stored), sizeof(stored)});
}

std::span<const uint8> DataOf(const Store &store, HeapTuple tuple) {
  bool isnull;
  auto *data = reinterpret_cast<varlena *>(DatumGetPointer(
      heap_getattr(tuple, kStoreDataColumn, RelationGetDescr(store.toast), &isnull)));
  return {reinterpret_cast<const uint8 *>(VARDATA_ANY(data)),
          static_cast<size_t>(VARSIZE_ANY_EXHDR(data))};
}

bool IsEntry(const Store &store, HeapTuple tuple, ChunkEntry *entry) {
  const TupleDesc tupdesc = RelationGetDescr(store.toast);
  bool isnull;
  if (DatumGetObjectId(heap_getattr(tuple, kKeyColumn, tupdesc, &isnull)) != kEntryKey) {
    return false;
  }
  const int32 sequence = DatumGetInt32(heap_getattr(tuple, kSequenceColumn, tupdesc, &isnull));
  *entry = ReadEntry(store, tuple, sequence, DataOf(store, tuple));
  return true;
}

void KeyScan::Begin(const Store &store, Oid key, int32 from, int32 to, Snapshot snapshot) {
  ScanKeyData keys[3];
  ScanKeyInit(&keys[0], kKeyColumn, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(key));
  ScanKeyInit(&keys[1], kSequenceColumn, BTGreaterEqualStrategyNumber, F_INT4GE,
              Int32GetDatum(from));
  ScanKeyInit(&keys[2], kSequenceColumn, BTLessEqualStrategyNumber, F_INT4LE, Int32GetDatum(to));
  scan_ = systable_beginscan_ordered(store.toast, store.index(), snapshot, 3, keys);
  tupdesc_ = RelationGetDescr(store.toast);
}

HeapTuple KeyScan::Next(ScanDirection direction) {
  HeapTuple tuple = systable_getnext_ordered(scan_, direction);
  if (tuple == nullptr) return nullptr;
  bool isnull;
  sequence_ = DatumGetInt32(fastgetattr(tuple, kSequenceColumn, tupdesc_, &isnull));
  auto *data = reinterpret_cast<varlena *>(
      DatumGetPointer(fastgetattr(tuple, kStoreDataColumn, tupdesc_, &isnull)));
  data_ = {reinterpret_cast<const uint8 *>(VARDATA_ANY(data)),
           static_cast<size_t>(VARSIZE_ANY_EXHDR(data))};
  return tuple;
}

void KeyScan::End() { systable_endscan_ordered(scan_); }

RowNumber ReserveRows(const Store &store, uint32 count) {
  const uint64 blocks = (uint64{count} + kRowsPerBlock - 1) / kRowsPerBlock;
  ItemPointerData lock = CounterLock();
  LockTuple(store.rel, &lock, ExclusiveLock);
  KeyScan scan;
  scan.Begin(store, kCounterKey, 0, 0, SnapshotAny);
  HeapTuple tuple = scan.Next(ForwardScanDirection);
  while (tuple != nullptr && !HeapTupleHeaderXminFrozen(tuple->t_data)) {
    tuple = scan.Next(ForwardScanDirection);
  }
  uint64 block = 0;
  if (tuple != nullptr) {
    if (scan.data().size() != sizeof(block)) RaiseCorrupted(store, "a counter of a wrong size");
    memcpy(&block, scan.data().data(), sizeof(block));
  }
  const uint64 next = block + blocks;
  if (next > kMaxRows / kRowsPerBlock) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("table \"%s\" has no numbers for cold rows left",
                           RelationGetRelationName(store.rel)),
                    errhint("Copy the rows into a new table.")));
  }
  if (tuple == nullptr) {
    scan.End();
    HeapTuple counter = FormStoreTuple(store, kCounterKey, 0,
                                       {reinterpret_cast<const uint8 *>(&next), sizeof(next)});
    InsertForAll(store, counter);
  } else {
    const ItemPointerData tid = tuple->t_self;
    const size_t offset = scan.data().data() - reinterpret_cast<const uint8 *>(tuple->t_data);
    scan.End();
    OverwriteTuple(store, tid, offset, &next, sizeof(next));
  }
  UnlockTuple(store.rel, &lock, ExclusiveLock);
  return RowNumber{block} * kRowsPerBlock;
}

Oid WritePieces(const Store &store, std::span<const uint8> bytes, Oid blob, int options) {
  if (!OidIsValid(blob)) {
    blob = GetNewOidWithIndex(store.toast, RelationGetRelid(store.index()), kKeyColumn);
  }
  BulkInsertState bulk = GetBulkInsertState();
  int32 sequence = 0;
  for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    CHECK_FOR_INTERRUPTS();
    const size_t size = bytes.size() - at < kPieceBytes ? bytes.size() - at : kPieceBytes;
    HeapTuple tuple = FormStoreTuple(store, blob, sequence++, bytes.subspan(at, size));
    InsertStoreTuple(store, tuple, options, bulk);
    heap_freetuple(tuple);
  }
  FreeBulkInsertState(bulk);
  return blob;
}

void DeletePieces(const Store &store, Oid blob) {
  KeyScan scan;
  scan.Begin(store, blob, 0, PG_INT32_MAX, SnapshotAny);
  while (HeapTuple tuple = scan.Next(ForwardScanDirection)) {
    CHECK_FOR_INTERRUPTS();
    simple_heap_delete(store.toast, &tuple->t_self);
  }
  scan.End();
}

void ReadPieces(const Store &store, Oid blob, uint64 offset, uint64 bytes, uint8 *to) {
  if (bytes == 0) return;
  const auto first = static_cast<int32>(offset / kPieceBytes);
  const auto last = static_cast<int32>((offset + bytes - 1) / kPieceBytes);
  KeyScan scan;
  scan.Begin(store, blob, first, last, SnapshotAny);
  int32 expected = first;
  uint64 done = 0;
  while (scan.Next(ForwardScanDirection) != nullptr) {
    if (scan.sequence() != expected) RaiseCorrupted(store, "a chunk that lacks a piece");
    const uint64 skip = expected == first ? offset % kPieceBytes : 0;
    const std::span<const uint8> piece = scan.data();
    if (piece.size() > kPieceBytes || piece.size() < skip) {
      RaiseCorrupted(store, "a piece of a wrong size");
    }
    const uint64 rest = bytes - done;
    const uint64 size = piece.size() - skip < rest ? piece.size() - skip : rest;
    memcpy(to + done, piece.data() + skip, size);
    done += size;
    expected++;
  }
  scan.End();
  if (done != bytes) RaiseCorrupted(store, "a chunk that is not complete");
}

ItemPointerData AddEntry(const Store &store, const ChunkEntry &entry) {
  HeapTuple tuple = FormEntry(store, entry);
  InsertStoreTuple(store, tuple, 0, nullptr);
  const ItemPointerData tid = tuple->t_self;
  heap_freetuple(tuple);
  return tid;
}

void CompleteEntry(const Store &store, const ChunkEntry &entry) {
  HeapTuple tuple = FormEntry(store, entry);
  OverwriteTuple(store, entry.tid, tuple->t_data->t_hoff,
                 reinterpret_cast<const char *>(tuple->t_data) + tuple->t_data->t_hoff,
                 tuple->t_len - tuple->t_data->t_hoff);
  heap_freetuple(tuple);
}

void OverwriteTuple(const Store &store, const ItemPointerData &tid, size_t offset,
                    const void *bytes, size_t size) {
  Buffer buffer = ReadBuffer(store.toast, ItemPointerGetBlockNumber(&tid));
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  GenericXLogState *xlog = GenericXLogStart(store.toast);
  Page page = GenericXLogRegisterBuffer(xlog, buffer, 0);
  char *item = PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(&tid)));
  memcpy(item + offset, bytes, size);
  GenericXLogFinish(xlog);
  UnlockReleaseBuffer(buffer);
}

void RemoveEntry(const Store &store, const ChunkEntry &entry) {
  ItemPointerData tid = entry.tid;
  simple_heap_delete(store.toast, &tid);
}

void ReplaceEntry(const Store &store, const ChunkEntry &old, const ChunkEntry &entry) {
  RemoveEntry(store, old);
  CommandCounterIncrement();
  AddEntry(store, entry);
}

bool FindEntry(const Store &store, RowNumber row, Snapshot snapshot, ChunkEntry *entry) {
  // Of several entries for the same rows the pieces of the last one are there in any case.
  if (snapshot == SnapshotAny && FindEntry(store, row, SnapshotSelf, entry)) return true;
  KeyScan scan;
  scan.Begin(store, kEntryKey, 0, static_cast<int32>(row / kRowsPerBlock), snapshot);
  HeapTuple tuple = scan.Next(BackwardScanDirection);
  bool found = false;
  if (tuple != nullptr) {
    *entry = ReadEntry(store, tuple, scan.sequence(), scan.data());
    found = row - entry->first_row < entry->rows;
  }
  scan.End();
  return found;
}

ChunkEntry *ListEntries(const Store &store, Snapshot snapshot, uint32 *count) {
  uint32 room = 64;
  auto *entries = static_cast<ChunkEntry *>(palloc(room * sizeof(ChunkEntry)));
  // While TRUNCATE builds the indexes of a table, those of its TOAST relation still lead to rows of old.
  *count = 0;
  if (RelationGetNumberOfBlocks(store.toast) == 0) return entries;
  uint32 n = 0;
  KeyScan scan;
  scan.Begin(store, kEntryKey, 0, PG_INT32_MAX, snapshot);
  while (HeapTuple tuple = scan.Next(ForwardScanDirection)) {
    if (n == room) {
      room *= 2;
      entries = static_cast<ChunkEntry *>(repalloc_huge(entries, Size{room} * sizeof(ChunkEntry)));
    }
    entries[n++] = ReadEntry(store, tuple, scan.sequence(), scan.data());
  }
  scan.End();
  *count = n;
  return entries;
}

void RefuseOldSnapshot(const Store &store) {
  if (!IsolationUsesXactSnapshot()) return;
  uint32 seen_count;
  uint32 count;
  const ChunkEntry *seen = ListEntries(store, GetTransactionSnapshot(), &seen_count);
  const ChunkEntry *current = ListEntries(store, SnapshotSelf, &count);
  bool same = seen_count == count;
  for (uint32 i = 0; same && i < count; i++) {
    ItemPointerData tid = current[i].tid;
    same = ItemPointerEquals(&tid, const_cast<ItemPointerData *>(&seen[i].tid));
  }
  if (same) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("could not serialize access due to concurrent update")));
}

}  // namespace helios::hybrid
