// Net changes of a table between a position and the active snapshot, from its log: records are put in the order of the
// key, and of each key the version at the position is compared with the row of now.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/recent.hpp"
#include "pg/compat.hpp"
#include "pg/indexes.hpp"
#include "pg/netting.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// Where changes go, and what they are made of.
struct Output {
  pg::StoredRows *rows;
  int columns;               // without the weight
  const AttrNumber *source;  // columns of the leaf, 0 for those that have been dropped
  Datum *values;
  bool *nulls;
};

// How the key of a leaf is compared.
struct Key {
  int count;
  Relation index;
  AttrNumber of_log[INDEX_MAX_KEYS];
  FmgrInfo equals[INDEX_MAX_KEYS];
};

// The records of one key as far as they have been read.
struct Group {
  TupleTableSlot *record;  // any, or the version at the position if there was one
  bool is_old;
  ItemPointerData place;  // where a version of now may be
};

// The table that rows of now are looked up in.
struct Present {
  Relation table;
  BlockNumber pages;
  IndexScanDesc scan;  // of the key
  TupleTableSlot *row;
};

// Describes rows with the columns of a table as c1, c2, …, and a weight.
TupleDesc DescribeImages(Relation shape) {
  const TupleDesc of_shape = RelationGetDescr(shape);
  TupleDesc desc = CreateTemplateTupleDesc(of_shape->natts + 1);
  for (int i = 0; i < of_shape->natts; i++) {
    const Form_pg_attribute from = TupleDescAttr(of_shape, i);
    const auto number = static_cast<AttrNumber>(i + 1);
    const char *name = psprintf("c%d", i + 1);
    if (from->attisdropped) {
      TupleDescInitEntry(desc, number, name, INT4OID, -1, 0);
      continue;
    }
    TupleDescInitEntry(desc, number, name, from->atttypid, from->atttypmod, from->attndims);
    TupleDescInitEntryCollation(desc, number, from->attcollation);
  }
  TupleDescInitEntry(desc, static_cast<AttrNumber>(of_shape->natts + 1), "weight", INT8OID, -1, 0);
  return desc;
}

// Prepares changes of a leaf in the shape of the table.
Output OutputOf(Relation shape, Relation leaf, pg::StoredRows *rows) {
  const TupleDesc desc = RelationGetDescr(shape);
  auto *source = static_cast<AttrNumber *>(palloc0(desc->natts * sizeof(AttrNumber) + 1));
  for (int i = 0; i < desc->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(desc, i);
    if (!column->attisdropped)
      source[i] = get_attnum(RelationGetRelid(leaf), NameStr(column->attname));
  }
  return {rows, desc->natts, source,
          static_cast<Datum *>(palloc0((desc->natts + 1) * sizeof(Datum))),
          static_cast<bool *>(palloc0((desc->natts + 1) * sizeof(bool)))};
}

// Adds a version: a row of a leaf (offset 0) or a record of its log.
void Put(const Output &output, TupleTableSlot *version, int offset, int64 weight) {
  for (int i = 0; i < output.columns; i++) {
    output.nulls[i] = output.source[i] == 0;
    if (output.nulls[i]) continue;
    output.values[i] =
        slot_getattr(version, static_cast<AttrNumber>(output.source[i] + offset), &output.nulls[i]);
  }
  output.values[output.columns] = Int64GetDatum(weight);
  tuplestore_putvalues(output.rows->store, output.rows->desc, output.values, output.nulls);
}

// Tells whether a record of the log and a row have the same image.
bool IsSame(const Output &output, TupleTableSlot *record, TupleTableSlot *row) {
  for (int i = 0; i < output.columns; i++) {
    if (output.source[i] == 0) continue;
    bool was_null, is_null;
    const Datum former =
        slot_getattr(record, static_cast<AttrNumber>(output.source[i] + kLogColumns), &was_null);
    const Datum latter = slot_getattr(row, output.source[i], &is_null);
    if (was_null != is_null) return false;
    const Form_pg_attribute column = TupleDescAttr(row->tts_tupleDescriptor, output.source[i] - 1);
    if (!is_null && !datum_image_eq(former, latter, column->attbyval, column->attlen)) return false;
  }
  return true;
}

Key *OpenKey(const TrackedTable &leaf, Relation table) {
  auto *key = static_cast<Key *>(palloc0(sizeof(Key)));
  key->count = leaf.key_count;
  key->index = index_open(RelationGetPrimaryKeyIndex(table), AccessShareLock);
  for (int i = 0; i < key->count; i++) {
    key->of_log[i] = static_cast<AttrNumber>(leaf.key[i] + kLogColumns);
    fmgr_info(get_opcode(pg::EqualityOf(key->index, i)), &key->equals[i]);
  }
  return key;
}

