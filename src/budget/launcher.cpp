#include "budget/launcher.hpp"

#include "budget/core/backoff.hpp"
#include "budget/core/cgroup.hpp"
#include "budget/meter.hpp"
#include "budget/shared.hpp"
#include "settings/settings.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

constexpr int kRestartSeconds = 5;
// The quota of the control group may change; so may pg_database by means other than statements.
constexpr double kReadAgainSeconds = 60;
constexpr double kIdleReadAgainSeconds = 600;
// A worker gives way to other databases after so long.
constexpr double kTurnSeconds = 5;
// A worker that the postmaster could not start is given up after so long.
constexpr double kStartSeconds = 60;

// The workers that this launcher has started.
constinit BackgroundWorkerHandle *handles[kMaxWorkers] = {};
constinit bool is_short_of_slots = false;

// Lets others know the budgets as the files have them.
void PublishRates() {
  const settings::BackgroundShares shares = settings::CurrentShares();
  const double percents[kBudgets] = {shares.ceiling, shares.incremental_mv,
                                     shares.adaptive_indexing, shares.deduplication};
  const double cores = UsableCores();
  Locked locked;
  const double now = Now();
  shared->cores = cores;
  for (int i = 0; i < kBudgets; i++) {
    shared->percent[i] = percents[i];
    SetRate(&shared->buckets.of[i], now, percents[i], cores);
    shared->allowed[i].Note(now, percents[i]);
  }
}

// Has databases looked at as soon as a shorter naptime says.
void ShortenNaps() {
  Locked locked;
  for (int i = 0; i < shared->database_count; i++) {
    Database *database = &shared->databases[i];
    if (database->extension == Extension::kPresent)
      database->look_at = std::min(database->look_at, Now() + naptime_seconds);
  }
}

// Notes one row of pg_database; returns false if there is no room for it.
bool NoteDatabase(Form_pg_database row) {
  constexpr int32 kInvalid = -2;  // DROP DATABASE was interrupted
  Locked locked;
  Database *database = FindDatabase(row->oid);
  if (database == nullptr) database = AddDatabase(row->oid);
  if (database == nullptr) return false;
  database->is_listed = true;
  database->is_connectable = row->datallowconn && row->datconnlimit != kInvalid;
  if (database->is_connectable) return true;
  for (const Slot &slot : shared->slots) {
    if (slot.database == row->oid && slot.latch != nullptr) SetLatch(slot.latch);
  }
  return true;
}

// Reads which databases there are; those that are gone take their jobs along.
void ReadDatabases() {
  {
    Locked locked;
    shared->databases_changed = false;
    for (int i = 0; i < shared->database_count; i++) shared->databases[i].is_listed = false;
  }
  bool is_full = false;
  StartTransactionCommand();
  (void)GetTransactionSnapshot();
  Relation table = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(table, 0, nullptr);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection))) {
    if (!NoteDatabase(reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple)))) is_full = true;
  }
  table_endscan(scan);
  table_close(table, AccessShareLock);
  CommitTransactionCommand();
  if (is_full) {
    ereport(LOG, (errmsg("background work serves %d databases only", kMaxDatabases)));
  }
  Locked locked;
  for (int i = 0; i < shared->database_count; i++) {
    Database *database = &shared->databases[i];
    if (!OidIsValid(database->oid) || database->is_listed) continue;
    const Oid gone = database->oid;
    *database = {};
    ForEachTask([gone](Task *task) {
      if (task->key.database == gone && task->worker < 0) RemoveTask(task);
    });
  }
}

bool HasWorker(Oid database) {
  return std::any_of(shared->slots, shared->slots + kMaxWorkers,
                     [database](const Slot &slot) { return slot.database == database; });
}

// Tells when a database wants a worker; kNever if it does not.
double WantsAt(const Database &database, double now) {
  if (!OidIsValid(database.oid) || !database.is_connectable) return kNever;
  if (IsBarred(database.oid)) return kNever;
  if (HasWorker(database.oid)) {
    return database.needs_help && database.extension == Extension::kPresent ? now : kNever;
  }
  if (database.is_awake && database.failures == 0) return now;
  return database.look_at;
}

int CountWorkers() {
  return static_cast<int>(
      std::count_if(shared->slots, shared->slots + kMaxWorkers,
                    [](const Slot &slot) { return OidIsValid(slot.database); }));
}

struct Decision {
  int slot;      // to start a worker in; -1: none
  Oid database;  // of that worker
  uint32 generation;
  double wait;  // seconds until there is something to do
};

// Finds the next worker to start and takes a slot for it; the database that has waited longest comes first.
Decision Decide() {
  Locked locked;
  const double now = Now();
  Decision decision = {-1, InvalidOid, 0, kIdleReadAgainSeconds};
  if (shared->is_paused || shared->percent[0] <= 0) return decision;
  Database *best = nullptr;
  for (int i = 0; i < shared->database_count; i++) {
    Database *database = &shared->databases[i];
    const double wants_at = WantsAt(*database, now);
    if (wants_at > now) {
      decision.wait = std::min(decision.wait, wants_at - now);
      continue;
    }
    // A second worker in a database comes after the first one of another.
    const bool is_help = HasWorker(database->oid);
    if (best == nullptr || std::make_pair(is_help, database->waiting_since) <
                               std::make_pair(HasWorker(best->oid), best->waiting_since))
      best = database;
  }
  if (best == nullptr) return decision;
  if (CountWorkers() >= max_workers) {
    decision.wait = 1;
    if (HasWorker(best->oid)) return decision;
    Slot *oldest = nullptr;
    for (Slot &slot : shared->slots) {
      if (!OidIsValid(slot.database) || !slot.is_connected || now - slot.since < kTurnSeconds)
        continue;
      if (oldest == nullptr || slot.since < oldest->since) oldest = &slot;
    }
    if (oldest != nullptr) {
      oldest->must_yield = true;
      SetLatch(oldest->latch);
    }
    return decision;
  }
  for (int i = 0; i < kMaxWorkers; i++) {
    Slot *slot = &shared->slots[i];
    if (OidIsValid(slot->database)) continue;
    slot->database = best->oid;
    slot->generation++;
    slot->pid = 0;
    slot->latch = nullptr;
    slot->must_leave = slot->must_yield = slot->is_connected = false;
    slot->task = nullptr;
    slot->since = now;
    best->is_awake = false;
    best->needs_help = false;
    best->look_at = now + naptime_seconds;
    decision = {i, best->oid, slot->generation, 0};
    break;
  }
  return decision;
}

