#include "hybrid/hot_tuple.hpp"

extern "C" {
#include "access/heaptoast.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

constexpr Size kCreatorBytes = MAXALIGN(sizeof(TransactionId));

// The length of a header as PostgreSQL makes it.
Size HeaderBytes(HeapTupleHeader row) {
  const bool has_nulls = (row->t_infomask & HEAP_HASNULL) != 0;
  return MAXALIGN(SizeofHeapTupleHeader +
                  (has_nulls ? BITMAPLEN(HeapTupleHeaderGetNatts(row)) : 0));
}

}  // namespace

bool NeedsToast(HeapTuple row) {
  return HeapTupleHasExternal(row) || row->t_len > TOAST_TUPLE_THRESHOLD;
}

bool WasCold(HeapTupleHeader row) { return row->t_hoff != HeaderBytes(row); }

TransactionId CreatorOf(HeapTupleHeader row) {
  if (likely(!WasCold(row))) return HeapTupleHeaderGetRawXmin(row);
  TransactionId creator;
  memcpy(&creator, reinterpret_cast<const char *>(row) + HeaderBytes(row), sizeof(creator));
  return creator;
}

HeapTuple WithCreator(HeapTuple tuple, TransactionId creator) {
  const Size header = HeaderBytes(tuple->t_data);
  const Size values = tuple->t_len - tuple->t_data->t_hoff;
  const Size bytes = header + kCreatorBytes + values;
  auto *made = static_cast<HeapTuple>(palloc0(HEAPTUPLESIZE + bytes));
  *made = *tuple;
  made->t_len = static_cast<uint32>(bytes);
  auto *to = reinterpret_cast<char *>(made) + HEAPTUPLESIZE;
  made->t_data = reinterpret_cast<HeapTupleHeader>(to);
  memcpy(to, tuple->t_data, header);
  memcpy(to + header, &creator, sizeof(creator));
  memcpy(to + header + kCreatorBytes,
         reinterpret_cast<const char *>(tuple->t_data) + tuple->t_data->t_hoff, values);
  made->t_data->t_hoff = static_cast<uint8>(header + kCreatorBytes);
  return made;
}

}  // namespace helios::hybrid