// Begins to sort records by their key.
Tuplesortstate *BeginSort(const Key &key, TupleDesc log) {
  Oid less[INDEX_MAX_KEYS];
  AttrNumber columns[INDEX_MAX_KEYS];
  Oid collations[INDEX_MAX_KEYS];
  bool nulls_first[INDEX_MAX_KEYS] = {};
  for (int i = 0; i < key.count; i++) {
    const Oid type = key.index->rd_opcintype[i];
    less[i] = get_opfamily_member(key.index->rd_opfamily[i], type, type, BTLessStrategyNumber);
    columns[i] = key.of_log[i];
    collations[i] = key.index->rd_indcollation[i];
  }
  return tuplesort_begin_heap(log, key.count, columns, less, collations, nulls_first, work_mem,
                              nullptr, TUPLESORT_NONE);
}

bool AreEqual(Key *key, int column, Datum left, Datum right) {
  return DatumGetBool(
      FunctionCall2Coll(&key->equals[column], key->index->rd_indcollation[column], left, right));
}

// Tells whether two records have the same key.
bool HaveSameKey(Key *key, TupleTableSlot *a, TupleTableSlot *b) {
  for (int i = 0; i < key->count; i++) {
    bool is_null;
    const Datum left = slot_getattr(a, key->of_log[i], &is_null);
    const Datum right = slot_getattr(b, key->of_log[i], &is_null);
    if (!AreEqual(key, i, left, right)) return false;
  }
  return true;
}

// Tells whether a record is the version that was there at the position.
bool IsOld(Position *position, TupleTableSlot *record) {
  bool is_null;
  if (DatumGetChar(slot_getattr(record, kLogOp, &is_null)) == kOpInsert) return false;
  return HadCreated(position,
                    DatumGetFullTransactionId(slot_getattr(record, kLogCreator, &is_null)));
}

// Tells whether a row has the key of a record.
bool HasKey(Key *key, TupleTableSlot *record, TupleTableSlot *row) {
  for (int i = 0; i < key->count; i++) {
    bool is_null;
    const Datum left = slot_getattr(record, key->of_log[i], &is_null);
    const Datum right =
        slot_getattr(row, static_cast<AttrNumber>(key->of_log[i] - kLogColumns), &is_null);
    if (!AreEqual(key, i, left, right)) return false;
  }
  return true;
}

// Finds the row that has the key of a group now: where it was written, unless it has gone or moved.
bool FindRow(Key *key, const Present &present, const Group &group) {
  ItemPointerData place = group.place;
  // A row that is new since the position would have a record with its place, and there was one row only at a time.
  if (!ItemPointerIsValid(&place)) return false;
  if (ItemPointerGetBlockNumber(&place) < present.pages &&
      table_tuple_fetch_row_version(present.table, &place, GetActiveSnapshot(), present.row) &&
      HasKey(key, group.record, present.row))
    return true;
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < key->count; i++) {
    bool is_null;
    ScanKeyEntryInitializeWithInfo(&keys[i], 0, static_cast<AttrNumber>(i + 1),
                                   BTEqualStrategyNumber, key->index->rd_opcintype[i],
                                   key->index->rd_indcollation[i], &key->equals[i],
                                   slot_getattr(group.record, key->of_log[i], &is_null));
  }
  index_rescan(present.scan, keys, key->count, nullptr, 0);
  return index_getnext_slot(present.scan, ForwardScanDirection, present.row);
}

// Takes over where a record says that a version is.
void TakePlace(TupleTableSlot *record, ItemPointerData *place) {
  bool is_null;
  const Datum value = slot_getattr(record, kLogPlace, &is_null);
  const auto *of_record = reinterpret_cast<const ItemPointerData *>(DatumGetPointer(value));
  if (ItemPointerIsValid(of_record)) *place = *of_record;
}

// Adds what has become of the row of a key; returns whether it has changed.
bool PutGroup(const Output &output, const Group &group, bool is_there, TupleTableSlot *row) {
  if (group.is_old && is_there && IsSame(output, group.record, row)) return false;
  if (group.is_old) Put(output, group.record, kLogColumns, -1);
  if (is_there) Put(output, row, 0, 1);
  return group.is_old || is_there;
}

