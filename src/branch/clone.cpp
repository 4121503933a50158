#include "branch/clone.hpp"

#include "branch/catalog.hpp"
#include "branch/redirect.hpp"
#include "hybrid/hybrid.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_description.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "catalog/toasting.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Maps the sequences in an expression; what only names one when it is evaluated gets that of the branch then.
bool MapSequences(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, Const)) {
    auto *value = reinterpret_cast<Const *>(node);
    if (value->consttype == REGCLASSOID && !value->constisnull) {
      const auto map = *static_cast<MapRelation *>(context);
      value->constvalue = ObjectIdGetDatum(map(DatumGetObjectId(value->constvalue)));
    }
    return false;
  }
  const bool stop = expression_tree_walker(node, pg::AsWalker(MapSequences), context);
  if (IsA(node, FuncExpr)) {
    auto *call = reinterpret_cast<FuncExpr *>(node);
    if (call->args != NIL && !IsA(linitial(call->args), Const)) LeadSequences(call);
  }
  return stop;
}

// Lists defaults, generation expressions and checks as heap_create_with_catalog() takes them.
List *CookConstraints(TupleDesc row, MapRelation map_sequence) {
  const TupleConstr *constraints = row->constr;
  List *cooked = NIL;
  if (constraints == nullptr) return cooked;
  for (int i = 0; i < constraints->num_defval; i++) {
    auto *entry = static_cast<CookedConstraint *>(palloc0(sizeof(CookedConstraint)));
    entry->contype = CONSTR_DEFAULT;
    entry->attnum = constraints->defval[i].adnum;
    entry->expr = static_cast<Node *>(stringToNode(constraints->defval[i].adbin));
    MapSequences(entry->expr, &map_sequence);
    entry->is_local = true;
    cooked = lappend(cooked, entry);
  }
  for (int i = 0; i < constraints->num_check; i++) {
    const ConstrCheck *check = &constraints->check[i];
    auto *entry = static_cast<CookedConstraint *>(palloc0(sizeof(CookedConstraint)));
    entry->contype = CONSTR_CHECK;
    entry->name = pstrdup(check->ccname);
    entry->expr = static_cast<Node *>(stringToNode(check->ccbin));
    entry->skip_validation = !check->ccvalid;
    entry->is_local = true;
    entry->is_no_inherit = check->ccnoinherit;
    cooked = lappend(cooked, entry);
  }
  return cooked;
}

// Describes the columns of a new table: those of the model without what catalogs hold besides.
TupleDesc CopyColumns(TupleDesc model) {
  TupleDesc row = CreateTupleDescCopy(model);
  for (int i = 0; i < model->natts; i++) {
    const Form_pg_attribute from = TupleDescAttr(model, i);
    const Form_pg_attribute to = TupleDescAttr(row, i);
    to->attnotnull = from->attnotnull;
    to->attidentity = from->attidentity;
    to->attgenerated = from->attgenerated;
  }
  return row;
}

// Reads an attribute of a row of pg_class; 0 for null.
Datum ClassDatum(Oid relation, AttrNumber attribute) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
  bool is_null;
  const Datum value = SysCacheGetAttr(RELOID, tuple, attribute, &is_null);
  const Datum copy = is_null ? Datum{0} : datumCopy(value, false, -1);
  ReleaseSysCache(tuple);
  return copy;
}

// Sets fields of the row of a relation in pg_class.
void UpdateClass(Oid relation, const Datum *values, const bool *nulls, const bool *replaced) {
  Relation classes = table_open(RelationRelationId, RowExclusiveLock);
  HeapTuple old = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relation));
  HeapTuple tuple = heap_modify_tuple(old, RelationGetDescr(classes), const_cast<Datum *>(values),
                                      const_cast<bool *>(nulls), const_cast<bool *>(replaced));
  CatalogTupleUpdate(classes, &tuple->t_self, tuple);
  table_close(classes, RowExclusiveLock);
  CommandCounterIncrement();
}

