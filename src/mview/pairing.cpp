#include "mview/pairing.hpp"

extern "C" {
#include "access/genam.h"
#include "access/sysattr.h"
#include "common/hashfn.h"
#include "nodes/pg_list.h"
#include "utils/datum.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Finds the key of a unique index on plain columns.
void FindKey(Relation view, Pairing *pairing) {
  ListCell *cell;
  foreach (cell, RelationGetIndexList(view)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    const Form_pg_index form = index->rd_index;
    bool serves = form->indisunique && form->indimmediate && form->indisvalid &&
                  RelationGetIndexPredicate(index) == NIL;
    for (int i = 0; i < form->indnkeyatts; i++) serves = serves && form->indkey.values[i] > 0;
    if (serves) {
      pairing->key_count = form->indnkeyatts;
      for (int i = 0; i < form->indnkeyatts; i++) pairing->key[i] = form->indkey.values[i];
    }
    index_close(index, AccessShareLock);
    if (serves) return;
  }
}

// Lists the columns that any index depends on.
void FindIndexed(Relation view, Pairing *pairing) {
  Bitmapset *columns = RelationGetIndexAttrBitmap(view, INDEX_ATTR_BITMAP_ALL);
  pairing->indexed =
      static_cast<AttrNumber *>(palloc((bms_num_members(columns) + 1) * sizeof(AttrNumber)));
  for (int member = bms_next_member(columns, -1); member >= 0;
       member = bms_next_member(columns, member)) {
    pairing->indexed[pairing->indexed_count++] =
        static_cast<AttrNumber>(member + FirstLowInvalidHeapAttributeNumber);
  }
}

// Hashes the key of a row; false if a column of it is null, so that it is not unique.
bool HashKey(const Pairing *pairing, TupleTableSlot *slot, uint32 *hash) {
  *hash = 0;
  for (int i = 0; i < pairing->key_count; i++) {
    bool is_null;
    const Datum value = slot_getattr(slot, pairing->key[i], &is_null);
    if (is_null) return false;
    const Form_pg_attribute attribute = TupleDescAttr(pairing->desc, pairing->key[i] - 1);
    *hash = hash_combine(*hash, datum_image_hash(value, attribute->attbyval, attribute->attlen));
  }
  *hash = murmurhash32(*hash);
  return true;
}

// Compares a column of two rows by its image.
bool IsSame(const Pairing *pairing, AttrNumber column, TupleTableSlot *a, TupleTableSlot *b) {
  bool a_null, b_null;
  const Datum left = slot_getattr(a, column, &a_null);
  const Datum right = slot_getattr(b, column, &b_null);
  if (a_null || b_null) return a_null == b_null;
  const Form_pg_attribute attribute = TupleDescAttr(pairing->desc, column - 1);
  return datum_image_eq(left, right, attribute->attbyval, attribute->attlen);
}

}  // namespace

Pairing *MakePairing(Relation view, const RowTable *rows) {
  auto *pairing = static_cast<Pairing *>(palloc0(sizeof(Pairing)));
  FindKey(view, pairing);
  if (pairing->key_count == 0) return pairing;
  FindIndexed(view, pairing);
  pairing->desc = RelationGetDescr(view);
  pairing->mask = rows->mask;
  pairing->buckets = static_cast<Row **>(MemoryContextAllocExtended(
      CurrentMemoryContext, (rows->mask + 1) * sizeof(Row *), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
  pairing->row_slot =
      MakeSingleTupleTableSlot(rows->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  ForEachRow(rows, [pairing](Row *row) {
    if (row->count != 1) return;
    ExecStoreMinimalTuple(row->tuple, pairing->row_slot, false);
    uint32 hash;
    if (!HashKey(pairing, pairing->row_slot, &hash)) return;
    Row **head = &pairing->buckets[hash & pairing->mask];
    row->next_of_key = *head;
    *head = row;
  });
  return pairing;
}

Row *TakePair(Pairing *pairing, TupleTableSlot *former) {
  uint32 hash;
  if (pairing->key_count == 0 || !HashKey(pairing, former, &hash)) return nullptr;
  for (Row *row = pairing->buckets[hash & pairing->mask]; row != nullptr; row = row->next_of_key) {
    if (row->count != 1) continue;
    ExecStoreMinimalTuple(row->tuple, pairing->row_slot, false);
    bool is_pair = true;
    // The key is among these.
    for (int i = 0; i < pairing->indexed_count && is_pair; i++)
      is_pair = IsSame(pairing, pairing->indexed[i], former, pairing->row_slot);
    if (!is_pair) continue;
    row->count = 0;
    return row;
  }
  return nullptr;
}

}  // namespace helios::mview
