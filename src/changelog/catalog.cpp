#include "changelog/catalog.hpp"

#include "pg/invalidation.hpp"

#include <cstring>

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr const char *kReasons[] = {kTracked,           kTruncated,         kRewritten,
                                    kColumnTypeChanged, kKeyChanged,        kTriggerWasDisabled,
                                    kComputedAnew,      kPartitionsChanged, kTrimmed};

// Columns of heliosdb.tracked.
enum TrackedColumn {
  kRelid = 1,
  kLogOid,
  kRoot,
  kSinceXid,
  kFloor,
  kSinceAt,
  kSinceScn,
  kReason,
  kStartedAt,
  kKey,
  kRetention,
  kAutomatic,
  kTrackedColumns = kAutomatic
};

struct CacheEntry {
  Oid relation;  // hash key
  bool valid;
  bool is_tracked;
  TrackedTable tracked;
};

constinit HTAB *cache = nullptr;

// Marks what the cache knows of a relation, or of all, as out of date.
void Invalidate(Datum, Oid relation) {
  if (OidIsValid(relation)) {
    auto *entry = static_cast<CacheEntry *>(hash_search(cache, &relation, HASH_FIND, nullptr));
    if (entry != nullptr) entry->valid = false;
    return;
  }
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, cache);
  while (auto *entry = static_cast<CacheEntry *>(hash_seq_search(&status))) entry->valid = false;
}

void CreateCache() {
  constexpr long kExpectedTables = 64;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(CacheEntry);
  cache = hash_create("heliosdb tracked tables", kExpectedTables, &control, HASH_ELEM | HASH_BLOBS);
  pg::WatchRelations(Invalidate);
}

const char *KnownReason(const char *text) {
  for (const char *reason : kReasons) {
    if (std::strcmp(reason, text) == 0) return reason;
  }
  return kTracked;
}

// Reads a row of heliosdb.tracked.
void Decode(HeapTuple tuple, TupleDesc desc, TrackedTable *tracked) {
  Datum values[kTrackedColumns];
  bool nulls[kTrackedColumns];
  heap_deform_tuple(tuple, desc, values, nulls);
  tracked->relation = DatumGetObjectId(values[kRelid - 1]);
  tracked->log = DatumGetObjectId(values[kLogOid - 1]);
  tracked->root = DatumGetObjectId(values[kRoot - 1]);
  tracked->since = DatumGetFullTransactionId(values[kSinceXid - 1]);
  tracked->floor = DatumGetFullTransactionId(values[kFloor - 1]);
  tracked->since_at = DatumGetTimestampTz(values[kSinceAt - 1]);
  tracked->since_scn = DatumGetInt64(values[kSinceScn - 1]);
  tracked->reason = KnownReason(TextDatumGetCString(values[kReason - 1]));
  tracked->started_at = DatumGetTimestampTz(values[kStartedAt - 1]);
  tracked->is_automatic = DatumGetBool(values[kAutomatic - 1]);
  ArrayType *key = DatumGetArrayTypeP(values[kKey - 1]);
  tracked->key_count = ArrayGetNItems(ARR_NDIM(key), ARR_DIMS(key));
  if (tracked->key_count > INDEX_MAX_KEYS) elog(ERROR, "key of tracked table is too long");
  if (tracked->key_count > 0) {
    std::memcpy(tracked->key, ARR_DATA_PTR(key), tracked->key_count * sizeof(AttrNumber));
  }
}

// Looks for the row of a relation.
SysScanDesc FindRow(Relation table, Oid relation) {
  ScanKeyData key;
  ScanKeyInit(&key, kRelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  return systable_beginscan(table, OwnRelation(kAdminSchema, "tracked_pkey"), true, nullptr, 1,
                            &key);
}

// Fills a cache entry from heliosdb.tracked.
void Load(CacheEntry *entry) {
  const Oid schema = get_namespace_oid(kAdminSchema, true);
  const Oid table_oid = OidIsValid(schema) ? get_relname_relid("tracked", schema) : InvalidOid;
  entry->is_tracked = false;
  entry->valid = true;
  if (!OidIsValid(table_oid)) return;
  // Set again by an invalidation that arrives while the row is read.
  Relation table = table_open(table_oid, AccessShareLock);
  SysScanDesc scan = FindRow(table, entry->relation);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    Decode(tuple, RelationGetDescr(table), &entry->tracked);
    entry->is_tracked = true;
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
}

}  // namespace

