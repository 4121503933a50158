// The internal triggers of a tracked table: an owner can neither see them in a dump nor disable them.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/track.hpp"
#include "pg/names.hpp"
#include "pg/pg.hpp"
#include "pg/triggers.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr int16 kRowEvents = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_UPDATE;

// Creates one of the two triggers of a table.
void CreateOne(Oid relation, const char *name, bool row, int16 events) {
  pg::CreateInternalTrigger(relation, name, row, TRIGGER_TYPE_AFTER, events, CaptureFunction());
}

// Finds the events of a table that our triggers are for, and for which they are enabled.
void CollectEvents(Relation table, int *present, int *enabled, int *always) {
  *present = 0;
  *enabled = 0;
  *always = 0;
  if (table->trigdesc == nullptr) return;
  const Oid function = CaptureFunction();
  for (int i = 0; i < table->trigdesc->numtriggers; i++) {
    const Trigger &trigger = table->trigdesc->triggers[i];
    if (trigger.tgfoid != function || !trigger.tgisinternal) continue;
    const int events = trigger.tgtype & (kRowEvents | TRIGGER_TYPE_TRUNCATE);
    *present |= events;
    if (trigger.tgenabled != TRIGGER_DISABLED) *enabled |= events;
    if (trigger.tgenabled == TRIGGER_FIRES_ALWAYS) *always |= events;
  }
}

// Lets every trigger of ours fire in every replication role.
void EnableAlways(Oid relation) {
  const Oid function = CaptureFunction();
  Relation triggers = table_open(TriggerRelationId, RowExclusiveLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    if (form->tgfoid != function || !form->tgisinternal || form->tgenabled == TRIGGER_FIRES_ALWAYS)
      continue;
    HeapTuple changed = heap_copytuple(tuple);
    reinterpret_cast<Form_pg_trigger>(GETSTRUCT(changed))->tgenabled = TRIGGER_FIRES_ALWAYS;
    CatalogTupleUpdate(triggers, &changed->t_self, changed);
  }
  systable_endscan(scan);
  table_close(triggers, RowExclusiveLock);
  CacheInvalidateRelcacheByRelid(relation);
  CommandCounterIncrement();
}

}  // namespace

Oid CaptureFunction() { return pg::FindFunction(kAdminSchema, "changelog_capture", {}); }

Triggers InspectTriggers(Oid relation) {
  // A materialized view can have none; who changes it records that.
  if (get_rel_relkind(relation) == RELKIND_MATVIEW) return Triggers::kInPlace;
  Relation table = table_open(relation, AccessShareLock);
  int present, enabled, always;
  CollectEvents(table, &present, &enabled, &always);
  table_close(table, NoLock);
  constexpr int kAll = kRowEvents | TRIGGER_TYPE_TRUNCATE;
  if (always == kAll) return Triggers::kInPlace;
  if (present != kAll) return Triggers::kMissing;
  return enabled == kAll ? Triggers::kNotAlways : Triggers::kDisabled;
}

void RepairTriggers(Oid relation) {
  Relation table = table_open(relation, NoLock);
  int present, enabled, always;
  CollectEvents(table, &present, &enabled, &always);
  table_close(table, NoLock);
  if ((present & kRowEvents) != kRowEvents) CreateOne(relation, kTriggerNames[0], true, kRowEvents);
  if ((present & TRIGGER_TYPE_TRUNCATE) == 0)
    CreateOne(relation, kTriggerNames[1], false, TRIGGER_TYPE_TRUNCATE);
  EnableAlways(relation);
}

void CheckCapture(Oid relation) {
  if (InspectTriggers(relation) == Triggers::kInPlace) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("changes of table \"%s\" are not being recorded", get_rel_name(relation)),
                  errdetail("The triggers of the change log are disabled or missing."),
                  errhint("Enable them with ALTER TABLE ... ENABLE TRIGGER ALL, or run "
                          "heliosdb.track() again; the history then starts anew.")));
}

}  // namespace helios::changelog
