// The row trigger that appends to the log of its table: no SPI, no executor, no privilege check.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/log_index.hpp"
#include "changelog/snapshots.hpp"
#include "changelog/track.hpp"
#include "pg/compat.hpp"
#include "pg/invalidation.hpp"
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
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::changelog {

namespace {

// Which records have an entry of their own in an index.
enum class Entries {
  kNone,  // not yet: somebody builds it concurrently
  kAll,
  kPreImages,  // the mirrors of the table's indexes
  kBlocks,     // one for all records of a transaction in a block: block ranges of xid
};

// An index of a log.
struct Index {
  Oid oid;
  Entries entries;
  int count;
  AttrNumber columns[INDEX_MAX_KEYS];  // of the log
};

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

// The subtransaction that has locked a log last: a lock once taken stays to its end.
struct Held {
  FullTransactionId top;
  SubTransactionId sub;
  bool operator==(const Held &other) const {
    return FullTransactionIdEquals(top, other.top) && sub == other.sub;
  }
};

// What capture needs to know of a table, cached until its log or the table changes.
struct Target {
  Oid relation;  // hash key
  bool valid;
  Oid log;
  int index_count;
  Index *indexes;
  int key_count;
  AttrNumber key[INDEX_MAX_KEYS];
  Held held;
  Covered covered;
};

constinit HTAB *targets = nullptr;

// Marks the targets that an invalidated relation belongs to.
void Invalidate(Datum, Oid relation) {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, targets);
  while (auto *target = static_cast<Target *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || relation == target->relation || relation == target->log)
      target->valid = false;
    for (int i = 0; i < target->index_count; i++) {
      if (relation == target->indexes[i].oid) target->valid = false;
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
  pg::WatchRelations(Invalidate);
}

// Reads what an index of a log is on; false if capture does not know how to keep such a one.
bool ReadIndex(Index *index) {
  Relation relation = index_open(index->oid, RowExclusiveLock);
  const Form_pg_index form = relation->rd_index;
  const bool is_mirror = IsMirror(relation);
  bool known = is_mirror || (!form->indisunique && !form->indisexclusion &&
                             RelationGetIndexPredicate(relation) == NIL);
  index->count = form->indnatts;
  for (int i = 0; i < index->count; i++) {
    index->columns[i] = form->indkey.values[i];
    if (index->columns[i] == 0) known = false;  // an expression
  }
  const bool is_xid =
      relation->rd_rel->relam == BRIN_AM_OID && index->count == 1 && index->columns[0] == kLogXid;
  if (!form->indisready || !form->indislive) {
    index->entries = Entries::kNone;
    known = true;
  } else {
    index->entries = is_mirror ? Entries::kPreImages : is_xid ? Entries::kBlocks : Entries::kAll;
  }
  index_close(relation, NoLock);
  return known;
}

// Finds the indexes of a log: those of the extension, and what a superuser may have added.
void LoadIndexes(Relation log, Target *target) {
  List *oids = RelationGetIndexList(log);
  if (target->indexes != nullptr) pfree(target->indexes);
  target->indexes = nullptr;
  target->index_count = 0;
  target->indexes = static_cast<Index *>(
      MemoryContextAlloc(CacheMemoryContext, (list_length(oids) + 1) * sizeof(Index)));
  ListCell *cell;
  foreach (cell, oids) {
    // Listed before it is opened, so that no news about it is missed from then on.
    Index *index = &target->indexes[target->index_count++];
    index->oid = lfirst_oid(cell);
    if (ReadIndex(index)) continue;
    target->valid = false;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("change log \"%s\" has an index of a kind that it cannot have: \"%s\"",
                           RelationGetRelationName(log), get_rel_name(index->oid)),
                    errhint("Drop the index.")));
  }
  list_free(oids);
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
  Relation log = table_open(tracked.log, RowExclusiveLock);
  target->valid = true;
  target->log = tracked.log;
  target->key_count = tracked.key_count;
  for (int i = 0; i < tracked.key_count; i++) target->key[i] = tracked.key[i];
  LoadIndexes(log, target);
  table_close(log, NoLock);
}

// The place of a row that has gone.
constexpr ItemPointerData kNowhere = {{0xFFFF, 0xFFFF}, InvalidOffsetNumber};

// The log of one table, open for appending.
class Appender {
 public:
  explicit Appender(Relation table);
  void Close();
  // Appends the pre-image of a version that this transaction ends, and the place of the one that follows it.
  void AppendOld(HeapTuple old, TransactionId creator, char op, ItemPointerData place);
  // Appends the key of a new row, or all of it where there is no key.
  void AppendNew(HeapTuple row);
  // Tells whether an update leaves a row under the same key.
  bool KeepsKey(HeapTuple old, HeapTuple row);
  bool HasKey() const { return target_->key_count > 0; }

 private:
  void Append(Datum *values, bool *nulls, char op, ItemPointerData place);
  void InsertEntry(Index to, const Datum *values, const bool *nulls, HeapTuple record);
  void Allocate(Datum **values, bool **nulls);
  void Deform(HeapTuple row, Datum *values, bool *nulls);

