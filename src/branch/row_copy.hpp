// Copies single rows of main's tables into copies that are made row by row.
#pragma once

#include "branch/catalog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// What became of a row that is to be in the copy.
enum class Copied {
  kNow,     // it is copied
  kBefore,  // this transaction has copied it, or somebody whom the statement does not see: the slot has what is there, or
            // what was before it was deleted or got another key
  kGone,    // it was deleted
  kSkipped  // somebody is copying it, and is not to be waited for
};

// A copy that is open for rows; lives in the memory context in which it was opened.
class RowCopier {
 public:
  // `command` is that of the rows, which must be before the one that changes them.
  void Open(Oid copy, Oid deleted, CommandId command);
  void Close();

  // Brings in a row of main as of the fork, in the columns of the copy: a virtual row in `slot`, which is of type
  // heap and has the row with its place in the copy afterwards. Waits for others as `wait` says; an error where `snapshot`
  // belongs to the whole transaction and does not see what others have done.
  Copied Copy(TupleTableSlot *slot, Snapshot snapshot, LockWaitPolicy wait);

  // Finds out whether a key, in the order of the primary key, is one of the deleted.
  bool IsDeleted(const Datum *key, Snapshot snapshot);

  // Notes a key as deleted unless it is already, for `command`.
  void NoteDeleted(const Datum *key, CommandId command);

  Relation copy() const { return copy_; }
  Relation key_index() const { return key_index_; }

 private:
  IndexScanDesc BeginFind(Relation table, Relation index, const Datum *key, Snapshot snapshot);
  template <typename IsBetter>
  bool FindVersion(const Datum *key, IsBetter is_better);
  bool FindCopiedLater(const Datum *key);
  bool FindReplaced(const Datum *key);
  bool FindOwn(const Datum *key, Snapshot snapshot);
  bool Find(const Datum *key, Snapshot snapshot, TupleTableSlot *found);
  void OpenTarget();
  bool Wait(TransactionId other, LockWaitPolicy wait);

  Relation copy_ = nullptr;
  Relation deleted_ = nullptr;
  Relation key_index_ = nullptr;
  Relation deleted_index_ = nullptr;
  EState *estate_ = nullptr;
  ResultRelInfo *target_ = nullptr;
  TupleTableSlot *found_ = nullptr;
  TupleTableSlot *found_deleted_ = nullptr;
  CommandId command_ = 0;
  int key_count_ = 0;
  AttrNumber key_[INDEX_MAX_KEYS];
  RegProcedure equal_[INDEX_MAX_KEYS];
};

}  // namespace helios::branch
