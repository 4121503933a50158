// Images are compared in memory: all at once, or in parts of `maintenance_work_mem`, each of which reads the rows again.
#include "pg/netting.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::pg {

namespace {

// One image with its weight; images of one hash are chained.
struct Image {
  MinimalTuple tuple;
  int64 weight;
  Image *next;
};

struct Bucket {
  uint32 hash;
  Image *first;
};

// Hashes the images of the first columns of a slot.
uint32 HashImage(TupleTableSlot *slot, int columns) {
  uint32 hash = 0;
  for (int i = 0; i < columns; i++) {
    const Form_pg_attribute column = TupleDescAttr(slot->tts_tupleDescriptor, i);
    const uint32 part = slot->tts_isnull[i] ? 0
                                            : datum_image_hash(slot->tts_values[i],
                                                               column->attbyval, column->attlen);
    hash = hash_combine(hash, part);
  }
  return hash;
}

// Tells whether the first columns of two slots have the same images.
bool IsSameImage(TupleTableSlot *a, TupleTableSlot *b, int columns) {
  for (int i = 0; i < columns; i++) {
    const Form_pg_attribute column = TupleDescAttr(a->tts_tupleDescriptor, i);
    if (a->tts_isnull[i] != b->tts_isnull[i]) return false;
    if (!a->tts_isnull[i] &&
        !datum_image_eq(a->tts_values[i], b->tts_values[i], column->attbyval, column->attlen))
      return false;
  }
  return true;
}

// Adds a row with a weight to a store.
void Put(StoredRows *rows, TupleDesc desc, TupleTableSlot *slot, int64 weight) {
  if (rows->store == nullptr) {
    rows->desc = desc;
    rows->store = tuplestore_begin_heap(false, false, work_mem);
  }
  const int last = desc->natts - 1;
  const Datum kept = slot->tts_values[last];
  slot->tts_values[last] = Int64GetDatum(weight);
  tuplestore_putvalues(rows->store, desc, slot->tts_values, slot->tts_isnull);
  slot->tts_values[last] = kept;
}

// Counts in how many parts images fit into memory, each part those of some hashes.
uint32 CountParts(const StoredRows &rows) {
  constexpr double kBytesPerKilobyte = 1024;
  constexpr double kMostParts = 4096;
  double bytes = 0;
  TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
  tuplestore_rescan(rows.store);
  while (tuplestore_gettupleslot(rows.store, true, false, slot)) {
    bool should_free;
    bytes += sizeof(Image) + sizeof(Bucket) + ExecFetchSlotMinimalTuple(slot, &should_free)->t_len;
  }
  ExecDropSingleTupleTableSlot(slot);
  const double room = static_cast<double>(maintenance_work_mem) * kBytesPerKilobyte;
  return static_cast<uint32>(std::min(bytes / room + 1, kMostParts));
}

// Does the work of Net for one part of the hashes.
void NetPart(const StoredRows &rows, uint32 part, uint32 parts, StoredRows *positive,
             StoredRows *negative) {
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "images of rows", ALLOCSET_DEFAULT_SIZES);
  HASHCTL control = {};
  control.keysize = sizeof(uint32);
  control.entrysize = sizeof(Bucket);
  control.hcxt = context;
  constexpr long kBuckets = 1024;
  HTAB *buckets =
      hash_create("images of rows", kBuckets, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  const int weight_at = rows.desc->natts - 1;
  TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
  TupleTableSlot *other = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
  tuplestore_rescan(rows.store);
  while (tuplestore_gettupleslot(rows.store, true, false, slot)) {
    CHECK_FOR_INTERRUPTS();
    slot_getallattrs(slot);
    const int64 weight = DatumGetInt64(slot->tts_values[weight_at]);
    const uint32 hash = HashImage(slot, weight_at);
    if (hash % parts != part) continue;
    bool found;
    auto *bucket = static_cast<Bucket *>(hash_search(buckets, &hash, HASH_ENTER, &found));
    if (!found) bucket->first = nullptr;
    Image *image = bucket->first;
    for (; image != nullptr; image = image->next) {
      ExecStoreMinimalTuple(image->tuple, other, false);
      slot_getallattrs(other);
      if (IsSameImage(slot, other, weight_at)) break;
    }
    if (image == nullptr) {
      MemoryContext caller = MemoryContextSwitchTo(context);
      image = static_cast<Image *>(palloc(sizeof(Image)));
      *image = {ExecCopySlotMinimalTuple(slot), 0, bucket->first};
      bucket->first = image;
      MemoryContextSwitchTo(caller);
    }
    image->weight += weight;
  }
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, buckets);
  while (auto *bucket = static_cast<Bucket *>(hash_seq_search(&scan))) {
    for (Image *image = bucket->first; image != nullptr; image = image->next) {
      StoredRows *target = image->weight > 0 ? positive : negative;
      if (image->weight == 0 || target == nullptr) continue;
      ExecStoreMinimalTuple(image->tuple, other, false);
      slot_getallattrs(other);
      // One target for both keeps the sign.
      const bool keeps_sign = positive == negative || image->weight > 0;
      Put(target, rows.desc, other, keeps_sign ? image->weight : -image->weight);
    }
  }
  ExecDropSingleTupleTableSlot(slot);
  ExecDropSingleTupleTableSlot(other);
  MemoryContextDelete(context);
}

}  // namespace

void Net(const StoredRows &rows, StoredRows *positive, StoredRows *negative) {
  if (rows.store == nullptr) return;
  const uint32 parts = CountParts(rows);
  for (uint32 part = 0; part < parts; part++) NetPart(rows, part, parts, positive, negative);
}

void NetInPlace(StoredRows *rows) {
  if (rows->store == nullptr) return;
  StoredRows netted = {};
  Net(*rows, &netted, &netted);
  tuplestore_end(rows->store);
  if (netted.store == nullptr) {
    netted.desc = rows->desc;
    netted.store = tuplestore_begin_heap(false, false, work_mem);
  }
  *rows = netted;
}

TupleDesc WithWeight(TupleDesc desc) {
  TupleDesc wide = CreateTemplateTupleDesc(desc->natts + 1);
  for (int i = 1; i <= desc->natts; i++)
    TupleDescCopyEntry(wide, static_cast<AttrNumber>(i), desc, static_cast<AttrNumber>(i));
  TupleDescInitEntry(wide, static_cast<AttrNumber>(desc->natts + 1), "weight", INT8OID, -1, 0);
  return wide;
}

}  // namespace helios::pg
