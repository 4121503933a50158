// The row trigger that appends to the log of its table: no SPI, no executor, no privilege check.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/snapshots.hpp"
#include "changelog/track.hpp"
#include "pg/compat.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "commands/trigger.h"
#include "nodes/execnodes.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::changelog {

namespace {

// What capture needs to know of a table, cached until its log or the table changes.
struct Target {
  Oid relation;  // hash key
  bool valid;
  Oid log;
  Oid key_index;  // invalid without a key
  Oid xid_index;
  int key_count;
  AttrNumber key[INDEX_MAX_KEYS];
};

constinit HTAB *targets = nullptr;

// The block and transaction that the block range index was last told of. Another record of the same
// (sub)transaction in the same block adds nothing: both are there or neither, whoever summarizes.
struct Covered {
  Oid file;  // TRUNCATE gives a log another one
  BlockNumber block;
  FullTransactionId top;
  FullTransactionId current;
  bool operator==(const Covered &other) const {
    return file == other.file && block == other.block && FullTransactionIdEquals(top, other.top) &&
           FullTransactionIdEquals(current, other.current);
  }
};

Covered covered;

// The table whose log this subtransaction has locked last: a lock once taken stays to its end.
struct Held {
  Oid relation;
  FullTransactionId top;
  SubTransactionId sub;
  bool operator==(const Held &other) const {
    return relation == other.relation && FullTransactionIdEquals(top, other.top) &&
           sub == other.sub;
  }
};

Held held;

// Marks the targets that an invalidated relation belongs to.
void Invalidate(Datum, Oid relation) {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, targets);
  while (auto *target = static_cast<Target *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || relation == target->relation || relation == target->log ||
        relation == target->key_index || relation == target->xid_index) {
      target->valid = false;
    }
  }
}

void CreateTargets() {
  constexpr long kExpectedTables = 64;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(Target);
  targets =
      hash_create("heliosdb capture targets", kExpectedTables, &control, HASH_ELEM | HASH_BLOBS);
  CacheRegisterRelcacheCallback(Invalidate, 0);
}

// Finds the log of a table and its indexes.
void Load(Relation table, Target *target) {
  TrackedTable tracked;
  if (!FindTracked(target->relation, &tracked) || !OidIsValid(tracked.log)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has the trigger of the change log, but is not tracked",
                           RelationGetRelationName(table)),
                    errhint("Run heliosdb.track() or heliosdb.untrack() for it.")));
  }
  target->valid = true;
  target->log = tracked.log;
  target->key_count = tracked.key_count;
  for (int i = 0; i < tracked.key_count; i++) target->key[i] = tracked.key[i];
  target->key_index = InvalidOid;
  target->xid_index = InvalidOid;
  Relation log = table_open(tracked.log, RowExclusiveLock);
  List *indexes = RelationGetIndexList(log);
  ListCell *cell;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
    (index->rd_rel->relam == BTREE_AM_OID ? target->key_index : target->xid_index) =
        RelationGetRelid(index);
    index_close(index, NoLock);
  }
  list_free(indexes);
  table_close(log, NoLock);
  if (!OidIsValid(target->xid_index) || (target->key_count > 0) != OidIsValid(target->key_index)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("an index of the change log of table \"%s\" is missing",
                           RelationGetRelationName(table)),
                    errhint("Run heliosdb.untrack() and heliosdb.track() for it.")));
  }
}

// The log of one table, open for appending.
class Appender {
 public:
  explicit Appender(Relation table);
  void Close();
  // Appends the pre-image of a version that this transaction ends.
  void AppendOld(HeapTuple old, char op);
  // Appends the key of a new row, or all of it where there is no key.
  void AppendNew(HeapTuple row);
  // Tells whether an update leaves a row under the same key.
  bool KeepsKey(HeapTuple old, HeapTuple row);
  bool HasKey() const { return target_->key_count > 0; }

 private:
  void Append(Datum *values, bool *nulls, char op);
  void InsertEntry(Oid index_oid, Datum *values, bool *nulls, HeapTuple record);
  void Allocate(Datum **values, bool **nulls);
  void Deform(HeapTuple row, Datum *values, bool *nulls);

  Relation table_;
  Relation log_;
  const Target *target_;
};

Appender::Appender(Relation table) : table_(table) {
  if (targets == nullptr) CreateTargets();
  const Oid relid = RelationGetRelid(table);
  bool found;
  auto *target = static_cast<Target *>(hash_search(targets, &relid, HASH_ENTER, &found));
  if (!found) target->valid = false;
  const Held here = {relid, GetTopFullTransactionId(), GetCurrentSubTransactionId()};
  if (target->valid && here == held) {
    log_ = RelationIdGetRelation(target->log);
    if (log_ == nullptr) elog(ERROR, "log of relation %u is gone", relid);
  } else {
    // Locking may bring the news that the target has just changed.
    for (;;) {
      if (!target->valid) Load(table, target);
      log_ = try_table_open(target->log, RowExclusiveLock);
      if (log_ != nullptr && target->valid) break;
      if (log_ != nullptr) table_close(log_, NoLock);
      target->valid = false;
    }
    held = here;
  }
  target_ = target;
  if (RelationGetDescr(log_)->natts != RelationGetDescr(table)->natts + kLogColumns) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("the change log of table \"%s\" has other columns than the table",
                    RelationGetRelationName(table)),
             errdetail("The table was altered while event triggers of the extension were off."),
             errhint("Run heliosdb.track() for it; its history then starts anew.")));
  }
}

void Appender::Close() { table_close(log_, NoLock); }