// Notes which roles the privileges of a relation, or of a column of it, depend on.
void NoteGrantees(Oid relation, AttrNumber column, Datum acl, Oid owner) {
  deleteSharedDependencyRecordsFor(RelationRelationId, relation, column);
  if (column == 0) recordDependencyOnOwner(RelationRelationId, relation, owner);
  if (acl != 0)
    recordDependencyOnNewAcl(RelationRelationId, relation, column, owner, DatumGetAclP(acl));
}

// Gives the columns of a relation what a field of pg_attribute says of the model's.
void CopyColumnFields(Relation model, Oid clone, AttrNumber field) {
  Relation attributes = table_open(AttributeRelationId, RowExclusiveLock);
  const TupleDesc row = RelationGetDescr(attributes);
  for (AttrNumber number = 1; number <= RelationGetNumberOfAttributes(model); number++) {
    HeapTuple from = SearchSysCacheAttNum(RelationGetRelid(model), number);
    HeapTuple old = SearchSysCacheCopyAttNum(clone, number);
    if (HeapTupleIsValid(from) && HeapTupleIsValid(old)) {
      Datum values[Natts_pg_attribute] = {};
      bool nulls[Natts_pg_attribute] = {};
      bool replaced[Natts_pg_attribute] = {};
      values[field - 1] = SysCacheGetAttr(ATTNUM, from, field, &nulls[field - 1]);
      replaced[field - 1] = true;
      HeapTuple tuple = heap_modify_tuple(old, row, values, nulls, replaced);
      CatalogTupleUpdate(attributes, &tuple->t_self, tuple);
      if (field == Anum_pg_attribute_attacl) {
        NoteGrantees(clone, number, nulls[field - 1] ? Datum{0} : values[field - 1],
                     model->rd_rel->relowner);
      }
    }
    if (HeapTupleIsValid(from)) ReleaseSysCache(from);
  }
  table_close(attributes, RowExclusiveLock);
  CommandCounterIncrement();
}

// Partitions a clone like its model.
void ClonePartitionKey(Oid model, Oid clone) {
  HeapTuple tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(model));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for partition key of %u", model);
  const auto *form = reinterpret_cast<Form_pg_partitioned_table>(GETSTRUCT(tuple));
  bool is_null;
  const auto *classes = reinterpret_cast<oidvector *>(DatumGetPointer(
      SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partclass, &is_null)));
  const auto *collations = reinterpret_cast<oidvector *>(DatumGetPointer(
      SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partcollation, &is_null)));
  const Datum expressions =
      SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &is_null);
  List *parsed =
      is_null ? NIL : static_cast<List *>(stringToNode(TextDatumGetCString(expressions)));
  Relation table = table_open(clone, AccessExclusiveLock);
  StorePartitionKey(table, form->partstrat, form->partnatts,
                    const_cast<AttrNumber *>(form->partattrs.values), parsed,
                    const_cast<Oid *>(classes->values), const_cast<Oid *>(collations->values));
  table_close(table, NoLock);
  ReleaseSysCache(tuple);
  CommandCounterIncrement();
}

// Lets the sequence that fills an identity or serial column belong to the column of the clone.
void AttachSequences(Relation model, Oid clone, MapRelation map_sequence) {
  ListCell *cell;
  foreach (cell, getOwnedSequences(RelationGetRelid(model))) {
    const Oid sequence = lfirst_oid(cell);
    Oid table;
    int32 column;
    const bool identity = sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &table, &column);
    if (!identity && !sequenceIsOwned(sequence, DEPENDENCY_AUTO, &table, &column)) continue;
    ObjectAddress depender, referenced;
    ObjectAddressSet(depender, RelationRelationId, map_sequence(sequence));
    ObjectAddressSubSet(referenced, RelationRelationId, clone, column);
    recordDependencyOn(&depender, &referenced, identity ? DEPENDENCY_INTERNAL : DEPENDENCY_AUTO);
  }
}

// Tells whether a column has options of its own.
bool HasColumnOptions(Relation model) {
  bool has = false;
  for (AttrNumber number = 1; !has && number <= RelationGetNumberOfAttributes(model); number++) {
    HeapTuple column = SearchSysCacheAttNum(RelationGetRelid(model), number);
    if (!HeapTupleIsValid(column)) continue;
    bool is_null;
    SysCacheGetAttr(ATTNUM, column, Anum_pg_attribute_attoptions, &is_null);
    has = !is_null;
    ReleaseSysCache(column);
  }
  return has;
}

}  // namespace