// Adds the changes of a leaf with a key; returns how many rows have changed.
int64 StoreKeyed(const TrackedTable &leaf, Relation table, const Output &output,
                 Position *position) {
  Key *key = OpenKey(leaf, table);
  RecentScan *recent = BeginRecent(leaf.log, position);
  TupleDesc of_log = CreateTupleDescCopy(RelationGetDescr(recent->log));
  Tuplesortstate *sort = BeginSort(*key, of_log);
  while (TupleTableSlot *record = NextRecent(recent)) tuplesort_puttupleslot(sort, record);
  SummarizeUnused(recent);
  EndRecent(recent);
  tuplesort_performsort(sort);

  Present present = {table, RelationGetNumberOfBlocks(table),
                     pg::BeginIndexScan(table, key->index, GetActiveSnapshot(), key->count, 0),
                     table_slot_create(table, nullptr)};
  TupleTableSlot *record = MakeSingleTupleTableSlot(of_log, &TTSOpsMinimalTuple);
  Group group = {MakeSingleTupleTableSlot(of_log, &TTSOpsMinimalTuple), false, {}};
  int64 count = 0;
  const auto finish = [&] {
    if (TTS_EMPTY(group.record)) return;
    const bool is_there = FindRow(key, present, group);
    count += PutGroup(output, group, is_there, present.row) ? 1 : 0;
  };
  while (tuplesort_gettupleslot(sort, true, false, record, nullptr)) {
    CHECK_FOR_INTERRUPTS();
    const bool is_same = !TTS_EMPTY(group.record) && HaveSameKey(key, group.record, record);
    if (!is_same) finish();
    if (!is_same) ItemPointerSetInvalid(&group.place);
    TakePlace(record, &group.place);
    if (is_same && (group.is_old || !IsOld(position, record))) continue;
    group.is_old = IsOld(position, record);
    ExecCopySlot(group.record, record);
  }
  finish();
  index_endscan(present.scan);
  for (TupleTableSlot *slot : {record, present.row, group.record})
    ExecDropSingleTupleTableSlot(slot);
  tuplesort_end(sort);
  index_close(key->index, NoLock);
  return count;
}

// Adds the changes of a leaf without a key, which may cancel each other.
void StoreBag(const TrackedTable &leaf, const Output &output, Position *position) {
  RecentScan *recent = BeginRecent(leaf.log, position);
  while (TupleTableSlot *record = NextRecent(recent)) {
    bool is_null;
    const char op = DatumGetChar(slot_getattr(record, kLogOp, &is_null));
    Put(output, record, kLogColumns, op == kOpInsert ? 1 : -1);
  }
  SummarizeUnused(recent);
  EndRecent(recent);
}

// Moves rows to other ones; returns how many there are by their weights.
int64 MoveRows(pg::StoredRows *from, const pg::StoredRows &to) {
  int64 count = 0;
  TupleTableSlot *slot = MakeSingleTupleTableSlot(from->desc, &TTSOpsMinimalTuple);
  while (tuplestore_gettupleslot(from->store, true, false, slot)) {
    bool is_null;
    const int64 weight =
        DatumGetInt64(slot_getattr(slot, static_cast<AttrNumber>(from->desc->natts), &is_null));
    count += weight < 0 ? -weight : weight;
    tuplestore_puttupleslot(to.store, slot);
  }
  ExecDropSingleTupleTableSlot(slot);
  tuplestore_end(from->store);
  return count;
}

}  // namespace

int64 StoreChanges(Oid relation, const char *position_text, pg::StoredRows *rows) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked))
    elog(ERROR, "table \"%s\" is not tracked", get_rel_name(relation));
  OwnerScope owner;
  owner.Enter();
  Position position = ReadPosition(position_text);
  Relation shape = table_open(relation, AccessShareLock);
  *rows = {tuplestore_begin_heap(false, false, work_mem), DescribeImages(shape)};
  pg::StoredRows bags = {tuplestore_begin_heap(false, false, work_mem), rows->desc};
  int64 count = 0;
  ForEachLeaf(tracked, [&](const TrackedTable &leaf) {
    CheckCapture(leaf.relation);
    Relation table = table_open(leaf.relation, AccessShareLock);
    if (leaf.key_count > 0) {
      count += StoreKeyed(leaf, table, OutputOf(shape, table, rows), &position);
    } else {
      StoreBag(leaf, OutputOf(shape, table, &bags), &position);
    }
    table_close(table, NoLock);
  });
  pg::NetInPlace(&bags);
  count += MoveRows(&bags, *rows);
  table_close(shape, NoLock);
  owner.Leave();
  return count;
}

int64 CountRecords(Oid relation, const char *position_text, int64 limit, TimestampTz *since) {
  if (since != nullptr) *since = 0;
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) return 0;
  Position position = ReadPosition(position_text);
  FullTransactionId first = InvalidFullTransactionId;
  int64 count = 0;
  ForEachLeaf(tracked, [&](const TrackedTable &leaf) {
    RecentScan *recent = BeginRecent(leaf.log, &position);
    while (count < limit) {
      TupleTableSlot *record = NextRecent(recent);
      if (record == nullptr) break;
      bool is_null;
      const FullTransactionId top =
          DatumGetFullTransactionId(slot_getattr(record, kLogXid, &is_null));
      if (count == 0 || FullTransactionIdPrecedes(top, first)) first = top;
      count++;
    }
    EndRecent(recent);
  });
  if (since != nullptr && count > 0 && track_commit_timestamp)
    (void)TransactionIdGetCommitTsData(XidFromFullTransactionId(first), since, nullptr);
  return count;
}

}  // namespace helios::changelog
