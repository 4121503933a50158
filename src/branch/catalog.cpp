#include "branch/catalog.hpp"

#include "branch/session.hpp"
#include "pg/invalidation.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Columns of heliosdb.branches that are read here, and of heliosdb.branch_relations.
enum BranchColumn { kId = 1, kName, kParent, kOwner, kForkAt, kForkXid, kForkLsn, kForkScn };
enum RelationColumn {
  kBranch = 1,
  kMainRelid,
  kLocalRelid,
  kSchema,
  kColumns,
  kBaseXid,
  kBaseScn,
  kDeletedRelid,
  kWholeXid,
  kOrigin,
  kMadeXid,
  kShared,
  kSourceRelid,
  kSourceFork,
  kRelationColumns = kSourceFork
};

struct LocalKey {
  int64 branch;
  int64 main;  // an OID, widened so that the key has no padding
};

struct LocalEntry {
  LocalKey key;
  bool valid;
  Local local;
};

// The table of main behind a copy.
struct CopyEntry {
  Oid local;
  bool valid;
  CopyOf of;
};

constinit HTAB *locals = nullptr;
constinit HTAB *copies = nullptr;
constinit Branch current = {};
constinit Branch current_root = {};
constinit bool current_valid = false;
constinit uint64 invalidations = 0;

// Marks what was remembered of a relation, or of all, as out of date.
void Invalidate(Datum, Oid relation) {
  invalidations++;
  current_valid = false;
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, locals);
  while (auto *entry = static_cast<LocalEntry *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || entry->key.main == static_cast<int64>(relation))
      entry->valid = false;
  }
  hash_seq_init(&status, copies);
  while (auto *entry = static_cast<CopyEntry *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || entry->local == relation || entry->of.main == relation)
      entry->valid = false;
  }
}

void CreateCache() {
  constexpr long kExpected = 64;
  HASHCTL of_copies = {};
  of_copies.keysize = sizeof(Oid);
  of_copies.entrysize = sizeof(CopyEntry);
  copies = hash_create("heliosdb branch copies", kExpected, &of_copies, HASH_ELEM | HASH_BLOBS);
  HASHCTL control = {};
  control.keysize = sizeof(LocalKey);
  control.entrysize = sizeof(LocalEntry);
  locals = hash_create("heliosdb branch relations", kExpected, &control, HASH_ELEM | HASH_BLOBS);
  pg::WatchRelations(Invalidate);
}

// Finds one of the catalogs or its index; 0 without the extension.
Oid OwnRelation(const char *name) {
  const Oid schema = get_namespace_oid(kAdminSchema, true);
  return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

Oid OwnRelationOrError(const char *name) {
  const Oid relation = OwnRelation(name);
  if (!OidIsValid(relation)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation %s.%s of the extension does not exist", kAdminSchema, name),
                    errhint("Run CREATE EXTENSION heliosdb in this database.")));
  }
  return relation;
}

void Decode(HeapTuple tuple, TupleDesc row, Branch *branch) {
  bool is_null;
  *branch = {};
  branch->id = DatumGetInt64(heap_getattr(tuple, kId, row, &is_null));
  branch->name = *DatumGetName(heap_getattr(tuple, kName, row, &is_null));
  Datum value = heap_getattr(tuple, kParent, row, &is_null);
  if (!is_null) branch->parent = DatumGetInt64(value);
  branch->owner = DatumGetObjectId(heap_getattr(tuple, kOwner, row, &is_null));
  value = heap_getattr(tuple, kForkAt, row, &is_null);
  if (!is_null) branch->fork_at = DatumGetTimestampTz(value);
  value = heap_getattr(tuple, kForkXid, row, &is_null);
  branch->fork_xid = is_null ? InvalidFullTransactionId : DatumGetFullTransactionId(value);
  value = heap_getattr(tuple, kForkScn, row, &is_null);
  if (!is_null) branch->fork_scn = DatumGetInt64(value);
}

