#include "hybrid/options.hpp"

#include "hybrid/compression.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/toast_compression.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// Columns of heliosdb.hybrid_options.
enum Place { kRelation = 1, kColumnName, kAttribute, kCompression, kLevel, kPlaces = kLevel };

// A row of it.
struct Row {
  Oid relation;
  AttrNumber attribute;
  NameData column;  // empty: the table
  Options options;
};

Oid OwnRelation(const char *name) {
  const Oid relation = get_relname_relid(name, get_namespace_oid("heliosdb", false));
  if (!OidIsValid(relation)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation \"heliosdb.%s\" does not exist", name),
                    errhint("It belongs to the extension heliosdb: create that anew.")));
  }
  return relation;
}

Row Decode(HeapTuple tuple, TupleDesc desc) {
  Datum values[kPlaces];
  bool nulls[kPlaces];
  heap_deform_tuple(tuple, desc, values, nulls);
  Row row = {};
  row.relation = DatumGetObjectId(values[kRelation - 1]);
  row.attribute = DatumGetInt16(values[kAttribute - 1]);
  if (!nulls[kColumnName - 1]) row.column = *DatumGetName(values[kColumnName - 1]);
  if (!nulls[kCompression - 1])
    row.options.compression = TextDatumGetCString(values[kCompression - 1]);
  if (!nulls[kLevel - 1]) row.options.level = DatumGetInt32(values[kLevel - 1]);
  return row;
}

HeapTuple Encode(const Row &row, TupleDesc desc) {
  Datum values[kPlaces] = {};
  bool nulls[kPlaces] = {};
  values[kRelation - 1] = ObjectIdGetDatum(row.relation);
  values[kColumnName - 1] = NameGetDatum(&row.column);
  nulls[kColumnName - 1] = row.attribute == kWholeTable;
  values[kAttribute - 1] = Int16GetDatum(row.attribute);
  nulls[kCompression - 1] = row.options.compression == nullptr;
  if (row.options.compression != nullptr)
    values[kCompression - 1] = CStringGetTextDatum(row.options.compression);
  nulls[kLevel - 1] = !row.options.level;
  values[kLevel - 1] = Int32GetDatum(row.options.level.value_or(0));
  return heap_form_tuple(desc, values, nulls);
}

// Calls `visit` with every row of a relation (invalid: of all) and its tuple; the table stays locked.
template <typename Visit>
void ForEachRow(Oid relation, LOCKMODE lock, Visit visit) {
  Relation table = table_open(OwnRelation("hybrid_options"), lock);
  ScanKeyData key;
  ScanKeyInit(&key, kRelation, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  const bool all = !OidIsValid(relation);
  SysScanDesc scan =
      systable_beginscan(table, all ? InvalidOid : OwnRelation("hybrid_options_pkey"), !all,
                         nullptr, all ? 0 : 1, &key);
  while (HeapTuple tuple = systable_getnext(scan))
    visit(table, tuple, Decode(tuple, RelationGetDescr(table)));
  systable_endscan(scan);
  table_close(table, lock == AccessShareLock ? lock : NoLock);
}

// Tells whether this transaction keeps all others from a relation, as who renames its columns does.
bool IsLockedExclusively(Oid relation) {
  LOCKTAG tag;
  SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
#if PG_VERSION_NUM >= 170000
  return LockHeldByMe(&tag, AccessExclusiveLock, false);
#else
  return LockHeldByMe(&tag, AccessExclusiveLock);
#endif
}

// Lays options over a policy. A name that another version of the library has stored changes nothing.
void Apply(const Options &options, codec::Policy *policy) {
  if (options.compression != nullptr) (void)ParseCompression(options.compression, policy);
  if (options.level) policy->zstd_level = *options.level;
}

// Raises an error unless a table or column can be compressed so.
void Validate(Relation rel, AttrNumber attribute, const Options &options) {
  const char *table = RelationGetRelationName(rel);
  const FormData_pg_attribute *column =
      attribute == kWholeTable ? nullptr : TupleDescAttr(RelationGetDescr(rel), attribute - 1);
  const char *object = column == nullptr ? psprintf("table \"%s\"", table)
                                         : psprintf("column \"%s\" of table \"%s\"",
                                                    NameStr(column->attname), table);
  if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("temporary table \"%s\" cannot have options of compression", table),
             errhint("SET heliosdb.default_compression and heliosdb.compression_level instead.")));
  }
  if (options.level && (*options.level < 1 || *options.level > kMaxCompressionLevel)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid compression level %d for %s", *options.level, object),
                    errhint("A level of zstd, from 1 to %d.", kMaxCompressionLevel)));
  }
  codec::Policy policy;
  if (options.compression == nullptr) return;
  if (!ParseCompression(options.compression, &policy)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid compression \"%s\" for %s", options.compression, object),
                    errhint("%s", CompressionNames(column))));
  }
  if (column != nullptr && !FitsColumn(policy, *column)) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("compression \"%s\" does not fit %s, of type %s", options.compression,
                           object, format_type_be(column->atttypid)),
                    errhint("%s", CompressionNames(column))));
  }
}

}  // namespace

