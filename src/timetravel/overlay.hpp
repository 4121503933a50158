// Rows that stand in place of rows of the past, by primary key:
//
//   local    rows that somebody has instead of those of the past with the same key, and rows of his own
//   deleted  keys whose rows of the past he does not have:  xid | k1 | k2 | …   with a btree index on k1, k2, …
//
// Who names the two tables needs the privileges for `local`; `deleted` must belong to it.
//
// A key is covered if a snapshot sees it in one of the two. The first ones are looked for by the indexes; who asks for
// many gets a hash table of all keys, unless they are more than work_mem holds.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/attnum.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// The two relations; no oid: nothing stands in place of anything. And what is asked for.
struct OverlayTables {
  enum class Part : char {
    kAll = 'a',        // rows of the past that are not covered, and those of `local`
    kUncovered = 'u',  // rows of the past that are not covered
    kCovered = 'c'     // rows of the past that are
  };
  Oid local;
  Oid deleted;
  Part part;
};

// Raises an error unless `deleted` is the table of deleted keys of `local`, and the table of the past has its key.
void CheckOverlay(const OverlayTables &tables, Relation past);

// The primary key that both tables have.
struct OverlayKey {
  Oid local;  // hash key of the cache
  Oid deleted;
  bool valid;
  Oid local_index;
  Oid deleted_index;
  int count;
  AttrNumber column[INDEX_MAX_KEYS];  // of `local`, and of the table of the past
  FmgrInfo equal[INDEX_MAX_KEYS];
  FmgrInfo hash[INDEX_MAX_KEYS];
  Oid collation[INDEX_MAX_KEYS];
  bool by_value[INDEX_MAX_KEYS];
  int16 length[INDEX_MAX_KEYS];
  bool can_hash;
  bool is_number;  // one column whose values are equal only if their bits are
};

// Finds covered keys for one execution of a statement; lives in `context`, and opens relations only while it looks.
class Overlay {
 public:
  Overlay(Oid local, Oid deleted, MemoryContext context);

  // Columns of the primary key, in its order: those of the table of the past, too.
  int key_count() const { return key_.count; }
  AttrNumber key(int i) const { return key_.column[i]; }
  // The primary key's index of the first table.
  Oid local_index() const { return key_.local_index; }

  // Lets only deleted keys count as covered, from the beginning.
  void AskDeletedOnly() { deleted_only_ = true; }

  // Tells whether a snapshot sees the key, none of whose columns is null, in one of the two tables. The snapshot must be
  // the same in all calls.
  bool Covers(const Datum *key, Snapshot snapshot) {
    // Of the rows of a long scan most are not covered, which few bits tell.
    if (likely(filter_ != nullptr) && !HasBit(key[0])) return false;
    return Find(key, snapshot);
  }

 private:
  struct Slot;
  // One of the two tables, with its index and the columns of its key.
  struct Table {
    Oid oid;
    Oid index;
    BlockNumber pages;
    AttrNumber column[INDEX_MAX_KEYS];
  };

  static constexpr int kFilterBits = 16;
  static constexpr int kWordBits = 64;

  // The place of a number among the bits of the filter (multiplicative hashing, Knuth, The Art of Computer Programming,
  // volume 3, section 6.4).
  static uint64 PlaceOf(Datum number) {
    constexpr uint64 kGoldenRatio = 0x9e3779b97f4a7c15;
    return number * kGoldenRatio >> (kWordBits - kFilterBits);
  }
  bool HasBit(Datum number) const {
    const uint64 place = PlaceOf(number);
    return (filter_[place / kWordBits] >> (place % kWordBits) & 1) != 0;
  }

  bool Find(const Datum *key, Snapshot snapshot);
  void Start();
  void AddTable(Oid oid, Oid index, const AttrNumber *columns);
  bool FindByIndex(const Table &table, const Datum *key, Snapshot snapshot);
  void CheckBehind(const Table &table, TupleTableSlot *slot, Snapshot snapshot) const;
  bool MayLoad() const;
  void Load(const Table &table, Snapshot snapshot);
  void Insert(const Datum *key);
  void Grow();
  uint32 Hash(const Datum *key);
  bool IsEqual(const Datum *a, const Datum *b);
  bool FindInMemory(const Datum *key);

  OverlayKey key_;
  MemoryContext context_;
  bool deleted_only_ = false;
  bool is_started_ = false;
  int table_count_ = 0;  // that have pages
  Table tables_[2];
  int probes_ = 0;
  Slot *slots_ = nullptr;     // null: not loaded
  uint64 *filter_ = nullptr;  // of loaded numbers: bits at their places
  uint32 capacity_ = 0;
  uint32 used_ = 0;
};

}  // namespace helios::timetravel