// Reads the row that a key finds by an index.
bool ReadBranch(ScanKey key, const char *index, Branch *branch) {
  const Oid table_oid = OwnRelation("branches");
  if (!OidIsValid(table_oid)) return false;
  Relation table = table_open(table_oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan(table, OwnRelationOrError(index), true, nullptr, 1, key);
  HeapTuple tuple = systable_getnext(scan);
  const bool found = HeapTupleIsValid(tuple);
  if (found) Decode(tuple, RelationGetDescr(table), branch);
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return found;
}

// Reads what a branch has in place of a relation.
Local LoadLocal(int64 branch, Oid main) {
  Relation table = table_open(OwnRelationOrError("branch_relations"), AccessShareLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], kBranch, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(branch));
  ScanKeyInit(&keys[1], kMainRelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(main));
  SysScanDesc scan = systable_beginscan(table, OwnRelationOrError("branch_relations_main"), true,
                                        nullptr, lengthof(keys), keys);
  HeapTuple tuple = systable_getnext(scan);
  Local local = {};
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    local.exists = true;
    local.relation =
        DatumGetObjectId(heap_getattr(tuple, kLocalRelid, RelationGetDescr(table), &is_null));
    local.columns = DatumGetInt16(heap_getattr(tuple, kColumns, RelationGetDescr(table), &is_null));
    local.deleted =
        DatumGetObjectId(heap_getattr(tuple, kDeletedRelid, RelationGetDescr(table), &is_null));
    const Datum whole = heap_getattr(tuple, kWholeXid, RelationGetDescr(table), &is_null);
    if (!is_null) local.whole_xid = DatumGetFullTransactionId(whole);
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return local;
}

// Calls `read` with the row of branch_relations about a local relation, if there is one, and the shape of such rows.
template <typename Read>
void ReadRowOf(Oid local, Read read) {
  Relation table = table_open(OwnRelationOrError("branch_relations"), AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, kLocalRelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(local));
  SysScanDesc scan = systable_beginscan(table, OwnRelationOrError("branch_relations_local"), true,
                                        nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) read(tuple, RelationGetDescr(table));
  systable_endscan(scan);
  table_close(table, AccessShareLock);
}

// Reads what a copy that was made row by row stands for.
CopyOf LoadCopyOf(Oid local) {
  CopyOf of = {};
  ReadRowOf(local, [&of](HeapTuple tuple, TupleDesc row) {
    bool is_null;
    if (!OidIsValid(DatumGetObjectId(heap_getattr(tuple, kDeletedRelid, row, &is_null)))) return;
    of.main = DatumGetObjectId(heap_getattr(tuple, kMainRelid, row, &is_null));
    of.branch = DatumGetInt64(heap_getattr(tuple, kBranch, row, &is_null));
  });
  return of;
}

// Inserts a row that says what a branch has in place of a relation; `made`: the transaction that made it, invalid for
// what was there when the branch began.
void InsertLocal(int64 branch, Oid main, Oid local, Oid schema, const Inheritance &inheritance,
                 FullTransactionId made, Oid deleted) {
  Relation table = table_open(OwnRelationOrError("branch_relations"), RowExclusiveLock);
  Datum values[kRelationColumns] = {};
  bool nulls[kRelationColumns] = {};
  values[kBranch - 1] = Int64GetDatum(branch);
  values[kMainRelid - 1] = ObjectIdGetDatum(main);
  values[kLocalRelid - 1] = ObjectIdGetDatum(local);
  values[kSchema - 1] = ObjectIdGetDatum(schema);
  values[kColumns - 1] = Int16GetDatum(inheritance.columns);
  nulls[kBaseXid - 1] = true;
  nulls[kBaseScn - 1] = true;
  values[kDeletedRelid - 1] = ObjectIdGetDatum(deleted);
  nulls[kWholeXid - 1] = true;
  values[kOrigin - 1] = ObjectIdGetDatum(inheritance.origin);
  values[kMadeXid - 1] = FullTransactionIdGetDatum(made);
  nulls[kMadeXid - 1] = !FullTransactionIdIsValid(made);
  values[kShared - 1] = Int16GetDatum(inheritance.shared);
  values[kSourceRelid - 1] = ObjectIdGetDatum(inheritance.source);
  values[kSourceFork - 1] = Int64GetDatum(inheritance.source_fork);
  CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values, nulls));
  table_close(table, RowExclusiveLock);
  if (OidIsValid(local)) CacheInvalidateRelcacheByRelid(local);
  LocalChanged(main);
}

}  // namespace

