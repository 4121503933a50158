// Where the cold part of a table lies: in the table's own TOAST relation, beside the values of hot rows
// that are stored out of line. So it is swapped, truncated, dropped, vacuumed and replayed together with
// the table, under the transactions of PostgreSQL.
//
//   chunk_id            chunk_seq             chunk_data
//   1                   block of first row    StoredEntry: a chunk, visible as any row is
//   2                   0                     number of the next row; changed in place
//   16 + row / 2^31     row % 2^31            StoredStandIn: see stand_in.hpp
//   other               piece                 up to kPieceBytes of a chunk (core/chunk.hpp)
//
// PostgreSQL gives out no identifiers below FirstNormalObjectId to values; "block" counts from
// kFirstColdBlock. Inserts are not logged for decoding, which would take them for values.
#pragma once

#include "hybrid/tid.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstdint>
#include <span>

namespace helios::hybrid {

constexpr Oid kEntryKey = 1;
constexpr Oid kCounterKey = 2;
constexpr Oid kFirstStandInKey = 16;
constexpr int kStandInRowBits = 31;
constexpr AttrNumber kStoreDataColumn = 3;  // chunk_data

// A chunk as scans know it.
struct ChunkEntry {
  RowNumber first_row;  // of kRowsPerBlock a multiple
  uint32 rows;
  uint32 meta_bytes;
  uint64 bytes;
  Oid blob;                 // chunk_id of its pieces; invalid: they are yet to be written
  BlockNumber source_from;  // pages that its rows were moved from; both InvalidBlockNumber: none
  BlockNumber source_to;
  uint32 holes;           // rows of which nothing is kept but their places
  TransactionId mover;    // who made cold rows of them
  TransactionId creator;  // who made the entry
  ItemPointerData tid;    // of the entry in the TOAST relation
};

// The TOAST relation and its indexes, open.
struct Store {
  Relation rel;    // the hybrid table
  Relation toast;  // null: the table has none, so that it has no cold row either
  Relation *indexes;
  int index_count;
  int usable;  // the index that is valid
  LOCKMODE lock;

  Relation index() const { return indexes[usable]; }
};

// Opens a table's store; close it, or leave it to the abort of the transaction.
Store OpenStore(Relation rel, LOCKMODE lock);
void CloseStore(Store *store);

// Opens a store for writing; makes the TOAST relation if there is none, which takes SHARE UPDATE
// EXCLUSIVE on the table.
Store OpenStoreForChunks(Relation rel);

// Gives out `count` numbers of rows, the first at the beginning of a block. They stay given out whatever
// becomes of the transaction.
RowNumber ReserveRows(const Store &store, uint32 count);

// Writes the bytes of a chunk and gives their chunk_id: a new one, or `blob` if that is valid. `options`
// are those of heap_insert.
Oid WritePieces(const Store &store, std::span<const uint8> bytes, Oid blob = InvalidOid,
                int options = 0);
// Deletes the pieces of a chunk.
void DeletePieces(const Store &store, Oid blob);
// Reads bytes [offset, offset + bytes) of a chunk; an error if they are not there.
void ReadPieces(const Store &store, Oid blob, uint64 offset, uint64 bytes, uint8 *to);

// Makes the entry of a chunk, and says where it is.
ItemPointerData AddEntry(const Store &store, const ChunkEntry &entry);
// Writes what an entry that this transaction has made did not know yet, in place.
void CompleteEntry(const Store &store, const ChunkEntry &entry);
// Deletes the entry of a chunk; its pieces are the caller's.
void RemoveEntry(const Store &store, const ChunkEntry &entry);
// Puts an entry in the place of one with the same rows.
void ReplaceEntry(const Store &store, const ChunkEntry &old, const ChunkEntry &entry);

// Finds the chunk that holds a row, as the snapshot sees it.
bool FindEntry(const Store &store, RowNumber row, Snapshot snapshot, ChunkEntry *entry);

// All chunks that the snapshot sees, by their rows, in an array of the current context.
ChunkEntry *ListEntries(const Store &store, Snapshot snapshot, uint32 *count);

// Raises a serialization failure if chunks have come or gone since the transaction's snapshot. Who puts rows of chunks
// elsewhere would see those twice otherwise that the snapshot sees where they were.
void RefuseOldSnapshot(const Store &store);

// Walks the tuples of one chunk_id with chunk_seq in [from, to] as the snapshot sees them.
class KeyScan {
 public:
  void Begin(const Store &store, Oid key, int32 from, int32 to, Snapshot snapshot);
  // The next tuple in the direction, null at the end. Good until the next call.
  HeapTuple Next(ScanDirection direction);
  void End();
  int32 sequence() const { return sequence_; }
  std::span<const uint8> data() const { return data_; }

 private:
  SysScanDesc scan_;
  TupleDesc tupdesc_;
  int32 sequence_;
  std::span<const uint8> data_;
};

// Says whether a tuple is the entry of a chunk, and which; it is what KeyScan would give.
bool IsEntry(const Store &store, HeapTuple tuple, ChunkEntry *entry);
// Forms the tuple of an entry.
HeapTuple FormEntry(const Store &store, const ChunkEntry &entry);

// The bytes of a tuple's chunk_data; they lie in the tuple.
std::span<const uint8> DataOf(const Store &store, HeapTuple tuple);
// Forms a tuple of the TOAST relation.
HeapTuple FormStoreTuple(const Store &store, Oid key, int32 sequence, std::span<const uint8> data);
// Inserts a tuple with its index entries; `options` are those of heap_insert.
void InsertStoreTuple(const Store &store, HeapTuple tuple, int options, BulkInsertState bulk);
// Writes bytes of a tuple in place, from `offset` in it on.
void OverwriteTuple(const Store &store, const ItemPointerData &tid, size_t offset,
                    const void *bytes, size_t size);
// Inserts a tuple that is there for everybody, whatever becomes of the transaction. One that is not frozen has
// been left by somebody who did not come to the end of this.
void InsertForAll(const Store &store, HeapTuple tuple);
// Makes the index entries of a tuple that is there.
void IndexStoreTuple(const Store &store, HeapTuple tuple);

}  // namespace helios::hybrid
