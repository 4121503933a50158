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
#include "catalog/pg_type.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <string_view>

namespace helios::hybrid {

namespace {

// Columns of heliosdb.hybrid_options.
enum Place {
  kRelation = 1,
  kColumnName,
  kAttribute,
  kCompression,
  kLevel,
  kOrderBy,
  kOrderKeys,
  kTierColumn,
  kTierAttribute,
  kPlaces = kTierAttribute
};

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
  if (!nulls[kOrderKeys - 1]) row.options.order = DecodeOrder(values[kOrderKeys - 1]);
  if (!nulls[kTierAttribute - 1])
    row.options.tier_column = DatumGetInt16(values[kTierAttribute - 1]);
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
  const Order &order = row.options.order;
  nulls[kOrderBy - 1] = nulls[kOrderKeys - 1] = order.count == 0;
  if (order.count > 0) {
    values[kOrderBy - 1] = CStringGetTextDatum(FormatOrder(row.relation, order));
    values[kOrderKeys - 1] = EncodeOrder(order);
  }
  const AttrNumber tier = row.options.tier_column;
  nulls[kTierColumn - 1] = nulls[kTierAttribute - 1] = tier == InvalidAttrNumber;
  NameData tier_name = {};
  if (tier != InvalidAttrNumber)
    (void)namestrcpy(&tier_name, get_attname(row.relation, tier, false));
  values[kTierColumn - 1] = NameGetDatum(&tier_name);
  values[kTierAttribute - 1] = Int16GetDatum(tier);
  return heap_form_tuple(desc, values, nulls);
}

// Puts a row in the place of a tuple, or takes the tuple away if the row says nothing.
void Replace(Relation table, HeapTuple tuple, const Row &row) {
  if (row.options.IsEmpty()) {
    CatalogTupleDelete(table, &tuple->t_self);
    return;
  }
  HeapTuple formed = Encode(row, RelationGetDescr(table));
  const auto values = [](HeapTuple of) {
    return std::string_view(reinterpret_cast<const char *>(of->t_data) + of->t_data->t_hoff,
                            of->t_len - of->t_data->t_hoff);
  };
  if (values(formed) != values(tuple)) CatalogTupleUpdate(table, &tuple->t_self, formed);
  heap_freetuple(formed);
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

// Tells whether a column can say how old a row is.
bool TellsAge(Relation rel, AttrNumber column) {
  switch (getBaseType(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid)) {
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
      return true;
    default:
      return false;
  }
}

// Raises an error unless a table can have such a column.
void ValidateTierColumn(Relation rel, AttrNumber column) {
  if (column == InvalidAttrNumber || TellsAge(rel, column)) return;
  const FormData_pg_attribute *attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                  errmsg("column \"%s\" of table \"%s\", of type %s, cannot be tier_column",
                         NameStr(attribute->attname), RelationGetRelationName(rel),
                         format_type_be(attribute->atttypid)),
                  errhint("Name a column of type date, timestamp or timestamptz.")));
}

// Raises an error unless a table or column can have such options.
void Validate(Relation rel, AttrNumber attribute, const Options &options) {
  const char *table = RelationGetRelationName(rel);
  const FormData_pg_attribute *column =
      attribute == kWholeTable ? nullptr : TupleDescAttr(RelationGetDescr(rel), attribute - 1);
  const char *object = column == nullptr ? psprintf("table \"%s\"", table)
                                         : psprintf("column \"%s\" of table \"%s\"",
                                                    NameStr(column->attname), table);
  if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("temporary table \"%s\" cannot have options", table),
                    errhint("Settings tell how it is compressed: "
                            "heliosdb.default_compression, heliosdb.compression_level.")));
  }
  (void)KeysOf(rel, options.order);
  ValidateTierColumn(rel, options.tier_column);
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
  const Oid relation = RelationGetRelid(rel);
  ForEachRow(relation, RowExclusiveLock, [&](Relation table, HeapTuple tuple, const Row &row) {
    if (row.attribute == attribute) CatalogTupleDelete(table, &tuple->t_self);
  });
  // Plans sort by the order, and live as long as what is known of the table.
  CacheInvalidateRelcache(rel);
  CommandCounterIncrement();
  if (options.IsEmpty()) return;
  Row row = {relation, attribute, {}, options};
  if (attribute != kWholeTable)
    row.column = TupleDescAttr(RelationGetDescr(rel), attribute - 1)->attname;
  Relation table = table_open(OwnRelation("hybrid_options"), RowExclusiveLock);
  CatalogTupleInsert(table, Encode(row, RelationGetDescr(table)));
  table_close(table, NoLock);
  CommandCounterIncrement();
}

AttrNumber TierColumnOf(Relation rel) {
  const AttrNumber column = ReadOptions(rel, kWholeTable).tier_column;
  if (column != InvalidAttrNumber) return column;
  const char *name = RelationGetRelationName(rel);
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("table \"%s\" has no column that tells the age of a row", name),
                  errhint("ALTER TABLE %s SET (tier_column = …) names one of type date, timestamp "
                          "or timestamptz.",
                          name)));
}

void ForgetOptions(Oid relation, AttrNumber attribute) {
  ForEachRow(relation, RowExclusiveLock, [&](Relation table, HeapTuple tuple, const Row &row) {
    Row left = row;
    if (attribute == kEveryColumn || row.attribute == attribute) left.options = {};
    if (left.options.tier_column == attribute) left.options.tier_column = InvalidAttrNumber;
    if (left.options.order.Names(attribute)) left.options.order.count = 0;
    Replace(table, tuple, left);
  });
  CommandCounterIncrement();
}

void FollowColumns() {
  ForEachRow(InvalidOid, RowExclusiveLock, [](Relation table, HeapTuple tuple, const Row &row) {
    // What others have done meanwhile is theirs to note.
    if (!IsLockedExclusively(row.relation)) return;
    Row renamed = row;
    if (row.attribute == kWholeTable) {
      Relation rel = relation_open(row.relation, NoLock);
      Options &options = renamed.options;
      if (!CanSort(rel, options.order)) options.order.count = 0;
      if (options.tier_column != InvalidAttrNumber && !TellsAge(rel, options.tier_column))
        options.tier_column = InvalidAttrNumber;
      relation_close(rel, NoLock);
    } else if (const char *name = get_attname(row.relation, row.attribute, true); name != nullptr) {
      (void)namestrcpy(&renamed.column, name);
    }
    Replace(table, tuple, renamed);
  });
}

}  // namespace helios::hybrid