  Relation table_;
  Relation log_;
  Target *target_;
};

Appender::Appender(Relation table) : table_(table) {
  if (targets == nullptr) CreateTargets();
  const Oid relid = RelationGetRelid(table);
  bool found;
  auto *target = static_cast<Target *>(hash_search(targets, &relid, HASH_ENTER, &found));
  if (!found) {
    *target = {};
    target->relation = relid;
  }
  const Held here = {GetTopFullTransactionId(), GetCurrentSubTransactionId()};
  if (target->valid && here == target->held) {
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
    target->held = here;
    NoteWritten(relid);
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
void Appender::InsertEntry(Index to, const Datum *values, const bool *nulls, HeapTuple record) {
  Datum entry[INDEX_MAX_KEYS];
  bool entry_nulls[INDEX_MAX_KEYS];
  for (int i = 0; i < to.count; i++) {
    entry[i] = values[to.columns[i] - 1];
    entry_nulls[i] = nulls[to.columns[i] - 1];
  }
  IndexInfo info = {};
  info.type = T_IndexInfo;
  info.ii_Context = CurrentMemoryContext;
  Relation index = RelationIdGetRelation(to.oid);
  if (index == nullptr) elog(ERROR, "index %u of a change log is gone", to.oid);
  index_insert(index, entry, entry_nulls, &record->t_self, log_, UNIQUE_CHECK_NO, false, &info);
  pg::EndIndexInserts(index, &info);
  RelationClose(index);
}

// Writes one record and its index entries.
void Appender::Append(Datum *values, bool *nulls, char op, ItemPointerData place) {
  RememberSubtransaction();
  NoteInstant();
  values[kLogXid - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
  values[kLogOp - 1] = CharGetDatum(op);
  values[kLogPlace - 1] = PointerGetDatum(&place);
  nulls[kLogXid - 1] = false;
  nulls[kLogOp - 1] = false;
  nulls[kLogPlace - 1] = false;
  HeapTuple record = heap_form_tuple(RelationGetDescr(log_), values, nulls);
  // No subscriber gets logs: tables that are published are tracked at the other end, if at all.
  heap_insert(log_, record, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);

  const Covered here = {pg::FileOf(log_), ItemPointerGetBlockNumber(&record->t_self),
                        GetTopFullTransactionId(), GetCurrentFullTransactionId()};
  for (int i = 0; i < target_->index_count; i++) {
    const Entries entries = target_->indexes[i].entries;
    if (entries == Entries::kAll || (entries == Entries::kPreImages && op != kOpInsert) ||
        (entries == Entries::kBlocks && !(here == target_->covered))) {
      InsertEntry(target_->indexes[i], values, nulls, record);
    }
  }
  target_->covered = here;
  heap_freetuple(record);
}

void Appender::AppendOld(HeapTuple old, TransactionId creator, char op, ItemPointerData place) {
  Datum *values;
  bool *nulls;
  Allocate(&values, &nulls);
  Deform(old, values, nulls);
  values[kLogCreator - 1] = FullTransactionIdGetDatum(WidenXmin(creator));
  nulls[kLogCreator - 1] = false;
  Append(values, nulls, op, place);
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
  Append(values, nulls, kOpInsert, row->t_self);
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

// The transaction that made a version; the header of one that a table access method has moved may say otherwise.
TransactionId CreatorOf(TupleTableSlot *row) {
  bool is_null;
  return DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &is_null));
}

// Logs what one row event of a table did.
void Capture(const TriggerData *data) {
  Appender log(data->tg_relation);
  HeapTuple old = data->tg_trigtuple;
  if (TRIGGER_FIRED_BY_INSERT(data->tg_event)) {
    log.AppendNew(old);
  } else {
    const bool is_update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    const TransactionId creator = CreatorOf(data->tg_trigslot);
    // What no other transaction can have seen; a bag needs it too: it cancels the record of its insert.
    if (!log.HasKey() || !TransactionIdIsCurrentTransactionId(creator)) {
      if (is_update) {
        log.AppendOld(old, creator, kOpUpdate, data->tg_newtuple->t_self);
      } else {
        log.AppendOld(old, creator, kOpDelete, kNowhere);
      }
    } else {
      // Nothing is logged, but the new version has the number of this subtransaction.
      RememberSubtransaction();
    }
    if (is_update && !log.KeepsKey(old, data->tg_newtuple)) log.AppendNew(data->tg_newtuple);
  }
  log.Close();
}

}  // namespace

void RecordInserted(Relation relation, HeapTuple row) {
  Appender log(relation);
  log.AppendNew(row);
  log.Close();
}

void RecordDeleted(Relation relation, TupleTableSlot *row) {
  Appender log(relation);
  log.AppendOld(ExecFetchSlotHeapTuple(row, false, nullptr), CreatorOf(row), kOpDelete, kNowhere);
  log.Close();
}

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
