#include "timetravel/overlay.hpp"

#include "pg/compat.hpp"
#include "timetravel/cut.hpp"

#include <cstring>
#include <new>

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
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
constexpr int kProbes = 32;
constexpr uint32 kFirstCapacity = 1024;
constexpr uint64 kBytesPerKilobyte = 1024;
// Columns before the key in a table of deleted keys: the transaction.
constexpr int kBeforeKey = 1;

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
  const Datum *key;  // null: free
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

Overlay::Overlay(Oid local_oid, Oid deleted_oid, MemoryContext context)
    : local_(local_oid),
      deleted_(deleted_oid),
      context_(context),
      can_hash_(true),
      probes_(0),
      slots_(nullptr),
      capacity_(0),
      used_(0) {
  Relation local = table_open(local_oid, AccessShareLock);
  List *indexes = RelationGetIndexList(local);
  local_index_ = local->rd_pkindex;
  list_free(indexes);
  if (!OidIsValid(local_index_)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has no primary key", RelationGetRelationName(local))));
  }
  Relation index = index_open(local_index_, AccessShareLock);
  key_count_ = index->rd_index->indnkeyatts;
  for (int i = 0; i < key_count_; i++) {
    key_[i] = index->rd_index->indkey.values[i];
    deleted_key_[i] = static_cast<AttrNumber>(i + 1 + kBeforeKey);
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), i);
    by_value_[i] = column->attbyval;
    length_[i] = column->attlen;
    collation_[i] = index->rd_indcollation[i];
    const Oid equality = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i],
                                             index->rd_opcintype[i], BTEqualStrategyNumber);
    fmgr_info_cxt(get_opcode(equality), &equal_[i], context_);
    RegProcedure left, right;
    if (get_op_hash_functions(equality, &left, &right)) {
      fmgr_info_cxt(left, &hash_[i], context_);
    } else {
      can_hash_ = false;
    }
  }
  index_close(index, NoLock);
  table_close(local, NoLock);
  Relation deleted = table_open(deleted_oid, AccessShareLock);
  indexes = RelationGetIndexList(deleted);
  deleted_index_ = indexes == NIL ? InvalidOid : linitial_oid(indexes);
  list_free(indexes);
  table_close(deleted, NoLock);
  if (!OidIsValid(deleted_index_)) elog(ERROR, "relation %u has no index", deleted_oid);
}

// Looks for a key in one of the tables; a table without pages has none.
bool Overlay::FindByIndex(Oid table_oid, Oid index_oid, const Datum *key, Snapshot snapshot) {
  Relation table = table_open(table_oid, NoLock);
  if (RelationGetNumberOfBlocks(table) == 0) {
    table_close(table, NoLock);
    return false;
  }
  Relation index = index_open(index_oid, AccessShareLock);
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < key_count_; i++) {
    ScanKeyEntryInitialize(&keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber,
                           InvalidOid, collation_[i], equal_[i].fn_oid, key[i]);
  }
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  IndexScanDesc scan = pg::BeginIndexScan(table, index, snapshot, key_count_, 0);
  index_rescan(scan, keys, key_count_, nullptr, 0);
  const bool found = index_getnext_slot(scan, ForwardScanDirection, slot);
  index_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  index_close(index, NoLock);
  table_close(table, NoLock);
  return found;
}

uint32 Overlay::Hash(const Datum *key) {
  uint32 hash = 0;
  for (int i = 0; i < key_count_; i++) {
    const uint32 part = DatumGetUInt32(FunctionCall1Coll(&hash_[i], collation_[i], key[i]));
    hash = ((hash << 1) | (hash >> 31)) ^ part;
  }
  return hash;
}

bool Overlay::IsEqual(const Datum *a, const Datum *b) {
  for (int i = 0; i < key_count_; i++) {
    if (!DatumGetBool(FunctionCall2Coll(&equal_[i], collation_[i], a[i], b[i]))) return false;
  }
  return true;
}

bool Overlay::FindInMemory(const Datum *key) {
  if (used_ == 0) return false;
  const uint32 hash = Hash(key);
  for (uint32 at = hash & (capacity_ - 1); slots_[at].key != nullptr;
       at = (at + 1) & (capacity_ - 1)) {
    if (slots_[at].hash == hash && IsEqual(slots_[at].key, key)) return true;
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
    if (old[i].key == nullptr) continue;
    uint32 at = old[i].hash & (capacity_ - 1);
    while (slots_[at].key != nullptr) at = (at + 1) & (capacity_ - 1);
    slots_[at] = old[i];
  }
  if (old != nullptr) pfree(old);
}

// Adds a copy of a key.
void Overlay::Insert(const Datum *key) {
  if (FindInMemory(key)) return;
  // At most half full.
  if (used_ * 2 >= capacity_) Grow();
  MemoryContext before = MemoryContextSwitchTo(context_);
  auto *kept = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<size_t>(key_count_)));
  for (int i = 0; i < key_count_; i++) kept[i] = datumCopy(key[i], by_value_[i], length_[i]);
  MemoryContextSwitchTo(before);
  const uint32 hash = Hash(key);
  uint32 at = hash & (capacity_ - 1);
  while (slots_[at].key != nullptr) at = (at + 1) & (capacity_ - 1);
  slots_[at] = {hash, kept};
  used_++;
}

// Adds all keys of one of the tables that a snapshot sees.
void Overlay::Load(Oid table_oid, const AttrNumber *columns, Snapshot snapshot) {
  Relation table = table_open(table_oid, NoLock);
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
  Datum key[INDEX_MAX_KEYS];
  while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    for (int i = 0; i < key_count_; i++) {
      bool is_null;
      key[i] = slot_getattr(slot, columns[i], &is_null);
    }
    Insert(key);
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  table_close(table, NoLock);
}

// Tells whether all keys may be held in memory.
bool Overlay::MayLoad() {
  if (!can_hash_) return false;
  uint64 bytes = 0;
  for (const Oid oid : {local_, deleted_}) {
    Relation table = table_open(oid, NoLock);
    bytes += static_cast<uint64>(RelationGetNumberOfBlocks(table)) * BLCKSZ;
    table_close(table, NoLock);
  }
  return bytes <= static_cast<uint64>(work_mem) * kBytesPerKilobyte;
}

bool Overlay::Covers(const Datum *key, Snapshot snapshot) {
  if (slots_ == nullptr && probes_ == kProbes) {
    // Asked once: who may not load goes on by index.
    probes_++;
    if (MayLoad()) {
      Grow();
      Load(local_, key_, snapshot);
      Load(deleted_, deleted_key_, snapshot);
    }
  }
  if (slots_ != nullptr) return FindInMemory(key);
  if (probes_ < kProbes) probes_++;
  return FindByIndex(local_, local_index_, key, snapshot) ||
         FindByIndex(deleted_, deleted_index_, key, snapshot);
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
