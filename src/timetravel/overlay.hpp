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

// Finds covered keys for one execution of a statement; lives in `context`, and opens relations only while it looks.
class Overlay {
 public:
  Overlay(Oid local, Oid deleted, MemoryContext context);

  // Columns of the primary key, in its order: those of the table of the past, too.
  int key_count() const { return key_count_; }
  AttrNumber key(int i) const { return key_[i]; }

  // Tells whether a snapshot sees the key, none of whose columns is null, in one of the two tables. The snapshot must be
  // the same in all calls.
  bool Covers(const Datum *key, Snapshot snapshot);

 private:
  struct Slot;

  bool FindByIndex(Oid table, Oid index, const Datum *key, Snapshot snapshot);
  bool MayLoad();
  void Load(Oid table, const AttrNumber *columns, Snapshot snapshot);
  void Insert(const Datum *key);
  void Grow();
  uint32 Hash(const Datum *key);
  bool IsEqual(const Datum *a, const Datum *b);
  bool FindInMemory(const Datum *key);

  Oid local_;
  Oid deleted_;
  MemoryContext context_;
  Oid local_index_;
  Oid deleted_index_;
  int key_count_;
  AttrNumber key_[INDEX_MAX_KEYS];
  AttrNumber deleted_key_[INDEX_MAX_KEYS];
  FmgrInfo equal_[INDEX_MAX_KEYS];
  FmgrInfo hash_[INDEX_MAX_KEYS];
  Oid collation_[INDEX_MAX_KEYS];
  bool by_value_[INDEX_MAX_KEYS];
  int16 length_[INDEX_MAX_KEYS];
  bool can_hash_;
  int probes_;
  Slot *slots_;  // null: not loaded
  uint32 capacity_;
  uint32 used_;
};

}  // namespace helios::timetravel