Oid OwnRelation(const char *schema, const char *name) {
  const Oid schema_oid = get_namespace_oid(schema, true);
  const Oid relation = OidIsValid(schema_oid) ? get_relname_relid(name, schema_oid) : InvalidOid;
  if (!OidIsValid(relation)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation %s.%s of the extension does not exist", schema, name),
                    errhint("Run CREATE EXTENSION heliosdb in this database.")));
  }
  return relation;
}

Oid ExtensionOid() { return get_extension_oid("heliosdb", false); }

Oid ExtensionOwner() {
  Relation table = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(ExtensionOid()));
  SysScanDesc scan = systable_beginscan(table, ExtensionOidIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "extension heliosdb does not exist");
  const Oid owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return owner;
}

bool FindTracked(Oid relation, TrackedTable *tracked) {
  if (cache == nullptr) CreateCache();
  // Trimming moves the start of history without a lock that readers would wait for.
  AcceptInvalidationMessages();
  bool found;
  auto *entry = static_cast<CacheEntry *>(hash_search(cache, &relation, HASH_ENTER, &found));
  if (!found) entry->valid = false;
  if (!entry->valid) Load(entry);
  if (!entry->is_tracked) return false;
  *tracked = entry->tracked;
  return true;
}

void SaveTracked(const TrackedTable &tracked) {
  Relation table = table_open(OwnRelation(kAdminSchema, "tracked"), RowExclusiveLock);
  Datum values[kTrackedColumns] = {};
  bool nulls[kTrackedColumns] = {};
  bool replaced[kTrackedColumns];
  Datum key[INDEX_MAX_KEYS];
  for (int i = 0; i < tracked.key_count; i++) key[i] = Int16GetDatum(tracked.key[i]);
  values[kRelid - 1] = ObjectIdGetDatum(tracked.relation);
  values[kLogOid - 1] = ObjectIdGetDatum(tracked.log);
  values[kRoot - 1] = ObjectIdGetDatum(tracked.root);
  values[kSinceXid - 1] = FullTransactionIdGetDatum(tracked.since);
  values[kFloor - 1] = FullTransactionIdGetDatum(tracked.floor);
  values[kSinceAt - 1] = TimestampTzGetDatum(tracked.since_at);
  values[kSinceScn - 1] = Int64GetDatum(tracked.since_scn);
  values[kReason - 1] = CStringGetTextDatum(tracked.reason);
  values[kStartedAt - 1] = TimestampTzGetDatum(tracked.started_at);
  values[kKey - 1] = PointerGetDatum(
      construct_array(key, tracked.key_count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
  nulls[kRetention - 1] = true;
  values[kAutomatic - 1] = BoolGetDatum(tracked.is_automatic);
  for (bool &replace : replaced) replace = true;
  replaced[kRetention - 1] = false;

  LockTracked(tracked.relation);
  SysScanDesc scan = FindRow(table, tracked.relation);
  HeapTuple old = systable_getnext(scan);
  if (HeapTupleIsValid(old)) {
    HeapTuple tuple = heap_modify_tuple(old, RelationGetDescr(table), values, nulls, replaced);
    CatalogTupleUpdate(table, &tuple->t_self, tuple);
  } else {
    CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values, nulls));
  }
  systable_endscan(scan);
  table_close(table, RowExclusiveLock);
  CacheInvalidateRelcacheByRelid(tracked.relation);
  CommandCounterIncrement();
}

void LockTracked(Oid relation) {
  LockDatabaseObject(OwnRelation(kAdminSchema, "tracked"), relation, 0, ExclusiveLock);
}

List *TrackedUnder(Oid root) {
  Relation table = table_open(OwnRelation(kAdminSchema, "tracked"), AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, kRoot, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(root));
  SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 1, &key);
  List *relations = NIL;
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    TrackedTable tracked;
    Decode(tuple, RelationGetDescr(table), &tracked);
    relations = lappend_oid(relations, tracked.relation);
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return relations;
}

void ForgetTracked(Oid relation) {
  Relation table = table_open(OwnRelation(kAdminSchema, "tracked"), RowExclusiveLock);
  LockTracked(relation);
  SysScanDesc scan = FindRow(table, relation);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) CatalogTupleDelete(table, &tuple->t_self);
  systable_endscan(scan);
  table_close(table, RowExclusiveLock);
  if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation))) {
    CacheInvalidateRelcacheByRelid(relation);
  }
  CommandCounterIncrement();
}