ColumnPolicies PoliciesOf(Relation rel) {
  ColumnPolicies policies;
  policies.table = DefaultPolicy();
  const TupleDesc desc = RelationGetDescr(rel);
  auto *own = static_cast<Options *>(palloc0((desc->natts + 1) * sizeof(Options)));
  ForEachRow(RelationGetRelid(rel), AccessShareLock, [&](Relation, HeapTuple, const Row &row) {
    if (row.attribute <= desc->natts) own[row.attribute] = row.options;
  });
  Apply(own[kWholeTable], &policies.table);
  policies.columns =
      static_cast<codec::Policy *>(palloc(std::max(desc->natts, 1) * sizeof(codec::Policy)));
  for (AttrNumber a = 1; a <= desc->natts; a++) {
    codec::Policy &policy = policies.columns[a - 1];
    policy = policies.table;
    if (TupleDescAttr(desc, a - 1)->attcompression == TOAST_LZ4_COMPRESSION)
      (void)ParseCompression("lz4", &policy);
    Apply(own[a], &policy);
  }
  return policies;
}

Options ReadOptions(Relation rel, AttrNumber attribute) {
  Options options = {};
  ForEachRow(RelationGetRelid(rel), AccessShareLock, [&](Relation, HeapTuple, const Row &row) {
    if (row.attribute == attribute) options = row.options;
  });
  return options;
}

void StoreOptions(Relation rel, AttrNumber attribute, const Options &options) {
  Validate(rel, attribute, options);
  ForgetOptions(RelationGetRelid(rel), attribute);
  if (options.IsEmpty()) return;
  Row row = {RelationGetRelid(rel), attribute, {}, options};
  if (attribute != kWholeTable)
    row.column = TupleDescAttr(RelationGetDescr(rel), attribute - 1)->attname;
  Relation table = table_open(OwnRelation("hybrid_options"), RowExclusiveLock);
  CatalogTupleInsert(table, Encode(row, RelationGetDescr(table)));
  table_close(table, NoLock);
  CommandCounterIncrement();
}

void ForgetOptions(Oid relation, AttrNumber attribute) {
  ForEachRow(relation, RowExclusiveLock, [&](Relation table, HeapTuple tuple, const Row &row) {
    if (attribute == kEveryColumn || row.attribute == attribute)
      CatalogTupleDelete(table, &tuple->t_self);
  });
  CommandCounterIncrement();
}

void RenameColumns() {
  ForEachRow(InvalidOid, RowExclusiveLock, [](Relation table, HeapTuple tuple, const Row &row) {
    // What others have renamed meanwhile is theirs to note.
    if (row.attribute == kWholeTable || !IsLockedExclusively(row.relation)) return;
    const char *name = get_attname(row.relation, row.attribute, true);
    if (name == nullptr || namestrcmp(const_cast<Name>(&row.column), name) == 0) return;
    Row renamed = row;
    (void)namestrcpy(&renamed.column, name);
    CatalogTupleUpdate(table, &tuple->t_self, Encode(renamed, RelationGetDescr(table)));
  });
}

}  // namespace helios::hybrid
