#include "timetravel/overlay.hpp"

#include "pg/compat.hpp"
#include "pg/indexes.hpp"
#include "pg/invalidation.hpp"
#include "pg/tables.hpp"
#include "timetravel/cut.hpp"
#include "timetravel/timetravel.hpp"

#include <cstring>
#include <new>

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_opfamily.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// Keys that are looked for by index before all are loaded.
constexpr int kProbes = 16;
constexpr uint32 kFirstCapacity = 1024;
constexpr uint64 kBytesPerKilobyte = 1024;
// Columns before the key in a table of deleted keys: the transaction.
constexpr int kBeforeKey = 1;

// True for operator families whose types are numbers that are equal only if their bits are.
bool IsNumber(Oid family) { return family == INTEGER_BTREE_FAM_OID || family == OID_BTREE_FAM_OID; }

uint32 HashNumber(uint64 number) {
  constexpr int kHalf = 32;
  return murmurhash32(static_cast<uint32>(number) ^ static_cast<uint32>(number >> kHalf));
}

// Tells whether a relation goes with another one when that is dropped.
bool IsPartOf(Oid part, Oid whole) {
  Relation depends = table_open(DependRelationId, AccessShareLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(RelationRelationId));
  ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(part));
  SysScanDesc scan =
      systable_beginscan(depends, DependDependerIndexId, true, nullptr, lengthof(keys), keys);
  bool found = false;
  HeapTuple tuple;
  while (!found && HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const auto *form = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
    found = form->refclassid == RelationRelationId && form->refobjid == whole &&
            form->deptype == DEPENDENCY_AUTO;
  }
  systable_endscan(scan);
  table_close(depends, AccessShareLock);
  return found;
}

}  // namespace

struct Overlay::Slot {
  uint32 hash;
  bool is_used;
  union {
    Datum number;
    const Datum *key;
  };
};

void CheckOverlay(const OverlayTables &tables, Relation past) {
  Relation deleted = table_open(tables.deleted, AccessShareLock);
  const TupleDesc row = RelationGetDescr(deleted);
  const Overlay overlay(tables.local, tables.deleted, CurrentMemoryContext);
  bool fits =
      IsPartOf(tables.deleted, tables.local) && row->natts == overlay.key_count() + kBeforeKey;
  for (int i = 0; fits && i < overlay.key_count(); i++) {
    const int at = overlay.key(i) - 1;
    fits = at < RelationGetNumberOfAttributes(past) &&
           TupleDescAttr(RelationGetDescr(past), at)->atttypid ==
               TupleDescAttr(row, i + kBeforeKey)->atttypid;
  }
  table_close(deleted, NoLock);
  if (fits) return;
  ereport(
      ERROR,
      (errcode(ERRCODE_WRONG_OBJECT_TYPE),
       errmsg("tables %u and %u cannot be laid over table \"%s\"", tables.local, tables.deleted,
              RelationGetRelationName(past)),
       errdetail("One must have the same primary key, and the other one keep its deleted keys.")));
}

namespace {

// Rows of a table that count as inserted by a command, and that came after it.
struct Behind {
  struct Key {
    Oid local;
    CommandId command;
  } key;
  CommandId last;  // the command in which the last one came
};

constinit HTAB *behind = nullptr;  // of one transaction
constinit LocalTransactionId behind_transaction = InvalidLocalTransactionId;

}  // namespace

void NoteInsertedBehind(Oid local, CommandId command) {
  // What is read in the next command sees them: that is to be another one.
  const CommandId now = GetCurrentCommandId(true);
  if (behind_transaction != pg::CurrentLocalTransaction()) {
    constexpr long kExpected = 16;
    HASHCTL control = {};
    control.keysize = sizeof(Behind::Key);
    control.entrysize = sizeof(Behind);
    control.hcxt = TopTransactionContext;
    behind = hash_create("heliosdb rows inserted behind", kExpected, &control,
                         HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    behind_transaction = pg::CurrentLocalTransaction();
  }
  const Behind::Key key = {local, command};
  static_cast<Behind *>(hash_search(behind, &key, HASH_ENTER, nullptr))->last = now;
}

namespace {

constinit HTAB *keys = nullptr;

void InvalidateKeys(Datum, Oid relation) {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, keys);
  while (auto *key = static_cast<OverlayKey *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || relation == key->local || relation == key->deleted)
      key->valid = false;
  }
}