bool FindBranch(const char *name, Branch *branch) {
  if (strlen(name) >= NAMEDATALEN) return false;
  NameData wanted;
  namestrcpy(&wanted, name);
  ScanKeyData key;
  ScanKeyInit(&key, kName, BTEqualStrategyNumber, F_NAMEEQ, NameGetDatum(&wanted));
  return ReadBranch(&key, "branches_name_key", branch);
}

bool FindBranchById(int64 id, Branch *branch) {
  ScanKeyData key;
  ScanKeyInit(&key, kId, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
  return ReadBranch(&key, "branches_pkey", branch);
}

const Branch &CurrentBranch() {
  if (locals == nullptr) CreateCache();
  AcceptInvalidationMessages();
  if (current_valid && current.id == session_branch) return current;
  const uint64 before = invalidations;
  Branch found;
  if (session_branch <= kMain || !FindBranchById(session_branch, &found)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("branch \"%s\" does not exist", SessionBranchName()),
                    errhint("USE BRANCH main leads back to the database itself.")));
  }
  current_root = RootOf(found);
  current = found;
  current_valid = invalidations == before;
  return current;
}

Branch RootOf(const Branch &branch) {
  Branch root = branch;
  while (root.parent != kMain) {
    CHECK_FOR_INTERRUPTS();
    if (!FindBranchById(root.parent, &root)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                      errmsg("the branch that branch \"%s\" comes from does not exist",
                             NameStr(branch.name)),
                      errhint("It was dropped meanwhile.")));
    }
  }
  return root;
}

const Branch &CurrentRoot() {
  CurrentBranch();
  return current_root;
}

Local FindLocal(int64 branch, Oid main) {
  if (locals == nullptr) CreateCache();
  const LocalKey key{branch, static_cast<int64>(main)};
  bool found;
  auto *entry = static_cast<LocalEntry *>(hash_search(locals, &key, HASH_ENTER, &found));
  if (!found) entry->valid = false;
  if (entry->valid) return entry->local;
  const uint64 before = invalidations;
  const Local local = LoadLocal(branch, main);
  entry = static_cast<LocalEntry *>(hash_search(locals, &key, HASH_FIND, nullptr));
  entry->local = local;
  entry->valid = invalidations == before;
  return local;
}

int16 ColumnCount(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return 0;
  const int16 count = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relnatts;
  ReleaseSysCache(tuple);
  return count;
}

CopyOf FindCopyOf(Oid local) {
  if (locals == nullptr) CreateCache();
  bool found;
  auto *entry = static_cast<CopyEntry *>(hash_search(copies, &local, HASH_ENTER, &found));
  if (!found) entry->valid = false;
  if (entry->valid) return entry->of;
  // News about either relation must reach the entry while it is read.
  entry->of = {};
  const uint64 before = invalidations;
  const CopyOf of = LoadCopyOf(local);
  entry = static_cast<CopyEntry *>(hash_search(copies, &local, HASH_FIND, nullptr));
  entry->of = of;
  entry->valid = invalidations == before;
  return of;
}

