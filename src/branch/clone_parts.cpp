// What belongs to a table beside its rows: indexes, triggers, policies, foreign keys.
#include "branch/catalog.hpp"
#include "branch/clone.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/attmap.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

void CloneIndexes(Oid model_oid, Oid clone) {
  Relation model = table_open(model_oid, AccessShareLock);
  AttrMap *same = make_attrmap(RelationGetNumberOfAttributes(model));
  for (int i = 0; i < same->maplen; i++) same->attnums[i] = static_cast<AttrNumber>(i + 1);
  RangeVar *name =
      makeRangeVar(get_namespace_name(get_rel_namespace(clone)), get_rel_name(clone), -1);
  ListCell *cell;
  foreach (cell, RelationGetIndexList(model)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (index->rd_index->indisvalid) {
      Oid constraint = InvalidOid;
      IndexStmt *statement = generateClonedIndexStmt(name, index, same, &constraint);
      statement->idxname = pstrdup(RelationGetRelationName(index));
      const ObjectAddress created = DefineIndex(clone, statement, InvalidOid, InvalidOid,
                                                InvalidOid, false, false, false, false, true);
      CommandCounterIncrement();
      CopyStatistics(RelationGetRelid(index), created.objectId);
    }
    index_close(index, NoLock);
  }
  CopyStatistics(model_oid, clone);
  table_close(model, NoLock);
  CommandCounterIncrement();
}

namespace {

// Tells whether a table belongs to the owner of another one.
bool HaveOneOwner(Oid a, Oid b) {
  return QueryOids(
             psprintf("SELECT a.oid FROM pg_class a JOIN pg_class b ON b.relowner = a.relowner "
                      "WHERE a.oid = %u AND b.oid = %u",
                      a, b),
             CurrentMemoryContext) != NIL;
}

// Raises an error if reading a bound of a partition runs code of users, as the checks of domains are.
void CheckKeyTypes(Oid whole) {
  List *found = QueryOids(
      psprintf("SELECT a.atttypid FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = "
               "p.partrelid AND (a.attnum = ANY (p.partattrs) OR p.partexprs IS NOT NULL) WHERE "
               "p.partrelid = %u AND a.attnum > 0 AND a.atttypid >= %u",
               whole, FirstNormalObjectId),
      CurrentMemoryContext);
  if (found == NIL) return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("partitioned table \"%s\" cannot be had on a branch", get_rel_name(whole)),
                  errdetail("Its key has type %s, and partitions belong to other roles.",
                            format_type_be(linitial_oid(found))),
                  errhint("Give the table and its partitions one owner.")));
}

}  // namespace

// While they are empty: the keys of rows would be computed, by functions of users. The owner reads the bounds.
void ClonePartitions(List *models, MapRelation map_table) {
  ListCell *cell;
  foreach (cell, models) {
    const Oid table = lfirst_oid(cell);
    if (!get_rel_relispartition(table)) continue;
    const Oid part = map_table(table);
    const Oid whole = map_table(get_partition_parent(table, false));
    const bool one_owner = HaveOneOwner(part, whole);
    if (!one_owner) CheckKeyTypes(whole);
    RunEach(psprintf("SELECT format('ALTER TABLE %%s ATTACH PARTITION %%s %%s', '%u'::regclass, "
                     "'%u'::regclass, pg_get_expr(relpartbound, oid)) FROM pg_class WHERE oid = %u",
                     whole, part, table),
            one_owner ? whole : InvalidOid);
  }
}

// The index of a whole takes those of the parts in, so the parts come first.
void CloneWholeIndexes(List *models, MapRelation map_table) {
  int deepest = 0;
  ListCell *cell;
  foreach (cell, models) {
    const Oid table = lfirst_oid(cell);
    if (get_rel_relispartition(table))
      deepest = std::max(deepest, list_length(get_partition_ancestors(table)));
  }
  for (int depth = deepest; depth >= 0; depth--) {
    foreach (cell, models) {
      const Oid table = lfirst_oid(cell);
      const int above =
          get_rel_relispartition(table) ? list_length(get_partition_ancestors(table)) : 0;
      if (get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE && above == depth)
        CloneIndexes(table, map_table(table));
    }
  }
}

