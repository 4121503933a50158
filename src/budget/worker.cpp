// A worker: looks for work in its database and does it in slices, as tokens allow.
#include "budget/look.hpp"

#include "budget/core/backoff.hpp"
#include "budget/meter.hpp"
#include "budget/shared.hpp"
#include "budget/slice.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

extern "C" {
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/wait_event.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

// Without the extension a database is asked again so often, in case it came by a way that nobody noticed.
constexpr double kAskAgainSeconds = 3600;
// A worker that has nothing to do stays for so long when there will be something.
constexpr double kLingerSeconds = 5;
// It looks up so often, whatever else.
constexpr double kLongestSleep = 1;
// How far a job may be ahead of one of another worker that waits for tokens of the same budget, in weighed CPU seconds,
// and how soon it looks again.
constexpr double kAhead = 0.1;
constexpr double kDeferSeconds = 0.05;
constexpr double kRetryLockSeconds = 1;
// Another worker may help when this one has been busy for so long and yet tokens are left over.
constexpr double kBusySeconds = 1;
constexpr double kLeftOver = 0.9;

constinit double busy_since = 0;  // 0: it waits

// Gives the slot back. Runs after the process has left the list of those connected to the database.
void Detach(int, Datum) {
  Locked locked;
  Slot *slot = &shared->slots[me.slot];
  if (slot->generation != me.generation) return;
  Database *database = FindDatabase(slot->database);
  if (slot->task != nullptr && slot->task->is_live) {
    // It was terminated in a slice.
    Task *task = slot->task;
    task->worker = -1;
    task->failures++;
    task->ready_at = Now() + BackOffSeconds(task->failures);
    task->failed_at = GetCurrentTimestamp();
    task->sqlstate = ERRCODE_ADMIN_SHUTDOWN;
    strlcpy(task->error, "the worker was terminated", sizeof(task->error));
  }
  if (database != nullptr) {
    database->failures = slot->is_connected ? 0 : database->failures + 1;
    if (!slot->is_connected) database->look_at = Now() + BackOffSeconds(database->failures + 2);
    database->waiting_since = Now();
  }
  slot->database = InvalidOid;
  slot->latch = nullptr;
  slot->pid = 0;
  slot->task = nullptr;
  for (double &collected : slot->collected) collected = std::numeric_limits<double>::infinity();
  WakeLauncher();
}

// Takes over the slot that the launcher has reserved; false if it is not wanted any more.
bool Attach(int index, uint32 generation, Oid *database) {
  Locked locked;
  Slot *slot = &shared->slots[index];
  if (slot->generation != generation || !OidIsValid(slot->database)) return false;
  if (slot->must_leave) {
    slot->database = InvalidOid;
    WakeLauncher();
    return false;
  }
  slot->pid = MyProcPid;
  slot->latch = MyLatch;
  slot->since = Now();
  *database = slot->database;
  me.slot = index;
  me.generation = generation;
  return true;
}

// Settings of the database or of files must neither stop nor bend background work.
void PinSettings() {
  static constexpr const char *kPinned[][2] = {
      {"search_path", "pg_catalog, pg_temp"},
      {"statement_timeout", "0"},
      {"idle_in_transaction_session_timeout", "0"},
      // Less than deadlock_timeout: others do not have to find out that we are in their way.
      {"lock_timeout", "500ms"},
      {"default_transaction_isolation", "read committed"},
      {"default_transaction_read_only", "off"},
      {"default_transaction_deferrable", "off"},
      {"session_replication_role", "origin"},
      {"row_security", "on"},
      // Waiting for the disk or a standby would be done with all locks held; what is lost is done again.
      {"synchronous_commit", "off"},
      {"max_parallel_workers_per_gather", "0"},
      {"max_parallel_maintenance_workers", "0"},
      {"synchronize_seqscans", "off"},
      {"zero_damaged_pages", "off"},
      {"heliosdb.as_of", ""},
      {"heliosdb.branch", ""},
  };
  for (const auto &[name, value] : kPinned) SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

// Fills in when a job may begin; the caller has the lock.
Candidate Judge(const Found &item, double now) {
  const int budget = static_cast<int>(KindAt(item.kind)->budget());
  const Task *task = FindTask(KeyOf(item));
  Candidate candidate = {shared->floor[budget], 0, 0, item.is_over};
  if (task != nullptr) {
    candidate.collected = task->collected;
    candidate.is_taken = candidate.is_taken || task->worker >= 0;
    if (!task->is_asked) candidate.ready_in = std::max(task->ready_at - now, 0.0);
  }
  candidate.wait =
      SecondsToWait(shared->buckets, KindAt(item.kind)->budget(), now - shared->rest_ran_at);
  if (candidate.wait > 0) return candidate;
  for (int i = 0; i < kMaxWorkers; i++) {
    const Slot &other = shared->slots[i];
    if (i != me.slot && other.collected[budget] + kAhead < candidate.collected)
      candidate.wait = kDeferSeconds;
  }
  return candidate;
}

// Chooses a job and takes it; -1 if there is none now, and then how long to wait for one.
int ChooseJob(double *wait) {
  if (me.candidates == nullptr && me.found_count > 0) {
    me.candidates = static_cast<Candidate *>(
        MemoryContextAllocHuge(me.findings, me.found_count * sizeof(Candidate)));
  }
  Locked locked;
  const double now = Now();
  for (Bucket &bucket : shared->buckets.of) Fill(&bucket, now);
  Slot *slot = &shared->slots[me.slot];
  for (double &collected : slot->collected) collected = std::numeric_limits<double>::infinity();
  for (int i = 0; i < me.found_count; i++) me.candidates[i] = Judge(me.found[i], now);
  const int chosen = Choose(me.candidates, me.found_count, wait);
  int ready = 0;
  for (int i = 0; i < me.found_count; i++) {
    const Candidate &candidate = me.candidates[i];
    if (candidate.is_taken || candidate.ready_in > 0) continue;
    if (candidate.wait <= 0) ready++;
    double *least = &slot->collected[static_cast<int>(KindAt(me.found[i].kind)->budget())];
    if (chosen < 0) *least = std::min(*least, candidate.collected);
  }
  if (chosen < 0) {
    busy_since = 0;
    return -1;
  }
  const Found &item = me.found[chosen];
  Task *task = MakeTask(KeyOf(item));
  if (task == nullptr) {
    *wait = kRetryLockSeconds;
    return -1;
  }
  const int budget = static_cast<int>(KindAt(item.kind)->budget());
  task->priority = item.priority;
  task->collected = std::max(task->collected, me.candidates[chosen].collected);
  shared->floor[budget] = std::max(shared->floor[budget], task->collected);
  task->worker = me.slot;
  slot->task = task;
  if (busy_since == 0) busy_since = now;
  Database *database = FindDatabase(MyDatabaseId);
  const Bucket &own = shared->buckets.of[budget];
  if (database != nullptr && ready > 1 && now - busy_since > kBusySeconds &&
      own.level > kLeftOver * own.capacity && !database->needs_help) {
    database->needs_help = true;
    WakeLauncher();
  }
  return chosen;
}

// Brings a task in line with the end of its slice; the caller has the lock.
void TakeEnd(Found *item, Task *task, const Slice &slice, const SliceEnd &end, bool must_leave) {
  const double now = Now();
  task->worker = -1;
  if (end.outcome == SliceOutcome::kDone && !slice.is_done) {
    task->failures = 0;
    task->cursor = slice.cursor;
    return;
  }
  task->is_asked = false;
  switch (end.outcome) {
    case SliceOutcome::kDone:
      item->is_over = true;
      task->failures = 0;
      task->mark = slice.upto;
      task->cursor = 0;
      task->phase = nullptr;
      task->progress = -1;
      task->backlog = 0;
      task->ready_at = now + slice.rest_seconds;
      break;
    case SliceOutcome::kBusy:
      task->ready_at = now + kRetryLockSeconds;
      break;
    case SliceOutcome::kGone:
      item->is_over = true;
      RemoveTask(task);
      break;
    case SliceOutcome::kFailed:
      task->cursor = 0;
      if (!must_leave) NoteFailure(task, end.error);
      break;
  }
}

// Does one slice of a job that was taken.
void Work(Found *item) {
  const JobKind *kind = KindAt(item->kind);
  Slot *slot = &shared->slots[me.slot];
  Task *task = slot->task;
  Slice slice = {item->object, item->upto, task->cursor, false, 0};
  pgstat_report_activity(STATE_RUNNING, kind->name());
  const SliceEnd end = RunSlice(me.contexts, me.extension, me.slot, kind, task, &slice);
  pgstat_report_activity(STATE_IDLE, nullptr);
  bool must_leave;
  char name[sizeof(task->name)];
  {
    Locked locked;
    must_leave = slot->must_leave;
    slot->task = nullptr;
    strlcpy(name, task->name, sizeof(name));
    TakeEnd(item, task, slice, end, must_leave);
  }
  if (end.error != nullptr && !must_leave) LogFailure(kind->name(), name, end.error);
}

struct Orders {
  bool must_go;
  bool must_look;
  bool has_colleague;  // another worker in this database
};

Orders ReadOrders() {
  Locked locked;
  const Slot &slot = shared->slots[me.slot];
  const Database *database = FindDatabase(MyDatabaseId);
  const auto is_colleague = [](const Slot &other) {
    return other.database == MyDatabaseId && &other != &shared->slots[me.slot];
  };
  return {slot.must_leave || slot.must_yield || shared->is_paused || shared->percent[0] <= 0 ||
              me.slot >= max_workers || database == nullptr || !database->is_connectable,
          database != nullptr && database->is_awake,
          std::any_of(shared->slots, shared->slots + kMaxWorkers, is_colleague)};
}

// Says when the database is to be looked at again.
void Leave(double look_at) {
  Locked locked;
  Database *database = FindDatabase(MyDatabaseId);
  if (database == nullptr) return;
  switch (database->extension) {
    case Extension::kUnknown:
      database->look_at = 0;
      break;
    case Extension::kAbsent:
      database->look_at = Now() + kAskAgainSeconds;
      break;
    case Extension::kPresent:
      database->look_at = look_at;
      break;
  }
}

// Sleeps until the latch is set or some seconds have passed.
void Sleep(double seconds) {
  constexpr double kMilliseconds = 1000;
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                  static_cast<long>(std::clamp(seconds, 0.0, kLongestSleep) * kMilliseconds) + 1,
                  PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
}

// Works until there is nothing to do for a while, or others come first; returns when to look again.
double WorkOn() {
  double look_at = 0;
  double idle_since = Now();
  double next_at = 0;
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (!PostmasterIsAlive()) proc_exit(1);
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
      look_at = std::min(look_at, Now() + naptime_seconds);
    }
    const Orders orders = ReadOrders();
    if (orders.must_go) return next_at;
    if (orders.must_look || Now() >= look_at) {
      if (!Look()) return kNever;
      look_at = Now() + naptime_seconds;
    }
    double wait;
    const int chosen = ChooseJob(&wait);
    if (chosen >= 0) {
      next_at = 0;
      Work(&me.found[chosen]);
      idle_since = Now();
      continue;
    }
    Meter(Budget::kRest, nullptr);
    const double now = Now();
    next_at = std::min(look_at, now + wait);
    if (next_at - now > kLingerSeconds) return next_at;
    if (orders.has_colleague && now - idle_since > kLingerSeconds) return next_at;
    Sleep(next_at - now);
  }
}

