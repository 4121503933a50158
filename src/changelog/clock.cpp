#include "changelog/clock.hpp"

#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/snapshots.hpp"
#include "pg/hooks.hpp"
#include "pg/invalidation.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// A commit takes its time within so long after it has compared the clock.
constexpr TimestampTz kBeforeStep = USECS_PER_SEC;
// Readings since the one that is known: commits since the newest recorded snapshot, while a server was down.
constexpr TimestampTz kAfterStep = 11 * USECS_PER_SEC;

struct Shared {
  pg_atomic_uint64
      latest;  // reading of the clock, in microseconds as of type timestamptz; 0: none yet
  pg_atomic_uint64 steps;  // how many were noted since the start
};

constinit Shared *shared = nullptr;
constinit Shared own = {};  // without preloading
constinit bool watching = false;

constinit pg::HookChain<shmem_request_hook_type> request_chain;
constinit pg::HookChain<shmem_startup_hook_type> startup_chain;

void RequestMemory() {
  if (request_chain.previous() != nullptr) request_chain.previous()();
  RequestAddinShmemSpace(sizeof(Shared));
}

void AttachMemory() {
  if (startup_chain.previous() != nullptr) startup_chain.previous()();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found;
  shared = static_cast<Shared *>(ShmemInitStruct("heliosdb clock", sizeof(Shared), &found));
  if (!found) {
    pg_atomic_init_u64(&shared->latest, 0);
    pg_atomic_init_u64(&shared->steps, 0);
  }
  LWLockRelease(AddinShmemInitLock);
}

Shared *Clock() { return shared != nullptr ? shared : &own; }

// Notes the instants that a step has made ambiguous, also if this transaction fails.
void NoteStep(TimestampTz low, TimestampTz high) {
  const Oid table_oid = OwnRelation(kLogSchema, "clock_steps");
  Relation table = table_open(table_oid, RowExclusiveLock);
  Datum values[] = {TimestampTzGetDatum(low - kBeforeStep), TimestampTzGetDatum(high + kAfterStep)};
  bool nulls[] = {false, false};
  HeapTuple tuple = heap_form_tuple(RelationGetDescr(table), values, nulls);
  heap_insert(table, tuple, GetCurrentCommandId(true), HEAP_INSERT_FROZEN | HEAP_INSERT_NO_LOGICAL,
              nullptr);
  table_close(table, RowExclusiveLock);
  // The count tells other backends even if this transaction fails, the invalidation tells standbys.
  pg_atomic_fetch_add_u64(&Clock()->steps, 1);
  CacheInvalidateRelcacheByRelid(table_oid);
  ereport(LOG, (errmsg("the clock was set back from %s to %s", pstrdup(timestamptz_to_str(high)),
                       timestamptz_to_str(low)),
                errdetail("AS OF TIMESTAMP is refused for instants in between.")));
}

// Reads the clock and moves the latest reading on; notes a step.
void Compare() {
  pg_atomic_uint64 *latest = &Clock()->latest;
  uint64 before = pg_atomic_read_u64(latest);
  const TimestampTz now = GetCurrentTimestamp();
  if (static_cast<TimestampTz>(before) > now) {
    NoteStep(now, static_cast<TimestampTz>(before));
    pg_atomic_write_u64(latest, static_cast<uint64>(now));
    return;
  }
  while (before < static_cast<uint64>(now) &&
         !pg_atomic_compare_exchange_u64(latest, &before, static_cast<uint64>(now))) {
  }
}

void WatchCommit(XactEvent event, void *) {
  if (!watching) return;
  if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) Compare();
  watching = false;
}

// The steps as this backend knows them, until the table changes.
struct Step {
  TimestampTz low, high;
};

constinit Step *steps = nullptr;
constinit int step_count = 0;
constinit bool steps_known = false;
constinit bool steps_changed = false;  // since they began to be read
constinit uint64 steps_noted = 0;      // of Shared, when they were read
constinit Oid steps_table = InvalidOid;

void Forget(Datum, Oid relation) {
  if (OidIsValid(relation) && relation != steps_table) return;
  steps_known = false;
  steps_changed = true;
}

void LoadSteps() {
  if (!OidIsValid(steps_table)) pg::WatchRelations(Forget);
  if (steps != nullptr) pfree(steps);
  steps = nullptr;
  step_count = 0;
  steps_table = OwnRelation(kLogSchema, "clock_steps");
  steps_noted = pg_atomic_read_u64(&Clock()->steps);
  steps_known = false;
  steps_changed = false;
  Relation table = table_open(steps_table, AccessShareLock);
  SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const size_t size = (step_count + 1) * sizeof(Step);
    steps = static_cast<Step *>(steps == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
                                                 : repalloc(steps, size));
    bool is_null;
    TupleDesc desc = RelationGetDescr(table);
    steps[step_count++] = {DatumGetTimestampTz(heap_getattr(tuple, 1, desc, &is_null)),
                           DatumGetTimestampTz(heap_getattr(tuple, 2, desc, &is_null))};
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  // Not before: an error on the way would leave a part of them.
  steps_known = !steps_changed;
}

}  // namespace

void InitClock() {
  pg_atomic_init_u64(&own.latest, 0);
  pg_atomic_init_u64(&own.steps, 0);
  RegisterXactCallback(WatchCommit, nullptr);
  if (!process_shared_preload_libraries_in_progress) return;
  request_chain.Install(&shmem_request_hook, RequestMemory);
  startup_chain.Install(&shmem_startup_hook, AttachMemory);
}

void WatchClock() {
  if (watching) return;
  watching = true;
  RecordedSnapshot newest;
  // After a start nobody has read the clock yet.
  if (pg_atomic_read_u64(&Clock()->latest) == 0 && FindNewestSnapshot(&newest))
    CompareClock(newest.at);
}

void CompareClock(TimestampTz earlier) {
  const TimestampTz now = GetCurrentTimestamp();
  if (earlier <= now) return;
  NoteStep(now, earlier);
}

bool IsAmbiguous(TimestampTz at, TimestampTz *low, TimestampTz *high) {
  if (!steps_known || pg_atomic_read_u64(&Clock()->steps) != steps_noted) LoadSteps();
  for (int i = 0; i < step_count; i++) {
    if (at < steps[i].low || at > steps[i].high) continue;
    *low = steps[i].low;
    *high = steps[i].high;
    return true;
  }
  return false;
}

}  // namespace helios::changelog