void Appender::Allocate(Datum **values, bool **nulls) {
  const int columns = RelationGetDescr(log_)->natts;
  *values = static_cast<Datum *>(palloc(columns * sizeof(Datum)));
  *nulls = static_cast<bool *>(palloc(columns * sizeof(bool)));
}

// Reads a row of the table into the columns behind those of the log itself.
void Appender::Deform(HeapTuple row, Datum *values, bool *nulls) {
  TupleDesc desc = RelationGetDescr(table_);
  heap_deform_tuple(row, desc, values + kLogColumns, nulls + kLogColumns);
  for (int i = 0; i < desc->natts; i++) {
    if (TupleDescAttr(desc, i)->attisdropped) nulls[kLogColumns + i] = true;
  }
}

// Makes an entry in one index. The lock on the log keeps its indexes from changing; further locks
// would exceed what a backend can take without the shared lock table.
void Appender::InsertEntry(Oid index_oid, Datum *values, bool *nulls, HeapTuple record) {
  IndexInfo info = {};
  info.type = T_IndexInfo;
  info.ii_Context = CurrentMemoryContext;
  Relation index = RelationIdGetRelation(index_oid);
  if (index == nullptr) elog(ERROR, "index %u of a change log is gone", index_oid);
  index_insert(index, values, nulls, &record->t_self, log_, UNIQUE_CHECK_NO, false, &info);
  RelationClose(index);
}

// Writes one record and its index entries.
void Appender::Append(Datum *values, bool *nulls, char op) {
  RememberSubtransaction();
  NoteInstant();
  values[kLogXid - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
  values[kLogOp - 1] = CharGetDatum(op);
  nulls[kLogXid - 1] = false;
  nulls[kLogOp - 1] = false;
  HeapTuple record = heap_form_tuple(RelationGetDescr(log_), values, nulls);
  // No subscriber gets logs: tables that are published are tracked at the other end, if at all.
  heap_insert(log_, record, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);

  if (op != kOpInsert && HasKey()) {
    Datum key[INDEX_MAX_KEYS];
    bool key_nulls[INDEX_MAX_KEYS];
    for (int i = 0; i < target_->key_count; i++) {
      key[i] = values[target_->key[i] + kLogColumns - 1];
      key_nulls[i] = nulls[target_->key[i] + kLogColumns - 1];
    }
    InsertEntry(target_->key_index, key, key_nulls, record);
  }
  const Covered here = {pg::FileOf(log_), ItemPointerGetBlockNumber(&record->t_self),
                        GetTopFullTransactionId(), GetCurrentFullTransactionId()};
  if (!(here == covered)) {
    InsertEntry(target_->xid_index, values, nulls, record);
    covered = here;
  }
  heap_freetuple(record);
}

void Appender::AppendOld(HeapTuple old, char op) {
  Datum *values;
  bool *nulls;
  Allocate(&values, &nulls);
  Deform(old, values, nulls);
  values[kLogCreator - 1] =
      FullTransactionIdGetDatum(WidenXmin(HeapTupleHeaderGetRawXmin(old->t_data)));
  nulls[kLogCreator - 1] = false;
  Append(values, nulls, op);
}

void Appender::AppendNew(HeapTuple row) {
  Datum *values;
  bool *nulls;
  Allocate(&values, &nulls);
  nulls[kLogCreator - 1] = true;
  if (HasKey()) {
    std::memset(nulls + kLogColumns, true, RelationGetDescr(log_)->natts - kLogColumns);
    for (int i = 0; i < target_->key_count; i++) {
      const int column = target_->key[i] + kLogColumns - 1;
      values[column] = heap_getattr(row, target_->key[i], RelationGetDescr(table_), &nulls[column]);
    }
  } else {
    Deform(row, values, nulls);
  }
  Append(values, nulls, kOpInsert);
}

bool Appender::KeepsKey(HeapTuple old, HeapTuple row) {
  TupleDesc desc = RelationGetDescr(table_);
  for (int i = 0; i < target_->key_count; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(desc, target_->key[i] - 1);
    bool null;
    const Datum before = heap_getattr(old, target_->key[i], desc, &null);
    const Datum after = heap_getattr(row, target_->key[i], desc, &null);
    if (!datum_image_eq(before, after, attribute->attbyval, attribute->attlen)) return false;
  }
  return HasKey();
}

// True if no other transaction can ever have seen a version.
bool IsOwn(HeapTuple row) {
  return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(row->t_data));
}

// Logs what one row event of a table did.
void Capture(const TriggerData *data) {
  Appender log(data->tg_relation);
  HeapTuple old = data->tg_trigtuple;
  if (TRIGGER_FIRED_BY_INSERT(data->tg_event)) {
    log.AppendNew(old);
  } else {
    const bool is_update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    // A bag needs the own version too: it cancels the record of its insert.
    if (!log.HasKey() || !IsOwn(old)) log.AppendOld(old, is_update ? kOpUpdate : kOpDelete);
    if (is_update && !log.KeepsKey(old, data->tg_newtuple)) log.AppendNew(data->tg_newtuple);
  }
  log.Close();
}

}  // namespace

HELIOS_FUNCTION(changelog_capture) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"changelog_capture\" was not called as a trigger")));
  }
  auto *data = reinterpret_cast<TriggerData *>(fcinfo->context);
  if (TRIGGER_FIRED_FOR_ROW(data->tg_event) && TRIGGER_FIRED_AFTER(data->tg_event)) {
    Capture(data);
  } else if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
    Restart(RelationGetRelid(data->tg_relation), kTruncated);
  }
  PG_RETURN_POINTER(nullptr);
}

}  // namespace helios::changelog