Local FindPartial(Oid copy) {
  const CopyOf of = FindCopyOf(copy);
  if (!OidIsValid(of.main) || of.branch != session_branch) return {};
  const Local local = FindLocal(of.branch, of.main);
  return local.relation == copy && local.IsPartial() ? local : Local{};
}

void BranchesChanged() {
  CacheInvalidateRelcacheByRelid(OwnRelationOrError("branches"));
  CommandCounterIncrement();
}

void LocalChanged(Oid main) {
  if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(main))) CacheInvalidateRelcacheByRelid(main);
  CommandCounterIncrement();
}

void AddLocal(int64 branch, Oid main, Oid local, Oid schema, Oid deleted) {
  Inheritance own = {};
  own.origin = OidIsValid(main) ? InvalidOid : local;
  own.columns = ColumnCount(local);
  InsertLocal(branch, main, local, schema, own, GetTopFullTransactionId(), deleted);
}

void AddInherited(int64 branch, Oid main, Oid local, Oid schema, const Inheritance &inheritance) {
  InsertLocal(branch, main, local, schema, inheritance, InvalidFullTransactionId, InvalidOid);
}

Source LoadSource(Oid local) {
  Source source = {};
  ReadRowOf(local, [&source](HeapTuple tuple, TupleDesc row) {
    bool is_null;
    source.relation = DatumGetObjectId(heap_getattr(tuple, kSourceRelid, row, &is_null));
    source.fork = DatumGetInt64(heap_getattr(tuple, kSourceFork, row, &is_null));
    const Datum made = heap_getattr(tuple, kMadeXid, row, &is_null);
    source.made = is_null ? InvalidFullTransactionId : DatumGetFullTransactionId(made);
  });
  return source;
}

void NoteWhole(int64 branch, Oid main, Oid local) {
  Relation table = table_open(OwnRelationOrError("branch_relations"), RowExclusiveLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], kBranch, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(branch));
  ScanKeyInit(&keys[1], kMainRelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(main));
  SysScanDesc scan = systable_beginscan(table, OwnRelationOrError("branch_relations_main"), true,
                                        nullptr, lengthof(keys), keys);
  HeapTuple tuple = systable_getnext(scan);
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "branch has no copy of relation %u", main);
  Datum values[kRelationColumns] = {};
  bool nulls[kRelationColumns] = {};
  bool replaced[kRelationColumns] = {};
  values[kWholeXid - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
  replaced[kWholeXid - 1] = true;
  HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(table), values, nulls, replaced);
  CatalogTupleUpdate(table, &changed->t_self, changed);
  systable_endscan(scan);
  table_close(table, RowExclusiveLock);
  CacheInvalidateRelcacheByRelid(local);
  LocalChanged(main);
}

List *LiveBranches() {
  const Oid table_oid = OwnRelation("branches");
  if (!OidIsValid(table_oid)) return NIL;
  Relation table = table_open(table_oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
  List *branches = NIL;
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    auto *branch = static_cast<Branch *>(palloc(sizeof(Branch)));
    Decode(tuple, RelationGetDescr(table), branch);
    if (branch->id != kMain) branches = lappend(branches, branch);
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return branches;
}

void LockBranch(int64 branch, bool exclusive) {
  // The id is taken modulo 2^32: a clash makes two branches wait for each other, no more.
  LockDatabaseObject(OwnRelationOrError("branches"), static_cast<Oid>(branch), 0,
                     exclusive ? AccessExclusiveLock : AccessShareLock);
}

void LockRows(Oid copy) {
  LockDatabaseObject(OwnRelationOrError("branch_relations"), copy, 0, ExclusiveLock);
}

void UnlockRows(Oid copy) {
  UnlockDatabaseObject(OwnRelationOrError("branch_relations"), copy, 0, ExclusiveLock);
}

void LockCopy(int64 branch, Oid relation) {
  LockDatabaseObject(OwnRelationOrError("branch_relations"), relation, static_cast<uint16>(branch),
                     ExclusiveLock);
}

}  // namespace helios::branch