void RunWorker(int index) {
  uint32 generation;
  Oid database;
  memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGINT, StatementCancelHandler);
  pqsignal(SIGTERM, die);
  if (!Attach(index, generation, &database)) proc_exit(0);
  on_shmem_exit(Detach, 0);
  // A cancel ends a slice, and nothing else; RunGuarded lets it through.
  QueryCancelHoldoffCount = 1;
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
  PinSettings();
  me.findings =
      AllocSetContextCreate(TopMemoryContext, "heliosdb findings", ALLOCSET_DEFAULT_SIZES);
  me.contexts.work =
      AllocSetContextCreate(TopMemoryContext, "heliosdb slice", ALLOCSET_DEFAULT_SIZES);
  me.contexts.later =
      AllocSetContextCreate(TopMemoryContext, "heliosdb slice failed", ALLOCSET_SMALL_SIZES);
  {
    Locked locked;
    shared->slots[me.slot].is_connected = true;
  }
  Leave(WorkOn());
  proc_exit(0);
}

}  // namespace

}  // namespace helios::budget

extern "C" {
void helios_budget_worker(Datum slot);

// Where the postmaster starts a worker.
void helios_budget_worker(Datum slot) {
  helios::pg::Enter([slot] { helios::budget::RunWorker(DatumGetInt32(slot)); });
}
}
