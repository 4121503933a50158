// Forks of branches. The new branch gets, for each table that the parent has in place of one of main, an empty one with
// the same definition, indexes, constraints and triggers (inherited.cpp reads and fills them), and the views and
// sequences themselves. So nothing that happens to definitions on the parent later is seen, and the cost goes by the
// number of relations that the parent has changed.
#include "branch/inherit.hpp"

#include "branch/copy_up.hpp"
#include "branch/fork.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "branch/rules.hpp"
#include "branch/session.hpp"
#include "branch/statistics.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// The branches at work, for the maps of relations. Nobody reads what an error leaves here.
constinit int64 forking_from = 0;
constinit int64 forking = 0;

// A relation of the parent.
struct Model {
  Oid main;
  Oid local;  // 0: dropped on the parent
  Oid schema;
  Inheritance inheritance;
  char kind;  // 0 if it was dropped
  Space space;
};

// An instant as a constant of SQL; one that is never reached for the present.
const char *InstantText(TimestampTz at) {
  return psprintf("%s::timestamptz",
                  quote_literal_cstr(at == 0 ? "infinity" : timestamptz_to_str(at)));
}

// Lists what the parent had at an instant. A copy that was made later was not there yet: the new branch then reads what
// the parent read.
List *Models(const Branch &parent, TimestampTz at) {
  MemoryContext context = CurrentMemoryContext;
  RunSql(
      psprintf("SELECT r.main_relid, r.local_relid, r.schema, r.origin, r.columns, "
               "r.source_relid, r.source_fork, r.source_relid <> 0 AND (r.made_xid IS NULL OR "
               "v.made > %1$s), c.relkind, n.nspname ~ '^heliosdb_c' FROM "
               "heliosdb.branch_relations r LEFT JOIN pg_class c ON c.oid = r.local_relid LEFT "
               "JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL (SELECT "
               "CASE WHEN r.made_xid = pg_current_xact_id_if_assigned() THEN 'infinity' ELSE "
               "pg_xact_commit_timestamp(r.made_xid::xid) END AS made OFFSET 0) v WHERE r.branch = "
               "%2$lld AND (r.local_relid = 0 OR c.oid IS NOT NULL) AND (r.source_relid <> 0 OR "
               "v.made IS NULL OR v.made <= %1$s) ORDER BY r.local_relid",
               InstantText(at), static_cast<long long>(parent.id)),
      SPI_OK_SELECT);
  MemoryContext spi = MemoryContextSwitchTo(context);
  List *models = NIL;
  const auto oid_at = [](uint64 row, int column) {
    bool is_null;
    return DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null));
  };
  for (uint64 row = 0; row < SPI_processed; row++) {
    const HeapTuple tuple = SPI_tuptable->vals[row];
    const TupleDesc shape = SPI_tuptable->tupdesc;
    bool is_null;
    auto *model = static_cast<Model *>(palloc0(sizeof(Model)));
    model->main = oid_at(row, 1);
    model->local = oid_at(row, 2);
    model->schema = oid_at(row, 3);
    model->inheritance.origin = oid_at(row, 4);
    model->inheritance.columns = DatumGetInt16(SPI_getbinval(tuple, shape, 5, &is_null));
    const bool elsewhere = DatumGetBool(SPI_getbinval(tuple, shape, 8, &is_null));
    const Datum kind = SPI_getbinval(tuple, shape, 9, &is_null);
    if (!is_null) model->kind = DatumGetChar(kind);
    const bool copies = DatumGetBool(SPI_getbinval(tuple, shape, 10, &is_null));
    model->space = !is_null && copies ? Space::kCopies : Space::kShadow;
    if (model->kind == RELKIND_RELATION || model->kind == RELKIND_PARTITIONED_TABLE) {
      model->inheritance.shared = ColumnCount(model->local);
      model->inheritance.source = elsewhere ? oid_at(row, 6) : model->local;
      model->inheritance.source_fork =
          elsewhere ? DatumGetInt64(SPI_getbinval(tuple, shape, 7, &is_null)) : forking;
    }
    models = lappend(models, model);
  }
  MemoryContextSwitchTo(spi);
  return models;
}