namespace {

// Builds the statement that would create a trigger; its function and condition are passed beside it.
CreateTrigStmt *TriggerStatement(HeapTuple tuple, Relation catalog, TupleDesc row) {
  const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
  CreateTrigStmt *statement = makeNode(CreateTrigStmt);
  statement->isconstraint = OidIsValid(form->tgconstraint);
  statement->trigname = pstrdup(NameStr(form->tgname));
  statement->row = TRIGGER_FOR_ROW(form->tgtype) != 0;
  statement->timing = form->tgtype & TRIGGER_TYPE_TIMING_MASK;
  statement->events = form->tgtype & TRIGGER_TYPE_EVENT_MASK;
  statement->deferrable = form->tgdeferrable;
  statement->initdeferred = form->tginitdeferred;
  for (int i = 0; i < form->tgattr.dim1; i++) {
    const Form_pg_attribute column = TupleDescAttr(row, form->tgattr.values[i] - 1);
    statement->columns = lappend(statement->columns, makeString(pstrdup(NameStr(column->attname))));
  }
  bool is_null;
  Datum value = heap_getattr(tuple, Anum_pg_trigger_tgargs, RelationGetDescr(catalog), &is_null);
  const char *argument = is_null ? nullptr : VARDATA_ANY(DatumGetByteaPP(value));
  for (int i = 0; i < form->tgnargs; i++) {
    statement->args = lappend(statement->args, makeString(pstrdup(argument)));
    argument += strlen(argument) + 1;
  }
  for (const bool is_new : {false, true}) {
    value = heap_getattr(tuple, is_new ? Anum_pg_trigger_tgnewtable : Anum_pg_trigger_tgoldtable,
                         RelationGetDescr(catalog), &is_null);
    if (is_null) continue;
    TriggerTransition *transition = makeNode(TriggerTransition);
    transition->name = pstrdup(NameStr(*DatumGetName(value)));
    transition->isNew = is_new;
    transition->isTable = true;
    statement->transitionRels = lappend(statement->transitionRels, transition);
  }
  return statement;
}

}  // namespace

void CloneTriggers(Oid model_oid, Oid clone, MapRelation map_table) {
  Relation model = table_open(model_oid, AccessShareLock);
  Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(model_oid));
  SysScanDesc scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    // Those of a partition come from its parent.
    if (form->tgisinternal || OidIsValid(form->tgparentid)) continue;
    bool is_null;
    const Datum condition =
        heap_getattr(tuple, Anum_pg_trigger_tgqual, RelationGetDescr(catalog), &is_null);
    Node *when =
        is_null ? nullptr : static_cast<Node *>(stringToNode(TextDatumGetCString(condition)));
    const Oid other = OidIsValid(form->tgconstrrelid) ? map_table(form->tgconstrrelid) : InvalidOid;
    CreateTriggerFiringOn(TriggerStatement(tuple, catalog, RelationGetDescr(model)), nullptr, clone,
                          other, InvalidOid, InvalidOid, form->tgfoid, InvalidOid, when, false,
                          false, form->tgenabled);
  }
  systable_endscan(scan);
  table_close(catalog, NoLock);
  table_close(model, NoLock);
  CommandCounterIncrement();
}

// Reading the conditions can run code of users, for constants of their types, so the owner does that.
void ClonePolicies(Oid model, Oid clone) {
  if (!HasRows(PolicyRelationId, PolicyPolrelidPolnameIndexId, Anum_pg_policy_polrelid, model))
    return;
  RunEach(
      psprintf("SELECT format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s%%s%%s', p.name, "
               "'%u'::regclass, "
               "CASE WHEN p.permissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, "
               "CASE p.command WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN "
               "'UPDATE' WHEN 'd' "
               "THEN 'DELETE' ELSE 'ALL' END, (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE "
               "quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.roles) r), "
               "' USING (' || p.visible || ')', ' WITH CHECK (' || p.accepted || ')') "
               "FROM heliosdb.branch_policies(%u, %u) p",
               clone, model, clone),
      clone);
}

