#include "changelog/log_table.hpp"

#include "changelog/catalog.hpp"
#include "changelog/log_index.hpp"

extern "C" {
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "catalog/toasting.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::changelog {

namespace {

// Describes the columns of a log.
TupleDesc DescribeLog(Relation table) {
  TupleDesc base = RelationGetDescr(table);
  TupleDesc desc = CreateTemplateTupleDesc(base->natts + kLogColumns);
  TupleDescInitEntry(desc, kLogXid, "xid", XID8OID, -1, 0);
  TupleDescInitEntry(desc, kLogCreator, "creator", XID8OID, -1, 0);
  TupleDescInitEntry(desc, kLogOp, "op", CHAROID, -1, 0);
  TupleDescInitEntry(desc, kLogPlace, "place", TIDOID, -1, 0);
  for (int i = 0; i < base->natts; i++) {
    const Form_pg_attribute from = TupleDescAttr(base, i);
    const AttrNumber number = static_cast<AttrNumber>(i + 1 + kLogColumns);
    const char *name = ColumnName(i);
    if (from->attisdropped) {
      TupleDescInitEntry(desc, number, name, INT4OID, -1, 0);
      continue;
    }
    TupleDescInitEntry(desc, number, name, from->atttypid, from->atttypmod, from->attndims);
    TupleDescInitEntryCollation(desc, number, from->attcollation);
    Form_pg_attribute to = TupleDescAttr(desc, number - 1);
    to->attstorage = from->attstorage;
    to->attcompression = from->attcompression;
  }
  return desc;
}

// Runs one ALTER TABLE command on a log; commands run no code of users.
void AlterLog(Oid log, AlterTableCmd *command) {
  OwnerScope owner;
  owner.Enter();
  AlterTableInternal(log, list_make1(command), false);
  owner.Leave();
  CommandCounterIncrement();
}

// Gives old records of a log the value that old rows of the table have in a column added later.
void CopyMissingValue(Relation table, int index, Oid log) {
  HeapTuple tuple =
      SearchSysCache2(ATTNUM, ObjectIdGetDatum(RelationGetRelid(table)), Int16GetDatum(index + 1));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "column %d of tracked table is missing", index + 1);
  bool is_null;
  const Datum value = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attmissingval, &is_null);
  if (!is_null) {
    SetAttrMissing(log, ColumnName(index), OidOutputFunctionCall(F_ARRAY_OUT, value));
    CommandCounterIncrement();
  }
  ReleaseSysCache(tuple);
}

// Gives logs the storage parameters by which autovacuum visits them. Until then the index on transactions tells nothing of
// new records, and who follows them reads all these: their number must not grow with the log.
Datum LogOptions() {
  constexpr int kRecords = 50000;
  List *options = list_make2(makeDefElem(pstrdup("autovacuum_vacuum_insert_threshold"),
                                         reinterpret_cast<Node *>(makeInteger(kRecords)), -1),
                             makeDefElem(pstrdup("autovacuum_vacuum_insert_scale_factor"),
                                         reinterpret_cast<Node *>(makeInteger(0)), -1));
  return transformRelOptions(static_cast<Datum>(0), options, nullptr, nullptr, false, false);
}

}  // namespace

char *ColumnName(int index) { return psprintf("c%d", index + 1); }

void ReadKey(Relation table, TrackedTable *tracked) {
  tracked->key_count = 0;
  const Oid primary_oid = RelationGetPrimaryKeyIndex(table);
  if (!OidIsValid(primary_oid)) return;
  Relation primary = index_open(primary_oid, AccessShareLock);
  if (primary->rd_index->indimmediate && primary->rd_index->indisvalid) {
    tracked->key_count = primary->rd_index->indnkeyatts;
    for (int i = 0; i < tracked->key_count; i++) {
      tracked->key[i] = primary->rd_index->indkey.values[i];
    }
  }
  index_close(primary, NoLock);
}