void FreeSlot(int index, uint32 generation) {
  Locked locked;
  Slot *slot = &shared->slots[index];
  if (slot->generation != generation || slot->pid != 0) return;
  Database *database = FindDatabase(slot->database);
  slot->database = InvalidOid;
  if (database != nullptr) database->look_at = Now() + kRestartSeconds;
}

// Starts a worker; false if the server has no room for one.
bool Start(const Decision &decision) {
  BackgroundWorker worker = {};
  snprintf(worker.bgw_name, BGW_MAXLEN, "heliosdb worker for database %u", decision.database);
  snprintf(worker.bgw_type, BGW_MAXLEN, "heliosdb worker");
  snprintf(worker.bgw_library_name, BGW_MAXLEN, "heliosdb");
  snprintf(worker.bgw_function_name, BGW_MAXLEN, "helios_budget_worker");
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = Int32GetDatum(decision.slot);
  memcpy(worker.bgw_extra, &decision.generation, sizeof(decision.generation));
  worker.bgw_notify_pid = MyProcPid;
  MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
  const bool is_started = RegisterDynamicBackgroundWorker(&worker, &handles[decision.slot]);
  MemoryContextSwitchTo(old);
  if (is_started) {
    is_short_of_slots = false;
    return true;
  }
  handles[decision.slot] = nullptr;
  FreeSlot(decision.slot, decision.generation);
  if (!is_short_of_slots) {
    ereport(LOG,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
             errmsg("cannot start a worker for background work: all max_worker_processes = %d "
                    "are in use",
                    max_worker_processes),
             errhint("Raise max_worker_processes, or lower heliosdb.max_background_workers.")));
  }
  is_short_of_slots = true;
  return false;
}

// Frees the slots of workers that ended before they took them over.
void Reap() {
  for (int i = 0; i < kMaxWorkers; i++) {
    uint32 generation;
    bool is_starting;
    double age;
    {
      Locked locked;
      const Slot &slot = shared->slots[i];
      generation = slot.generation;
      is_starting = OidIsValid(slot.database) && slot.pid == 0;
      age = Now() - slot.since;
    }
    if (handles[i] == nullptr) {
      // Of a launcher before this one.
      if (is_starting && age > kStartSeconds) FreeSlot(i, generation);
      continue;
    }
    pid_t pid;
    if (GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED) continue;
    pfree(handles[i]);
    handles[i] = nullptr;
    if (is_starting) FreeSlot(i, generation);
  }
}

void Detach(int, Datum) {
  Locked locked;
  shared->launcher = nullptr;
  shared->launcher_pid = 0;
}

void RunLauncher() {
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  before_shmem_exit(Detach, 0);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  {
    Locked locked;
    shared->launcher = MyLatch;
    shared->launcher_pid = MyProcPid;
    shared->databases_changed = true;
  }
  PublishRates();
  double read_at = Now();
  // Exit code 1 has the postmaster start the launcher again, 0 would not.
  while (!ShutdownRequestPending) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
      PublishRates();
      ShortenNaps();
    }
    Reap();
    bool is_active;
    {
      Locked locked;
      if (shared->databases_changed) read_at = 0;
      is_active = CountWorkers() > 0;
    }
    if (Now() >= read_at) {
      ReadDatabases();
      PublishRates();
      read_at = Now() + (is_active ? kReadAgainSeconds : kIdleReadAgainSeconds);
    }
    Decision decision = Decide();
    while (decision.slot >= 0 && Start(decision)) decision = Decide();
    Meter(Budget::kRest, nullptr);
    const double wait = decision.slot >= 0 ? kRestartSeconds : decision.wait;
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                    static_cast<long>(std::min(wait, std::max(read_at - Now(), 0.0)) * 1000) + 1,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
  proc_exit(1);
}

}  // namespace

void RegisterLauncher() {
  BackgroundWorker worker = {};
  snprintf(worker.bgw_name, BGW_MAXLEN, "heliosdb launcher");
  snprintf(worker.bgw_type, BGW_MAXLEN, "heliosdb launcher");
  snprintf(worker.bgw_library_name, BGW_MAXLEN, "heliosdb");
  snprintf(worker.bgw_function_name, BGW_MAXLEN, "helios_budget_launcher");
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = kRestartSeconds;
  RegisterBackgroundWorker(&worker);
}

}  // namespace helios::budget

extern "C" {
void helios_budget_launcher(Datum);

// Where the postmaster starts the launcher.
void helios_budget_launcher(Datum) {
  helios::pg::Enter([] { helios::budget::RunLauncher(); });
}
}
