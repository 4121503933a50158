#include "changelog/track.hpp"

#include "changelog/catalog.hpp"
#include "changelog/consumers.hpp"
#include "changelog/log_index.hpp"
#include "changelog/log_table.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr const char *kOnlyTables = "Only tables can be tracked.";

[[noreturn]] void RefuseTracking(Oid relation, const char *obstacle) {
  ereport(ERROR,
          (errcode(ERRCODE_WRONG_OBJECT_TYPE),
           errmsg("cannot track \"%s\"", get_rel_name(relation)), errdetail("%s", obstacle)));
}

// Raises an error if a table cannot be tracked.
void CheckTrackable(Relation table) {
  const char *obstacle = Obstacle(table);
  if (obstacle != nullptr) RefuseTracking(RelationGetRelid(table), obstacle);
}

// Raises an error if DDL has made a tracked table one that cannot be tracked.
void CheckStillTrackable(Relation table) {
  const char *obstacle = Obstacle(table);
  if (obstacle == nullptr) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("table \"%s\" is tracked and could not be any longer",
                         RelationGetRelationName(table)),
                  errdetail("%s", obstacle), errhint("Run heliosdb.untrack() first.")));
}

// Lets the history of a row of heliosdb.tracked start now.
void StartNow(TrackedTable *tracked, const char *reason) {
  NoteWritten(tracked->relation);
  tracked->since = GetTopFullTransactionId();
  tracked->floor = WidenXmin(GetLatestSnapshot()->xmin);
  tracked->since_at = GetCurrentTimestamp();
  tracked->since_scn = 0;
  tracked->started_at = tracked->since_at;
  tracked->reason = reason;
}

bool SameKey(const TrackedTable &a, const TrackedTable &b) {
  if (a.key_count != b.key_count) return false;
  for (int i = 0; i < a.key_count; i++) {
    if (a.key[i] != b.key[i]) return false;
  }
  return true;
}

// Empties a log like TRUNCATE does.
void EmptyLog(Oid log_oid) {
  Relation log = table_open(log_oid, AccessExclusiveLock);
  CheckTableNotInUse(log, "TRUNCATE");
  ExecuteTruncateGuts(list_make1(log), list_make1_oid(log_oid), NIL, DROP_RESTRICT, false);
  LeaveFirstRangeOpen(log);
  table_close(log, NoLock);
  CommandCounterIncrement();
}

// Drops our triggers of a table.
void DropTriggers(Oid relation) {
  const Oid function = CaptureFunction();
  Relation triggers = table_open(TriggerRelationId, RowExclusiveLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 1, &key);
  ObjectAddresses *doomed = new_object_addresses();
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    if (form->tgfoid != function) continue;
    ObjectAddress trigger;
    ObjectAddressSet(trigger, TriggerRelationId, form->oid);
    add_exact_object_address(&trigger, doomed);
  }
  systable_endscan(scan);
  table_close(triggers, NoLock);
  performMultipleDeletions(doomed, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
  CommandCounterIncrement();
}

// Tracks one table that holds rows itself.
void TrackLeaf(Relation table, Oid root) {
  const Oid relation = RelationGetRelid(table);
  TrackedTable tracked = {};
  if (FindTracked(relation, &tracked)) {
    if (InspectTriggers(relation) != Triggers::kInPlace) {
      RepairTriggers(relation);
      Restart(relation, kTriggerWasDisabled);
      FindTracked(relation, &tracked);
    }
    if (OidIsValid(root) && tracked.root != root) {
      tracked.root = root;
      SaveTracked(tracked);
    }
    MirrorIndexes(table, tracked.log);
    return;
  }
  tracked.relation = relation;
  tracked.root = root;
  ReadKey(table, &tracked);
  tracked.log = CreateLog(table);
  StartNow(&tracked, kTracked);
  SaveTracked(tracked);
  if (table->rd_rel->relkind == RELKIND_RELATION) RepairTriggers(relation);
}

}  // namespace

