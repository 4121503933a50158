// Reads many out-of-line values of one table: keeps the toast relation, its index and a scan open
// between values.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// A plain value: Close() it, or leave it to the end of the resource owner and memory context after
// an error.
class ToastReader {
 public:
  // What stays open is allocated in `owner`; call it once, first.
  void Start(MemoryContext owner) { context_ = owner; }
  // Detoasts like PG_DETOAST_DATUM, into the current memory context when the value is not inline.
  struct varlena *Detoast(Datum value);
  void Close();

 private:
  bool Open(Oid toast);
  bool Read(Oid value, char *out, int32 bytes);

  Relation toast_ = nullptr;
  Relation *indexes_ = nullptr;
  int index_count_ = 0;
  IndexScanDesc scan_ = nullptr;
  TupleTableSlot *slot_ = nullptr;
  MemoryContext context_ = nullptr;
};

}  // namespace helios::pg