void CreateKeys() {
  constexpr long kExpected = 64;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(OverlayKey);
  keys = hash_create("heliosdb overlay keys", kExpected, &control, HASH_ELEM | HASH_BLOBS);
  pg::WatchRelations(InvalidateKeys);
}

// Reads the primary key of the first table, and finds the index of the second one.
void LoadKey(OverlayKey *key) {
  Relation local = table_open(key->local, AccessShareLock);
  list_free(RelationGetIndexList(local));
  key->local_index = local->rd_pkindex;
  if (!OidIsValid(key->local_index)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has no primary key", RelationGetRelationName(local))));
  }
  Relation index = index_open(key->local_index, AccessShareLock);
  key->count = index->rd_index->indnkeyatts;
  key->can_hash = true;
  key->is_number = key->count == 1 && IsNumber(index->rd_opfamily[0]);
  for (int i = 0; i < key->count; i++) {
    key->column[i] = index->rd_index->indkey.values[i];
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), i);
    key->by_value[i] = column->attbyval;
    key->length[i] = column->attlen;
    key->collation[i] = index->rd_indcollation[i];
    const Oid equality = pg::EqualityOf(index, i);
    fmgr_info_cxt(get_opcode(equality), &key->equal[i], CacheMemoryContext);
    RegProcedure left, right;
    if (get_op_hash_functions(equality, &left, &right)) {
      fmgr_info_cxt(left, &key->hash[i], CacheMemoryContext);
    } else {
      key->can_hash = false;
    }
  }
  index_close(index, NoLock);
  table_close(local, NoLock);
  Relation deleted = table_open(key->deleted, AccessShareLock);
  List *indexes = RelationGetIndexList(deleted);
  if (indexes == NIL) elog(ERROR, "relation %u has no index", key->deleted);
  key->deleted_index = linitial_oid(indexes);
  list_free(indexes);
  table_close(deleted, NoLock);
}

// Finds the key of two tables, which are locked for reading.
OverlayKey FindKey(Oid local, Oid deleted) {
  if (keys == nullptr) CreateKeys();
  LockRelationOid(local, AccessShareLock);
  LockRelationOid(deleted, AccessShareLock);
  bool found;
  auto *known = static_cast<OverlayKey *>(hash_search(keys, &local, HASH_ENTER, &found));
  if (!found) known->valid = false;
  if (known->valid && known->deleted == deleted) return *known;
  OverlayKey key = {};
  key.local = local;
  key.deleted = deleted;
  known->valid = false;
  known->deleted = deleted;
  LoadKey(&key);
  key.valid = true;
  known = static_cast<OverlayKey *>(hash_search(keys, &local, HASH_FIND, nullptr));
  *known = key;
  return key;
}

}  // namespace

Overlay::Overlay(Oid local, Oid deleted, MemoryContext context)
    : key_(FindKey(local, deleted)), context_(context) {}

void Overlay::AddTable(Oid oid, Oid index, const AttrNumber *columns) {
  Relation relation = table_open(oid, NoLock);
  const BlockNumber pages = pg::PagesOf(relation);
  table_close(relation, NoLock);
  // What comes later the snapshot does not see.
  if (pages == 0) return;
  Table *table = &tables_[table_count_++];
  table->oid = oid;
  table->index = index;
  table->pages = pages;
  memcpy(table->column, columns, sizeof(AttrNumber) * static_cast<size_t>(key_.count));
}

// Finds out which tables are to be asked.
void Overlay::Start() {
  is_started_ = true;
  if (!deleted_only_) AddTable(key_.local, key_.local_index, key_.column);
  AttrNumber columns[INDEX_MAX_KEYS];
  for (int i = 0; i < key_.count; i++) columns[i] = static_cast<AttrNumber>(i + 1 + kBeforeKey);
  AddTable(key_.deleted, key_.deleted_index, columns);
}