// The relation of the new branch for one of the parent; 0 if it has none.
Oid Child(Oid relation) {
  List *found = QueryOids(
      psprintf("SELECT c.local_relid FROM heliosdb.branch_relations p JOIN "
               "heliosdb.branch_relations c ON c.main_relid = p.main_relid AND c.origin = p.origin "
               "WHERE p.branch = %lld AND c.branch = %lld AND p.local_relid = %u",
               static_cast<long long>(forking_from), static_cast<long long>(forking), relation),
      CurrentMemoryContext);
  return found == NIL ? InvalidOid : linitial_oid(found);
}

// The same for whatever an expression names: what is not the parent's stays.
Oid ChildOrSelf(Oid relation) {
  const Oid child = Child(relation);
  return OidIsValid(child) ? child : relation;
}

// The schema of the new branch for one of the parent's, in which extended statistics lie.
Oid ChildSchema(Oid schema) {
  List *bases = QueryOids(psprintf("SELECT r.schema FROM heliosdb.branch_relations r JOIN pg_class "
                                   "c ON c.oid = r.local_relid WHERE r.branch = %lld AND "
                                   "c.relnamespace = %u LIMIT 1",
                                   static_cast<long long>(forking_from), schema),
                          CurrentMemoryContext);
  if (bases == NIL) elog(ERROR, "schema %u is not of the branch", schema);
  return EnsureSpace(forking, Space::kCopies, linitial_oid(bases));
}

bool IsTable(const Model *model) {
  return model->kind == RELKIND_RELATION || model->kind == RELKIND_PARTITIONED_TABLE;
}

// Makes the relation of the new branch, so far without what refers to others, and notes it.
void Create(const Model *model) {
  Oid local = InvalidOid;
  if (model->kind != 0) {
    const Oid space = EnsureSpace(forking, model->space, model->schema);
    local = model->kind == RELKIND_SEQUENCE ? CloneSequence(model->local, space)
            : model->kind == RELKIND_VIEW   ? InheritView(model->local, space, ChildOrSelf)
                                            : CloneTable(model->local, space, ChildOrSelf);
  }
  AddInherited(forking, model->main, local, model->schema, model->inheritance);
}

// Makes the tables one whole: partitions, indexes, constraints, triggers, policies.
void Assemble(List *models) {
  List *tables = NIL;
  ListCell *cell;
  foreach (cell, models) {
    const auto *model = static_cast<const Model *>(lfirst(cell));
    if (IsTable(model)) tables = lappend_oid(tables, model->local);
  }
  ClonePartitions(tables, Child);
  foreach (cell, tables) {
    if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION)
      CloneIndexes(lfirst_oid(cell), Child(lfirst_oid(cell)));
  }
  CloneWholeIndexes(tables, Child);
  foreach (cell, models) {
    const auto *model = static_cast<const Model *>(lfirst(cell));
    if (!IsTable(model)) continue;
    const Oid child = Child(model->local);
    CloneForeignKeys(model->local, child, Child);
    CloneTriggers(model->local, child, Child);
    CloneRules(model->local, child);
    CloneExtendedStatistics(model->local, child, ChildSchema);
    // Policies are main's.
    if (OidIsValid(model->main)) ClonePolicies(model->main, child);
  }
}

// Lists the views so that each comes behind those that it reads.
List *ViewsInOrder(List *models) {
  List *oids = QueryOids(
      psprintf("WITH RECURSIVE reads (view, other) AS (SELECT r.ev_class, d.refobjid FROM "
               "pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = "
               "r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class), level "
               "(view, number) AS (SELECT local_relid, 0 FROM heliosdb.branch_relations b JOIN "
               "pg_class c ON c.oid = b.local_relid WHERE b.branch = %lld AND c.relkind = 'v' "
               "UNION SELECT d.view, l.number + 1 FROM level l JOIN reads d ON d.other = l.view "
               "WHERE l.number < %d) SELECT view FROM level GROUP BY view ORDER BY max(number), "
               "view",
               static_cast<long long>(forking_from), list_length(models)),
      CurrentMemoryContext);
  List *views = NIL;
  ListCell *cell, *other;
  foreach (cell, oids) {
    foreach (other, models) {
      auto *model = static_cast<Model *>(lfirst(other));
      if (model->kind == RELKIND_VIEW && model->local == lfirst_oid(cell))
        views = lappend(views, model);
    }
  }
  return views;
}