bool HasRows(Oid catalog_oid, Oid index, AttrNumber column, Oid value) {
  Relation catalog = table_open(catalog_oid, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
  SysScanDesc scan = systable_beginscan(catalog, index, true, nullptr, 1, &key);
  const bool has = HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return has;
}

void CopySecurity(Oid model_oid, Oid clone) {
  Relation model = relation_open(model_oid, AccessShareLock);
  const Datum acl = ClassDatum(model_oid, Anum_pg_class_relacl);
  Datum values[Natts_pg_class] = {};
  bool nulls[Natts_pg_class] = {};
  bool replaced[Natts_pg_class] = {};
  values[Anum_pg_class_relacl - 1] = acl;
  nulls[Anum_pg_class_relacl - 1] = acl == 0;
  replaced[Anum_pg_class_relacl - 1] = true;
  values[Anum_pg_class_relrowsecurity - 1] = BoolGetDatum(model->rd_rel->relrowsecurity);
  values[Anum_pg_class_relforcerowsecurity - 1] = BoolGetDatum(model->rd_rel->relforcerowsecurity);
  replaced[Anum_pg_class_relrowsecurity - 1] = true;
  replaced[Anum_pg_class_relforcerowsecurity - 1] = true;
  UpdateClass(clone, values, nulls, replaced);
  NoteGrantees(clone, 0, acl, model->rd_rel->relowner);
  if (model->rd_rel->relkind != RELKIND_SEQUENCE)
    CopyColumnFields(model, clone, Anum_pg_attribute_attacl);
  relation_close(model, NoLock);
}

Oid CloneTable(Oid model_oid, Oid schema, MapRelation map_sequence) {
  Relation model = table_open(model_oid, AccessShareLock);
  const Form_pg_class form = model->rd_rel;
  List *constraints = CookConstraints(RelationGetDescr(model), map_sequence);
  const Oid clone = heap_create_with_catalog(
      RelationGetRelationName(model), schema, form->reltablespace, InvalidOid, InvalidOid,
      InvalidOid, form->relowner, form->relam, CopyColumns(RelationGetDescr(model)), constraints,
      form->relkind, RELPERSISTENCE_PERMANENT, false, false, ONCOMMIT_NOOP,
      ClassDatum(model_oid, Anum_pg_class_reloptions), false, true, true, InvalidOid, nullptr);
  CommandCounterIncrement();
  if (form->relkind == RELKIND_PARTITIONED_TABLE) ClonePartitionKey(model_oid, clone);
  const Oid toast = form->reltoastrelid;
  NewRelationCreateToastTable(
      clone, OidIsValid(toast) ? ClassDatum(toast, Anum_pg_class_reloptions) : Datum{0});
  CopySecurity(model_oid, clone);
  CopyColumnFields(model, clone, Anum_pg_attribute_attstattarget);
  AttachSequences(model, clone, map_sequence);
  if (hybrid::IsHybrid(model))
    RunSql(psprintf("INSERT INTO heliosdb.hybrid_options (relation, \"column\", compression, "
                    "compression_level, order_by, tier_column) SELECT %u, \"column\", compression, "
                    "compression_level, order_by, tier_column FROM "
                    "heliosdb.hybrid_options WHERE relation = %u",
                    clone, model_oid),
           SPI_OK_INSERT);
  // Options that the server keeps for itself differ between two tables.
  if (HasColumnOptions(model))
    RunEach(psprintf(
        "SELECT format('ALTER TABLE %%s ALTER COLUMN %%I SET (%%s)', '%u'::regclass, a.attname, "
        "(SELECT string_agg(o, ', ') FROM unnest(a.attoptions) o WHERE o ~ '^n_distinct')) "
        "FROM pg_attribute a WHERE a.attrelid = %u AND a.attnum > 0 AND NOT a.attisdropped AND "
        "EXISTS (SELECT FROM unnest(a.attoptions) o WHERE o ~ '^n_distinct')",
        clone, model_oid));
  if (HasRows(DescriptionRelationId, DescriptionObjIndexId, Anum_pg_description_objoid, model_oid))
    RunSql(psprintf("INSERT INTO pg_description SELECT %u, classoid, objsubid, description "
                    "FROM pg_description WHERE objoid = %u AND classoid = 'pg_class'::regclass",
                    clone, model_oid),
           SPI_OK_INSERT);
  table_close(model, NoLock);
  return clone;
}

Oid CloneSequence(Oid model, Oid schema) {
  RunSql(
      psprintf(
          "SELECT format('CREATE SEQUENCE %%s.%%I AS %%s INCREMENT %%s MINVALUE %%s MAXVALUE %%s "
          "START %%s CACHE %%s %%s', '%u'::regnamespace, c.relname, format_type(s.seqtypid, NULL), "
          "s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN "
          "'CYCLE' END), quote_ident(pg_get_userbyid(c.relowner)) "
          "FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.oid = %u",
          schema, model),
      SPI_OK_SELECT);
  const char *create = pstrdup(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
  const char *owner = pstrdup(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
  RunSql(create, SPI_OK_UTILITY);
  const Oid clone = get_relname_relid(get_rel_name(model), schema);
  RunSql(psprintf("SELECT setval('%u'::regclass, last_value, is_called) FROM %s", clone,
                  pg::QualifiedName(model)),
         SPI_OK_SELECT);
  RunSql(psprintf("ALTER SEQUENCE %s OWNER TO %s", pg::QualifiedName(clone), owner),
         SPI_OK_UTILITY);
  CopySecurity(model, clone);
  return clone;
}

void CloneRows(Oid model, Oid clone, const char *carrier, bool frozen) {
  constexpr long kBatch = 1000;
  const int options = TABLE_INSERT_SKIP_FSM | (frozen ? TABLE_INSERT_FROZEN : 0);
  Relation table = table_open(clone, frozen ? AccessExclusiveLock : ShareRowExclusiveLock);
  const TupleDesc row = RelationGetDescr(table);
  StringInfoData sql;
  initStringInfo(&sql);
  for (int i = 0; i < row->natts; i++) {
    if (TupleDescAttr(row, i)->attisdropped) continue;
    appendStringInfo(&sql, "%s%s", sql.len == 0 ? "SELECT " : ", ",
                     quote_identifier(get_attname(model, TupleDescAttr(row, i)->attnum, false)));
  }
  if (sql.len == 0) appendStringInfoString(&sql, "SELECT");
  appendStringInfo(&sql, " FROM %s TABLESAMPLE %s", pg::QualifiedName(model), carrier);

  Portal portal =
      SPI_cursor_open_with_args(nullptr, sql.data, 0, nullptr, nullptr, nullptr, true, 0);
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  BulkInsertState bulk = GetBulkInsertState();
  const CommandId command = GetCurrentCommandId(true);
  Datum *values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<size_t>(row->natts)));
  bool *nulls = static_cast<bool *>(palloc0(sizeof(bool) * static_cast<size_t>(row->natts)));
  for (;;) {
    SPI_cursor_fetch(portal, true, kBatch);
    if (SPI_processed == 0) break;
    for (uint64 i = 0; i < SPI_processed; i++) {
      CHECK_FOR_INTERRUPTS();
      heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
      ExecClearTuple(slot);
      for (int to = 0, from = 0; to < row->natts; to++) {
        const bool dropped = TupleDescAttr(row, to)->attisdropped;
        slot->tts_isnull[to] = dropped || nulls[from];
        slot->tts_values[to] = dropped ? Datum{0} : values[from];
        if (!dropped) from++;
      }
      ExecStoreVirtualTuple(slot);
      table_tuple_insert(table, slot, command, options, bulk);
    }
    SPI_freetuptable(SPI_tuptable);
  }
  FreeBulkInsertState(bulk);
  table_finish_bulk_insert(table, options);
  ExecDropSingleTupleTableSlot(slot);
  SPI_cursor_close(portal);
  table_close(table, NoLock);
  CommandCounterIncrement();
}

}  // namespace helios::branch