// Raises an error if a row that the snapshot sees came when its table was being read.
void Overlay::CheckBehind(const Table &asked, TupleTableSlot *slot, Snapshot snapshot) const {
  if (likely(behind_transaction != pg::CurrentLocalTransaction()) || asked.oid != key_.local)
    return;
  const HeapTupleHeader row = ExecFetchSlotHeapTuple(slot, false, nullptr)->t_data;
  if (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(row))) return;
  const Behind::Key key = {asked.oid, HeapTupleHeaderGetCmin(row)};
  const auto *found = static_cast<Behind *>(hash_search(behind, &key, HASH_FIND, nullptr));
  // A command sees those that count as inserted right before it as its own.
  if (found == nullptr || found->last < snapshot->curcid || key.command + 1 >= snapshot->curcid)
    return;
  ereport(
      ERROR,
      (errcode(ERRCODE_INVALID_CURSOR_STATE),
       errmsg("an older cursor has locked rows of table \"%s\" meanwhile", get_rel_name(asked.oid)),
       errhint("On a branch, read one cursor to its end before you open the other one.")));
}

// Looks for a key in one of the tables.
bool Overlay::FindByIndex(const Table &asked, const Datum *key, Snapshot snapshot) {
  Relation table = table_open(asked.oid, NoLock);
  Relation index = index_open(asked.index, AccessShareLock);
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < key_.count; i++) {
    ScanKeyEntryInitialize(&keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber,
                           InvalidOid, key_.collation[i], key_.equal[i].fn_oid, key[i]);
  }
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  IndexScanDesc scan = pg::BeginIndexScan(table, index, snapshot, key_.count, 0);
  index_rescan(scan, keys, key_.count, nullptr, 0);
  const bool found = index_getnext_slot(scan, ForwardScanDirection, slot);
  if (found) CheckBehind(asked, slot, snapshot);
  index_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  index_close(index, NoLock);
  table_close(table, NoLock);
  return found;
}

uint32 Overlay::Hash(const Datum *key) {
  if (likely(key_.is_number)) return HashNumber(key[0]);
  uint32 hash = 0;
  for (int i = 0; i < key_.count; i++) {
    const uint32 part = DatumGetUInt32(FunctionCall1Coll(&key_.hash[i], key_.collation[i], key[i]));
    hash = ((hash << 1) | (hash >> 31)) ^ part;
  }
  return hash;
}

bool Overlay::IsEqual(const Datum *a, const Datum *b) {
  for (int i = 0; i < key_.count; i++) {
    if (!DatumGetBool(FunctionCall2Coll(&key_.equal[i], key_.collation[i], a[i], b[i])))
      return false;
  }
  return true;
}

bool Overlay::FindInMemory(const Datum *key) {
  const uint32 hash = Hash(key);
  for (uint32 at = hash & (capacity_ - 1); slots_[at].is_used; at = (at + 1) & (capacity_ - 1)) {
    if (slots_[at].hash != hash) continue;
    if (key_.is_number ? slots_[at].number == key[0] : IsEqual(slots_[at].key, key)) return true;
  }
  return false;
}