// Raises an error if definitions on a branch were changed after an instant: they are not kept.
void CheckDefinitions(const Branch &parent, TimestampTz at) {
  RunSql(psprintf("SELECT max(v.at) FROM (SELECT pg_xact_commit_timestamp(d.xid::xid) AS at FROM "
                  "heliosdb.branch_ddl d WHERE d.branch = %1$lld UNION ALL SELECT "
                  "pg_xact_commit_timestamp(r.made_xid::xid) FROM heliosdb.branch_relations r JOIN "
                  "pg_class c ON c.oid = r.local_relid AND c.relkind IN ('r', 'p') JOIN "
                  "pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^heliosdb_b' WHERE "
                  "r.branch = %1$lld AND r.source_relid = 0) v WHERE v.at > %2$s",
                  static_cast<long long>(parent.id), InstantText(at)),
         SPI_OK_SELECT);
  const char *changed = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  if (changed == nullptr) return;
  ereport(ERROR, (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
                  errmsg("branch \"%s\" cannot be had as of %s", NameStr(parent.name),
                         timestamptz_to_str(at)),
                  errdetail("Definitions of its tables were changed at %s.", changed),
                  errhint("The earliest instant is that one.")));
}

// Keeps main from altering tables that a branch has copies of, which go another way then than those that look alike.
void LockModels(const Branch &parent) {
  List *tables = QueryOids(
      psprintf("SELECT r.main_relid FROM heliosdb.branch_relations r JOIN pg_class c ON c.oid = "
               "r.main_relid AND c.relkind IN ('r', 'p') WHERE r.branch = %lld ORDER BY 1",
               static_cast<long long>(parent.id)));
  ListCell *cell;
  foreach (cell, tables) LockRelationOid(lfirst_oid(cell), AccessShareLock);
}

}  // namespace

void CheckFork(const Branch &parent, TimestampTz at) {
  if (parent.id == kMain) return;
  // In the order of those who alter a table, and once more for copies that have been made while waiting.
  LockModels(parent);
  LockBranch(parent.id, true);
  LockModels(parent);
  Branch found;
  if (!FindBranchById(parent.id, &found)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("branch \"%s\" does not exist", NameStr(parent.name)),
                    errdetail("It was dropped meanwhile.")));
  }
  MakeAllWhole(found);
  const TimestampTz begin = InstantOf(ForkOf(found));
  NoteFork(parent.id);
  if (at == 0) return;
  if (at < begin) {
    char *earliest = pstrdup(timestamptz_to_str(begin));
    ereport(ERROR, (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
                    errmsg("branch \"%s\" does not reach back to %s", NameStr(parent.name),
                           timestamptz_to_str(at)),
                    errdetail("It begins at %s.", earliest),
                    errhint("The earliest instant is that one.")));
  }
}

void Inherit(const Branch &parent, int64 child, TimestampTz at) {
  if (at != 0) CheckDefinitions(parent, at);
  forking_from = parent.id;
  forking = child;
  List *models = Models(parent, at);
  ListCell *cell;
  // Defaults name sequences, views name tables.
  foreach (cell, models) {
    const auto *model = static_cast<const Model *>(lfirst(cell));
    if (model->kind == RELKIND_SEQUENCE || model->kind == 0) Create(model);
  }
  foreach (cell, models) {
    CHECK_FOR_INTERRUPTS();
    const auto *model = static_cast<const Model *>(lfirst(cell));
    if (IsTable(model)) Create(model);
  }
  Assemble(models);
  foreach (cell, ViewsInOrder(models)) {
    const auto *model = static_cast<const Model *>(lfirst(cell));
    Create(model);
    CloneTriggers(model->local, Child(model->local), Child);
  }
}

void NoteDefinitions() {
  CheckNotForked();
  const int64 branch = CurrentBranch().id;
  LockBranch(branch, false);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(psprintf("INSERT INTO heliosdb.branch_ddl VALUES (%lld, pg_current_xact_id()) ON CONFLICT "
                  "DO NOTHING",
                  static_cast<long long>(branch)),
         SPI_OK_INSERT);
  SPI_finish();
  scope.Leave();
}

}  // namespace helios::branch
