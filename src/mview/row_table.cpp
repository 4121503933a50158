#include "mview/row_table.hpp"

extern "C" {
#include "common/hashfn.h"
#include "utils/datum.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

constexpr uint64 kFirstBuckets = 1024;

Row **MakeBuckets(MemoryContext context, uint64 count) {
  return static_cast<Row **>(MemoryContextAllocExtended(context, count * sizeof(Row *),
                                                        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
}

// Doubles the buckets.
void Grow(RowTable *table) {
  const uint64 count = 2 * (table->mask + 1);
  Row **buckets = MakeBuckets(table->context, count);
  for (uint64 bucket = 0; bucket <= table->mask; bucket++) {
    for (Row *row = table->buckets[bucket], *next; row != nullptr; row = next) {
      next = row->next;
      Row **head = &buckets[row->hash & (count - 1)];
      row->next = *head;
      *head = row;
    }
  }
  pfree(table->buckets);
  table->buckets = buckets;
  table->mask = count - 1;
  table->bytes += count / 2 * sizeof(Row *);
}

// Compares a row of the table, in its slot, with another one.
bool AreEqual(const RowTable *table, TupleTableSlot *slot, bool of_table) {
  for (int i = 0; i < table->column_count; i++) {
    const RowColumn &column = table->columns[i];
    bool left_null, right_null;
    const Datum left = slot_getattr(table->row_slot, column.row, &left_null);
    const Datum right = slot_getattr(slot, of_table ? column.row : column.slot, &right_null);
    if (left_null != right_null) return false;
    if (left_null) continue;
    const bool equal =
        column.equals != nullptr
            ? DatumGetBool(FunctionCall2Coll(column.equals, column.collation, left, right))
            : datum_image_eq(left, right, column.is_by_value, column.length);
    if (!equal) return false;
  }
  return true;
}

// Looks up how a type compares values where GROUP BY does.
void CompareAsGroups(const TupleDesc desc, RowColumn *column) {
  const Form_pg_attribute attribute = TupleDescAttr(desc, column->row - 1);
  TypeCacheEntry *type =
      lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO);
  if (!OidIsValid(type->eq_opr_finfo.fn_oid)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("could not identify an equality operator for column \"%s\"",
                           NameStr(attribute->attname))));
  }
  column->equals = &type->eq_opr_finfo;
  column->hash = OidIsValid(type->hash_proc_finfo.fn_oid) ? &type->hash_proc_finfo : nullptr;
  column->collation = attribute->attcollation;
}

}  // namespace

RowTable *MakeRowTable(TupleDesc desc, int columns, int key_count, const AttrNumber *key,
                       TupleDesc looked_up) {
  auto *table = static_cast<RowTable *>(palloc0(sizeof(RowTable)));
  table->context = CurrentMemoryContext;
  table->column_count = key_count > 0 ? key_count : columns;
  table->columns = static_cast<RowColumn *>(palloc0(table->column_count * sizeof(RowColumn)));
  for (int i = 0; i < table->column_count; i++) {
    RowColumn *column = &table->columns[i];
    column->row = static_cast<AttrNumber>(i + 1);
    column->slot = key_count > 0 ? key[i] : column->row;
    column->is_by_value = TupleDescAttr(desc, i)->attbyval;
    column->length = TupleDescAttr(desc, i)->attlen;
    if (TupleDescAttr(looked_up, column->slot - 1)->atttypid != TupleDescAttr(desc, i)->atttypid)
      elog(ERROR, "rows of a view have another type in column %d", column->slot);
    if (key_count > 0) CompareAsGroups(desc, column);
  }
  table->row_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
  table->buckets = MakeBuckets(table->context, kFirstBuckets);
  table->mask = kFirstBuckets - 1;
  return table;
}

uint32 HashRow(const RowTable *table, TupleTableSlot *slot, bool of_table) {
  uint32 hash = 0;
  for (int i = 0; i < table->column_count; i++) {
    const RowColumn &column = table->columns[i];
    bool is_null;
    const Datum value = slot_getattr(slot, of_table ? column.row : column.slot, &is_null);
    uint32 one = 0;
    if (is_null) {
      one = 1;
    } else if (column.hash != nullptr) {
      one = DatumGetUInt32(FunctionCall1Coll(column.hash, column.collation, value));
    } else if (column.equals == nullptr) {
      one = datum_image_hash(value, column.is_by_value, column.length);
    }
    hash = hash_combine(hash, one);
  }
  return murmurhash32(hash);
}

Row *FindRow(RowTable *table, TupleTableSlot *slot, uint32 hash, bool of_table) {
  for (Row *row = table->buckets[hash & table->mask]; row != nullptr; row = row->next) {
    if (row->hash != hash) continue;
    ExecStoreMinimalTuple(row->tuple, table->row_slot, false);
    if (AreEqual(table, slot, of_table)) return row;
  }
  return nullptr;
}

Row *MakeRow(RowTable *table, TupleTableSlot *slot, uint32 hash) {
  Row *row = FindRow(table, slot, hash, true);
  if (row != nullptr) return row;
  MemoryContext old = MemoryContextSwitchTo(table->context);
  if (static_cast<uint64>(table->rows) > table->mask) Grow(table);
  row = static_cast<Row *>(palloc0(sizeof(Row)));
  row->hash = hash;
  row->tuple = ExecCopySlotMinimalTuple(slot);
  row->count = 0;
  Row **head = &table->buckets[hash & table->mask];
  row->next = *head;
  *head = row;
  table->rows++;
  table->bytes += sizeof(Row) + row->tuple->t_len;
  MemoryContextSwitchTo(old);
  return row;
}

}  // namespace helios::mview
