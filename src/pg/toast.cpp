#include "pg/toast.hpp"

#include "pg/compat.hpp"

#include <cstring>

extern "C" {
#include "access/detoast.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/toast_internals.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

namespace {

constexpr AttrNumber kChunkId = 1, kChunkSeq = 2, kChunkData = 3;

// The scan holds on to its snapshot, so it must outlive the call that makes it.
Snapshot ToastSnapshot() {
#if PG_VERSION_NUM >= 180000
  return get_toast_snapshot();
#else
  static SnapshotData snapshot;
  init_toast_snapshot(&snapshot);
  return &snapshot;
#endif
}

}  // namespace

// Opens the toast relation of the first value; false for a value of another one.
bool ToastReader::Open(Oid toast) {
  if (toast_ != nullptr) return RelationGetRelid(toast_) == toast;
  MemoryContext caller = MemoryContextSwitchTo(context_);
  toast_ = table_open(toast, AccessShareLock);
  const int valid = toast_open_indexes(toast_, AccessShareLock, &indexes_, &index_count_);
  slot_ = table_slot_create(toast_, nullptr);
  scan_ = BeginIndexScan(toast_, indexes_[valid], ToastSnapshot(), 1, 0);
  MemoryContextSwitchTo(caller);
  return true;
}

// Copies the chunks of one value; false when they do not add up.
bool ToastReader::Read(Oid value, char *out, int32 bytes) {
  ScanKeyData key;
  ScanKeyInit(&key, kChunkId, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
  scan_->xs_snapshot = ToastSnapshot();
  index_rescan(scan_, &key, 1, nullptr, 0);
  int32 done = 0;
  int32 expected_seq = 0;
  while (index_getnext_slot(scan_, ForwardScanDirection, slot_)) {
    bool isnull;
    const int32 seq = DatumGetInt32(slot_getattr(slot_, kChunkSeq, &isnull));
    if (isnull || seq != expected_seq++) return false;
    const auto *chunk = reinterpret_cast<const varlena *>(
        DatumGetPointer(slot_getattr(slot_, kChunkData, &isnull)));
    if (isnull || VARATT_IS_EXTENDED(chunk)) return false;
    const int32 chunk_bytes = static_cast<int32>(VARSIZE(chunk) - VARHDRSZ);
    if (chunk_bytes > bytes - done) return false;
    memcpy(out + done, VARDATA(chunk), chunk_bytes);
    done += chunk_bytes;
  }
  return done == bytes;
}

// Anything unusual goes the ordinary way, which also raises the ordinary errors.
varlena *ToastReader::Detoast(Datum value) {
  auto *stored = reinterpret_cast<varlena *>(DatumGetPointer(value));
  if (!VARATT_IS_EXTERNAL_ONDISK(stored)) return pg_detoast_datum(stored);
  varatt_external pointer;
  VARATT_EXTERNAL_GET_POINTER(pointer, stored);
  if (VARATT_EXTERNAL_IS_COMPRESSED(pointer)) return pg_detoast_datum(stored);
  if (!Open(pointer.va_toastrelid)) return pg_detoast_datum(stored);
  const auto bytes = static_cast<int32>(VARATT_EXTERNAL_GET_EXTSIZE(pointer));
  auto *result = static_cast<varlena *>(palloc(bytes + VARHDRSZ));
  SET_VARSIZE(result, bytes + VARHDRSZ);
  return Read(pointer.va_valueid, VARDATA(result), bytes) ? result : pg_detoast_datum(stored);
}

void ToastReader::Close() {
  if (toast_ == nullptr) return;
  index_endscan(scan_);
  ExecDropSingleTupleTableSlot(slot_);
  toast_close_indexes(indexes_, index_count_, AccessShareLock);
  table_close(toast_, AccessShareLock);
  *this = {};
}

}  // namespace helios::pg