void Overlay::Grow() {
  Slot *old = slots_;
  const uint32 old_capacity = capacity_;
  capacity_ = old == nullptr ? kFirstCapacity : capacity_ * 2;
  slots_ = static_cast<Slot *>(MemoryContextAllocExtended(context_, capacity_ * sizeof(Slot),
                                                          MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
  for (uint32 i = 0; i < old_capacity; i++) {
    if (!old[i].is_used) continue;
    uint32 at = old[i].hash & (capacity_ - 1);
    while (slots_[at].is_used) at = (at + 1) & (capacity_ - 1);
    slots_[at] = old[i];
  }
  if (old != nullptr) pfree(old);
}

// Adds a copy of a key.
void Overlay::Insert(const Datum *key) {
  if (FindInMemory(key)) return;
  if (filter_ != nullptr) {
    const uint64 place = PlaceOf(key[0]);
    filter_[place / kWordBits] |= uint64{1} << (place % kWordBits);
  }
  // At most half full.
  if (used_ * 2 >= capacity_) Grow();
  Slot slot = {Hash(key), true, {key[0]}};
  if (!key_.is_number) {
    MemoryContext before = MemoryContextSwitchTo(context_);
    auto *kept = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<size_t>(key_.count)));
    for (int i = 0; i < key_.count; i++)
      kept[i] = datumCopy(key[i], key_.by_value[i], key_.length[i]);
    MemoryContextSwitchTo(before);
    slot.key = kept;
  }
  uint32 at = slot.hash & (capacity_ - 1);
  while (slots_[at].is_used) at = (at + 1) & (capacity_ - 1);
  slots_[at] = slot;
  used_++;
}

// Adds all keys of one of the tables that a snapshot sees.
void Overlay::Load(const Table &asked, Snapshot snapshot) {
  Relation table = table_open(asked.oid, NoLock);
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
  Datum key[INDEX_MAX_KEYS];
  while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    CheckBehind(asked, slot, snapshot);
    for (int i = 0; i < key_.count; i++) {
      bool is_null;
      key[i] = slot_getattr(slot, asked.column[i], &is_null);
    }
    Insert(key);
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  table_close(table, NoLock);
}

// Tells whether all keys may be held in memory.
bool Overlay::MayLoad() const {
  uint64 pages = 0;
  for (int i = 0; i < table_count_; i++) pages += tables_[i].pages;
  return key_.can_hash && pages * BLCKSZ <= static_cast<uint64>(work_mem) * kBytesPerKilobyte;
}

bool Overlay::Find(const Datum *key, Snapshot snapshot) {
  if (unlikely(!is_started_)) Start();
  if (table_count_ == 0) return false;
  if (likely(slots_ != nullptr)) return FindInMemory(key);
  if (probes_ == kProbes) {
    // Asked once: who may not load goes on by index.
    probes_++;
    if (MayLoad()) {
      Grow();
      if (key_.is_number) {
        filter_ = static_cast<uint64 *>(
            MemoryContextAllocZero(context_, sizeof(uint64) * (1 << kFilterBits) / kWordBits));
      }
      for (int i = 0; i < table_count_; i++) Load(tables_[i], snapshot);
      return FindInMemory(key);
    }
  }
  if (probes_ < kProbes) probes_++;
  for (int i = 0; i < table_count_; i++) {
    if (FindByIndex(tables_[i], key, snapshot)) return true;
  }
  return false;
}

}  // namespace helios::timetravel

// overlay_of(local oid, deleted oid): both in one number, for is_overlaid().
HELIOS_FUNCTION(overlay_of) {
  PG_RETURN_INT64(
      static_cast<int64>(static_cast<uint64>(PG_GETARG_OID(0)) << 32 | PG_GETARG_OID(1)));
}

// is_overlaid(tables internal, VARIADIC key "any"): whether something stands in place of a row of the past. Nobody but
// the planner has a value of type internal: so nobody asks for keys of tables that he may not read.
HELIOS_FUNCTION(is_overlaid) {
  using namespace helios::timetravel;
  auto *overlay = static_cast<Overlay *>(fcinfo->flinfo->fn_extra);
  if (unlikely(overlay == nullptr)) {
    MemoryContext context = EmptyContextOf(fcinfo);
    const auto tables = static_cast<uint64>(PG_GETARG_DATUM(0));
    overlay = new (MemoryContextAlloc(context, sizeof(Overlay)))
        Overlay(static_cast<Oid>(tables >> 32), static_cast<Oid>(tables), context);
    fcinfo->flinfo->fn_extra = overlay;
  }
  Datum key[INDEX_MAX_KEYS];
  for (int i = 0; i < overlay->key_count(); i++) key[i] = PG_GETARG_DATUM(i + 1);
  PG_RETURN_BOOL(overlay->Covers(key, GetActiveSnapshot()));
}