FullTransactionId TopOf(FullTransactionId xid) {
  const Oid table_oid = OwnRelation(kLogSchema, "subxacts");
  Relation table = table_open(table_oid, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(xid));
  // What the row says is true whether its transaction committed or not.
  SysScanDesc scan = systable_beginscan(table, OwnRelation(kLogSchema, "subxacts_pkey"), true,
                                        SnapshotAny, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  FullTransactionId top = xid;
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    top = DatumGetFullTransactionId(heap_getattr(tuple, 2, RelationGetDescr(table), &is_null));
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return top;
}

namespace {

// Notes which transaction a subtransaction belongs to.
void Remember(FullTransactionId sub, FullTransactionId top) {
  if (FullTransactionIdEquals(TopOf(sub), top)) return;
  Relation table = table_open(OwnRelation(kLogSchema, "subxacts"), RowExclusiveLock);
  Datum values[] = {FullTransactionIdGetDatum(sub), FullTransactionIdGetDatum(top)};
  bool nulls[] = {false, false};
  CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values, nulls));
  table_close(table, RowExclusiveLock);
}

}  // namespace

void RememberSubtransaction() {
  if (GetCurrentTransactionNestLevel() == 1) return;
  static FullTransactionId last = {0};
  const FullTransactionId sub = GetCurrentFullTransactionId();
  if (FullTransactionIdEquals(sub, last)) return;
  Remember(sub, GetTopFullTransactionId());
  last = sub;
}

void RememberSubtransactions() {
  const FullTransactionId top = GetTopFullTransactionId();
  const FullTransactionId next = ReadNextFullTransactionId();
  // Only the server knows them all, and tells for one at a time.
  for (FullTransactionId xid = top; FullTransactionIdPrecedes(xid, next);
       FullTransactionIdAdvance(&xid)) {
    CHECK_FOR_INTERRUPTS();
    if (FullTransactionIdEquals(xid, top) ||
        !TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(xid)))
      continue;
    Remember(xid, top);
  }
}

FullTransactionId LastSubtransactionOf(FullTransactionId top) {
  Relation table = table_open(OwnRelation(kLogSchema, "subxacts"), AccessShareLock);
  Relation index = index_open(OwnRelation(kLogSchema, "subxacts_top"), AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, 2, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(top));
  SysScanDesc scan = systable_beginscan_ordered(table, index, SnapshotAny, 1, &key);
  HeapTuple tuple = systable_getnext_ordered(scan, BackwardScanDirection);
  FullTransactionId last = InvalidFullTransactionId;
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    last = DatumGetFullTransactionId(heap_getattr(tuple, 1, RelationGetDescr(table), &is_null));
  }
  systable_endscan_ordered(scan);
  index_close(index, AccessShareLock);
  table_close(table, AccessShareLock);
  return last;
}

FullTransactionId WidenXmin(TransactionId xmin) {
  if (!TransactionIdIsNormal(xmin)) return FullTransactionIdFromEpochAndXid(0, xmin);
  const FullTransactionId next = ReadNextFullTransactionId();
  uint32 epoch = EpochFromFullTransactionId(next);
  if (xmin > XidFromFullTransactionId(next) && epoch > 0) epoch--;
  return FullTransactionIdFromEpochAndXid(epoch, xmin);
}

void OwnerScope::Enter() {
  GetUserIdAndSecContext(&user_, &context_);
  SetUserIdAndSecContext(ExtensionOwner(), context_ | SECURITY_LOCAL_USERID_CHANGE);
  settings_ = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                    GUC_ACTION_SAVE, true, 0, false);
}

void OwnerScope::Leave() {
  AtEOXact_GUC(false, settings_);
  SetUserIdAndSecContext(user_, context_);
}

void RunAsOwner(const char *sql, bool read_only, int expected, long limit) {
  OwnerScope owner;
  owner.Enter();
  if (SPI_execute(sql, read_only, limit) != expected) elog(ERROR, "cannot run: %s", sql);
  owner.Leave();
}

void StoreAsOwner(const char *sql, const ReturnSetInfo *result) {
  constexpr long kBatch = 1000;
  const int columns = result->setDesc->natts;
  auto *values = static_cast<Datum *>(palloc(columns * sizeof(Datum)));
  auto *nulls = static_cast<bool *>(palloc(columns * sizeof(bool)));
  OwnerScope owner;
  owner.Enter();
  Portal portal = SPI_cursor_open(nullptr, SPI_prepare(sql, 0, nullptr), nullptr, nullptr, true);
  for (SPI_cursor_fetch(portal, true, kBatch); SPI_processed > 0;
       SPI_cursor_fetch(portal, true, kBatch)) {
    for (uint64 row = 0; row < SPI_processed; row++) {
      for (int i = 0; i < columns; i++) {
        values[i] = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i + 1, &nulls[i]);
      }
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    SPI_freetuptable(SPI_tuptable);
  }
  SPI_cursor_close(portal);
  owner.Leave();
}

}  // namespace helios::changelog