namespace {

// Raises an error if the foreign keys of a partitioned table compare by casts whose functions belong to users: its rows
// are checked when the key is made, by whoever makes it.
void CheckCasts(Oid model) {
  List *found = QueryOids(
      psprintf("SELECT c.oid FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.conpfeqop) "
               "k (attnum, operator) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = "
               "k.attnum JOIN pg_operator o ON o.oid = k.operator AND o.oprright <> a.atttypid "
               "JOIN pg_cast t ON t.casttarget = o.oprright AND t.castcontext = 'i' JOIN pg_proc f "
               "ON f.oid = t.castfunc JOIN pg_authid r ON r.oid = f.proowner AND NOT r.rolsuper "
               "WHERE c.contype = 'f' AND c.conrelid = %u AND c.conparentid = 0",
               model),
      CurrentMemoryContext);
  if (found == NIL) return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("foreign key \"%s\" of partitioned table \"%s\" cannot be had on a branch",
                         get_constraint_name(linitial_oid(found)), get_rel_name(model)),
                  errdetail("It compares by a cast whose function belongs to a role that is no "
                            "superuser."),
                  errhint("Give both columns the same type.")));
}

}  // namespace

// The rows fulfil the keys as those of the models do. Keys are not checked again, which would run casts of users.
void CloneForeignKeys(Oid model, Oid clone, MapRelation map_table) {
  const bool partitioned = get_rel_relkind(clone) == RELKIND_PARTITIONED_TABLE;
  if (partitioned) CheckCasts(model);
  List *referenced =
      QueryOids(psprintf("SELECT DISTINCT confrelid FROM pg_constraint WHERE contype = 'f' "
                         "AND conrelid = %u AND conparentid = 0 ORDER BY 1",
                         model),
                CurrentMemoryContext);
  ListCell *cell;
  foreach (cell, referenced) {
    const Oid target = map_table(lfirst_oid(cell));
    if (!OidIsValid(target)) continue;
    RunEach(psprintf(
        "SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I FOREIGN KEY (%%s) REFERENCES %%s "
        "(%%s)%%s%%s%%s%%s%%s', '%u'::regclass, c.conname, "
        "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) FROM unnest(c.conkey) WITH "
        "ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = "
        "k.attnum), '%u'::regclass, "
        "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) FROM unnest(c.confkey) WITH "
        "ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = "
        "k.attnum), "
        "CASE c.confmatchtype WHEN 'f' THEN ' MATCH FULL' END, "
        "CASE c.confupdtype WHEN 'r' THEN ' ON UPDATE RESTRICT' WHEN 'c' THEN ' ON UPDATE CASCADE' "
        "WHEN 'n' THEN ' ON UPDATE SET NULL' WHEN 'd' THEN ' ON UPDATE SET DEFAULT' END, "
        "CASE c.confdeltype WHEN 'r' THEN ' ON DELETE RESTRICT' WHEN 'c' THEN ' ON DELETE CASCADE' "
        "WHEN 'n' THEN ' ON DELETE SET NULL' WHEN 'd' THEN ' ON DELETE SET DEFAULT' END || "
        "COALESCE((SELECT ' (' || string_agg(quote_ident(a.attname), ', ') || ')' FROM "
        "unnest(c.confdelsetcols) k JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = "
        "k), ''), "
        "CASE WHEN c.condeferrable THEN ' DEFERRABLE' END || CASE WHEN c.condeferred THEN ' "
        "INITIALLY DEFERRED' ELSE '' END, "
        "CASE WHEN NOT c.convalidated OR %s THEN ' NOT VALID' END) "
        "FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = %u AND c.confrelid = %u AND "
        "c.conparentid = 0 ORDER BY c.oid",
        clone, target, partitioned ? "false" : "true", model, lfirst_oid(cell)));
  }
  RunSql(psprintf("UPDATE pg_constraint k SET convalidated = true FROM pg_constraint m WHERE "
                  "k.conrelid = %u AND m.conrelid = %u AND k.conname = m.conname AND k.contype = "
                  "'f' AND m.contype = 'f' AND m.convalidated AND NOT k.convalidated",
                  clone, model),
         SPI_OK_UPDATE);
}

}  // namespace helios::branch