const char *Obstacle(Relation table) {
  const Form_pg_class form = table->rd_rel;
  if (form->relkind != RELKIND_RELATION && form->relkind != RELKIND_PARTITIONED_TABLE &&
      form->relkind != RELKIND_MATVIEW)
    return kOnlyTables;
  if (IsCatalogRelation(table) || form->relnamespace == get_namespace_oid(kLogSchema, false) ||
      form->relnamespace == get_namespace_oid(kAdminSchema, false)) {
    return "It belongs to the system.";
  }
  if (form->relpersistence == RELPERSISTENCE_TEMP) return "Temporary tables have no history.";
  if (form->relpersistence == RELPERSISTENCE_UNLOGGED)
    return "Unlogged tables have no history: a crash empties them.";
  if (!form->relispartition && has_superclass(RelationGetRelid(table)))
    return "It inherits from another table; only partitions can be tracked through a parent.";
  if (form->relkind == RELKIND_RELATION && has_subclass(RelationGetRelid(table)) &&
      find_inheritance_children(RelationGetRelid(table), NoLock) != NIL) {
    return "Other tables inherit from it.";
  }
  return nullptr;
}

void CheckOwner(Oid relation) {
  if (get_rel_relkind(relation) == '\0') {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation with OID %u does not exist", relation)));
  }
  if (!pg_class_ownercheck(relation, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relation)),
                   get_rel_name(relation));
  }
}

void LockOwned(Oid relation) {
  CheckOwner(relation);
  LockRelationOid(relation, ShareRowExclusiveLock);
  CheckOwner(relation);
  if (get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE)
    find_all_inheritors(relation, ShareRowExclusiveLock, nullptr);
}

void Track(Oid relation, Oid root) {
  Relation table = table_open(relation, ShareRowExclusiveLock);
  CheckTrackable(table);
  if (table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE) {
    TrackLeaf(table, root);
  } else {
    TrackedTable tracked = {};
    if (!FindTracked(relation, &tracked)) {
      tracked.relation = relation;
      StartNow(&tracked, kTracked);
    }
    tracked.root = root;
    SaveTracked(tracked);
    ListCell *cell;
    List *partitions = find_inheritance_children(relation, ShareRowExclusiveLock);
    foreach (cell, partitions) Track(lfirst_oid(cell), OidIsValid(root) ? root : relation);
  }
  table_close(table, NoLock);
}

void Untrack(Oid relation) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) return;
  if (OidIsValid(tracked.log)) {
    DropTriggers(relation);
    DropLog(tracked.log);
  } else {
    ListCell *cell;
    foreach (cell, find_inheritance_children(relation, ShareRowExclusiveLock))
      Untrack(lfirst_oid(cell));
  }
  ForgetTracked(relation);
}

void RestartRow(Oid relation, const char *reason) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) return;
  StartNow(&tracked, reason);
  SaveTracked(tracked);
}

void Restart(Oid relation, const char *reason) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) return;
  if (OidIsValid(tracked.log)) {
    Relation table = table_open(relation, NoLock);
    TrackedTable present = tracked;
    ReadKey(table, &present);
    Relation log = table_open(tracked.log, AccessExclusiveLock);
    const bool fits = CompareLog(table, log) == LogFit::kFits && SameKey(tracked, present);
    table_close(log, NoLock);
    if (fits) {
      EmptyLog(tracked.log);
    } else {
      DropLog(tracked.log);
      tracked = present;
      tracked.log = CreateLog(table);
    }
    table_close(table, NoLock);
  }
  StartNow(&tracked, reason);
  SaveTracked(tracked);
  if (get_rel_relispartition(relation)) {
    ListCell *cell;
    foreach (cell, get_partition_ancestors(relation)) RestartRow(lfirst_oid(cell), reason);
  }
}