Oid CreateLog(Relation table) {
  const Oid relid = RelationGetRelid(table);
  const Oid log_oid = heap_create_with_catalog(
      psprintf("log_%u", relid), get_namespace_oid(kLogSchema, false), InvalidOid, InvalidOid,
      InvalidOid, InvalidOid, ExtensionOwner(), HEAP_TABLE_AM_OID, DescribeLog(table), NIL,
      RELKIND_RELATION, RELPERSISTENCE_PERMANENT, false, false, ONCOMMIT_NOOP, LogOptions(), false,
      false, true, InvalidOid, nullptr);
  CommandCounterIncrement();
  NewRelationCreateToastTable(log_oid, static_cast<Datum>(0));
  CommandCounterIncrement();

  // A member of the extension: pg_dump leaves it out, DROP EXTENSION takes it along.
  ObjectAddress self, extension;
  ObjectAddressSet(self, RelationRelationId, log_oid);
  ObjectAddressSet(extension, ExtensionRelationId, ExtensionOid());
  recordDependencyOn(&self, &extension, DEPENDENCY_EXTENSION);

  MirrorIndexes(table, log_oid);
  return log_oid;
}

void DropLog(Oid log) {
  if (!OidIsValid(log) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(log))) return;
  ObjectAddress self;
  ObjectAddressSet(self, RelationRelationId, log);
  deleteDependencyRecordsForClass(RelationRelationId, log, ExtensionRelationId,
                                  DEPENDENCY_EXTENSION);
  CommandCounterIncrement();
  performDeletion(&self, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
  CommandCounterIncrement();
}

Oid TableOfLog(Oid relation) {
  constexpr const char *kPrefix = "log_";
  if (get_rel_namespace(relation) != get_namespace_oid(kLogSchema, true)) return InvalidOid;
  const char *name = get_rel_name(relation);
  const size_t length = std::strlen(kPrefix);
  return std::strncmp(name, kPrefix, length) == 0 ? atooid(name + length) : InvalidOid;
}

LogFit CompareLog(Relation table, Relation log) {
  TupleDesc base = RelationGetDescr(table);
  TupleDesc desc = RelationGetDescr(log);
  if (desc->natts > base->natts + kLogColumns) return LogFit::kDiffers;
  for (int i = 0; i + kLogColumns < desc->natts; i++) {
    const Form_pg_attribute from = TupleDescAttr(base, i);
    const Form_pg_attribute to = TupleDescAttr(desc, i + kLogColumns);
    if (from->attisdropped) continue;
    if (to->attisdropped || from->atttypid != to->atttypid || from->atttypmod != to->atttypmod ||
        from->attcollation != to->attcollation) {
      return LogFit::kDiffers;
    }
  }
  return desc->natts < base->natts + kLogColumns ? LogFit::kLacksColumns : LogFit::kFits;
}

void AddColumns(Relation table, Oid log) {
  TupleDesc base = RelationGetDescr(table);
  Relation relation = table_open(log, AccessExclusiveLock);
  const int present = RelationGetDescr(relation)->natts - kLogColumns;
  table_close(relation, NoLock);
  for (int i = present; i < base->natts; i++) {
    const Form_pg_attribute from = TupleDescAttr(base, i);
    AlterTableCmd *command = makeNode(AlterTableCmd);
    command->subtype = AT_AddColumn;
    command->def = reinterpret_cast<Node *>(
        from->attisdropped
            ? makeColumnDef(ColumnName(i), INT4OID, -1, InvalidOid)
            : makeColumnDef(ColumnName(i), from->atttypid, from->atttypmod, from->attcollation));
    AlterLog(log, command);
    if (!from->attisdropped) CopyMissingValue(table, i, log);
  }
}

void DropColumns(Relation table, Oid log) {
  TupleDesc base = RelationGetDescr(table);
  Relation relation = table_open(log, AccessShareLock);
  TupleDesc desc = CreateTupleDescCopy(RelationGetDescr(relation));
  table_close(relation, NoLock);
  for (int i = 0; i < base->natts && i + kLogColumns < desc->natts; i++) {
    const Form_pg_attribute mine = TupleDescAttr(desc, i + kLogColumns);
    // A column of a built-in type stands in nobody's way.
    if (!TupleDescAttr(base, i)->attisdropped || mine->attisdropped ||
        mine->atttypid < FirstNormalObjectId)
      continue;
    AlterTableCmd *command = makeNode(AlterTableCmd);
    command->subtype = AT_DropColumn;
    command->name = ColumnName(i);
    command->behavior = DROP_RESTRICT;
    AlterLog(log, command);
  }
}

}  // namespace helios::changelog