namespace {

// Tracks partitions that came, lets go of partitions that went.
void ReconcilePartitions(const TrackedTable &tracked) {
  const Oid root = OidIsValid(tracked.root) ? tracked.root : tracked.relation;
  bool changed = false;
  ListCell *cell;
  foreach (cell, find_all_inheritors(tracked.relation, AccessShareLock, nullptr)) {
    const Oid partition = lfirst_oid(cell);
    TrackedTable known;
    if (partition == tracked.relation || (FindTracked(partition, &known) && known.root == root))
      continue;
    Track(partition, root);
    changed = true;
  }
  foreach (cell, TrackedUnder(root)) {
    TrackedTable known;
    if (!FindTracked(lfirst_oid(cell), &known) ||
        list_member_oid(get_partition_ancestors(known.relation), root))
      continue;
    known.root = InvalidOid;
    SaveTracked(known);
    changed = true;
  }
  if (changed) Restart(tracked.relation, kPartitionsChanged);
}

// Brings the log of one table in line with its columns, key and triggers.
void ReconcileLeaf(Relation table, const TrackedTable &tracked) {
  CheckStillTrackable(table);
  TrackedTable present = tracked;
  ReadKey(table, &present);
  Relation log = table_open(tracked.log, AccessShareLock);
  const LogFit fit = CompareLog(table, log);
  table_close(log, NoLock);
  if (fit == LogFit::kDiffers) {
    Restart(tracked.relation, kColumnTypeChanged);
  } else if (!SameKey(tracked, present)) {
    Restart(tracked.relation, kKeyChanged);
  } else {
    if (fit == LogFit::kLacksColumns) AddColumns(table, tracked.log);
    DropColumns(table, tracked.log);
    MirrorIndexes(table, tracked.log);
  }
  const Triggers triggers = InspectTriggers(tracked.relation);
  if (triggers == Triggers::kInPlace) return;
  // What is disabled stays so: CheckCapture then refuses to answer about the past.
  if (triggers != Triggers::kDisabled) RepairTriggers(tracked.relation);
  Restart(tracked.relation, kTriggerWasDisabled);
}

// Finds the topmost tracked table that a partition belongs to.
Oid TrackedRoot(Oid relation) {
  if (!get_rel_relispartition(relation)) return InvalidOid;
  ListCell *cell;
  foreach (cell, get_partition_ancestors(relation)) {
    TrackedTable ancestor;
    if (FindTracked(lfirst_oid(cell), &ancestor))
      return OidIsValid(ancestor.root) ? ancestor.root : ancestor.relation;
  }
  return InvalidOid;
}

// Refuses that a tracked table gets children by plain inheritance.
void CheckParents(Oid relation) {
  if (get_rel_relispartition(relation)) return;
  Relation inherits = table_open(InheritsRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  SysScanDesc scan =
      systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    Relation parent = table_open(reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent,
                                 AccessShareLock);
    TrackedTable tracked;
    if (FindTracked(RelationGetRelid(parent), &tracked)) CheckStillTrackable(parent);
    table_close(parent, NoLock);
  }
  systable_endscan(scan);
  table_close(inherits, AccessShareLock);
}

}  // namespace

void Reconcile(Oid relation) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) {
    const Oid root = TrackedRoot(relation);
    if (OidIsValid(root)) Track(relation, root);
    CheckParents(relation);
    return;
  }
  Relation table = table_open(relation, AccessShareLock);
  if (OidIsValid(tracked.log)) {
    ReconcileLeaf(table, tracked);
  } else {
    CheckStillTrackable(table);
    ReconcilePartitions(tracked);
    ListCell *cell;
    // ALTER TABLE of the whole reaches the parts without naming them.
    foreach (cell, find_inheritance_children(relation, AccessShareLock))
      Reconcile(lfirst_oid(cell));
  }
  table_close(table, NoLock);
}

HELIOS_FUNCTION(track) {
  PreventCommandIfReadOnly("heliosdb.track()");
  const Oid relation = PG_GETARG_OID(0);
  LockOwned(relation);
  // Who changes its rows without triggers has to record that.
  if (get_rel_relkind(relation) == RELKIND_MATVIEW) RefuseTracking(relation, kOnlyTables);
  Track(relation, InvalidOid);
  TrackedTable tracked;
  if (FindTracked(relation, &tracked) && tracked.is_automatic) {
    tracked.is_automatic = false;
    SaveTracked(tracked);
  }
  PG_RETURN_VOID();
}

HELIOS_FUNCTION(untrack) {
  PreventCommandIfReadOnly("heliosdb.untrack()");
  const Oid relation = PG_GETARG_OID(0);
  LockOwned(relation);
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" is not tracked", get_rel_name(relation))));
  }
  if (OidIsValid(tracked.root)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" is tracked through the partitioned table \"%s\"",
                           get_rel_name(relation), get_rel_name(tracked.root)),
                    errhint("Run heliosdb.untrack() for that one.")));
  }
  Untrack(relation);
  PG_RETURN_VOID();
}

}  // namespace helios::changelog
