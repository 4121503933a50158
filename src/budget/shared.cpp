#include "budget/shared.hpp"

#include "pg/hooks.hpp"

#include <time.h>

#include <cstring>
#include <limits>

extern "C" {
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

constinit Shared *shared = nullptr;

namespace {

constexpr const char *kTranche = "heliosdb budget";

constinit HTAB *tasks = nullptr;
constinit LWLock *lock = nullptr;
constinit const JobKind *kinds[kMaxKinds] = {};
constinit int kind_count = 0;

constinit pg::HookChain<shmem_request_hook_type> request_chain;
constinit pg::HookChain<shmem_startup_hook_type> startup_chain;

Size SharedSize() { return add_size(offsetof(Shared, barred), mul_size(MaxBackends, sizeof(Oid))); }

void RequestMemory() {
  if (request_chain.previous() != nullptr) request_chain.previous()();
  RequestAddinShmemSpace(add_size(SharedSize(), hash_estimate_size(kMaxTasks, sizeof(Task))));
  RequestNamedLWLockTranche(kTranche, 1);
}

void AttachMemory() {
  if (startup_chain.previous() != nullptr) startup_chain.previous()();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found;
  shared = static_cast<Shared *>(ShmemInitStruct(kTranche, SharedSize(), &found));
  if (!found) {
    memset(static_cast<void *>(shared), 0, SharedSize());
    shared->databases_changed = true;
    shared->cores = 1;
    for (Bucket &bucket : shared->buckets.of) bucket.filled_at = Now();
    for (Slot &slot : shared->slots) {
      for (double &collected : slot.collected) collected = std::numeric_limits<double>::infinity();
    }
  }
  HASHCTL control = {};
  control.keysize = sizeof(TaskKey);
  control.entrysize = sizeof(Task);
  tasks = ShmemInitHash("heliosdb background jobs", kMaxTasks, kMaxTasks, &control,
                        HASH_ELEM | HASH_BLOBS);
  lock = &GetNamedLWLockTranche(kTranche)->lock;
  LWLockRelease(AddinShmemInitLock);
}

// Finds the task that can best be done without; null if all are needed.
Task *LeastNeeded() {
  Task *least = nullptr;
  ForEachTask([&least](Task *task) {
    const bool is_needed = task->worker >= 0 || task->is_asked || task->failures > 0 ||
                           task->cursor != 0 || !OidIsValid(task->key.object);
    if (!is_needed && (least == nullptr || task->last_ran < least->last_ran)) least = task;
  });
  return least;
}

}  // namespace

Locked::Locked() { LWLockAcquire(lock, LW_EXCLUSIVE); }
Locked::~Locked() { LWLockRelease(lock); }

void InitShared() {
  request_chain.Install(&shmem_request_hook, RequestMemory);
  startup_chain.Install(&shmem_startup_hook, AttachMemory);
}

double Now() {
  constexpr double kNanosecond = 1e-9;
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

void Register(const JobKind *kind) {
  if (kind_count == kMaxKinds) elog(ERROR, "too many kinds of background jobs");
  kinds[kind_count++] = kind;
}

int KindCount() { return kind_count; }
const JobKind *KindAt(int index) { return kinds[index]; }

int FindKind(const char *name) {
  for (int i = 0; i < kind_count; i++) {
    if (strcmp(kinds[i]->name(), name) == 0) return i;
  }
  return -1;
}

Task *FindTask(const TaskKey &key) {
  return static_cast<Task *>(hash_search(tasks, &key, HASH_FIND, nullptr));
}

Task *MakeTask(const TaskKey &key) {
  bool found;
  if (FindTask(key) == nullptr && hash_get_num_entries(tasks) >= kMaxTasks) {
    Task *victim = LeastNeeded();
    if (victim == nullptr) return nullptr;
    RemoveTask(victim);
  }
  auto *task = static_cast<Task *>(hash_search(tasks, &key, HASH_ENTER_NULL, &found));
  if (task == nullptr || found) return task;
  memset(reinterpret_cast<char *>(task) + sizeof(TaskKey), 0, sizeof(Task) - sizeof(TaskKey));
  task->is_live = true;
  task->worker = -1;
  task->priority = Priority::kNormal;
  task->last_ran = Now();
  task->backlog = -1;
  task->progress = -1;
  return task;
}

void RemoveTask(Task *task) {
  task->is_live = false;
  hash_search(tasks, &task->key, HASH_REMOVE, nullptr);
}

void StartTasks(void *sequence) {
  static_assert(sizeof(HASH_SEQ_STATUS) <= 64);
  hash_seq_init(static_cast<HASH_SEQ_STATUS *>(sequence), tasks);
}

Task *NextTask(void *sequence) {
  return static_cast<Task *>(hash_seq_search(static_cast<HASH_SEQ_STATUS *>(sequence)));
}

Database *FindDatabase(Oid oid) {
  for (int i = 0; i < shared->database_count; i++) {
    if (shared->databases[i].oid == oid) return &shared->databases[i];
  }
  return nullptr;
}

Database *AddDatabase(Oid oid) {
  Database *place = FindDatabase(InvalidOid);
  if (place == nullptr) {
    if (shared->database_count == kMaxDatabases) return nullptr;
    place = &shared->databases[shared->database_count++];
  }
  *place = {};
  place->oid = oid;
  place->waiting_since = Now();
  return place;
}

bool IsBarred(Oid database) {
  for (int i = 0; i < MaxBackends; i++) {
    if (shared->barred[i] == database) return true;
  }
  return false;
}

void WakeLauncher() {
  if (shared->launcher != nullptr) SetLatch(shared->launcher);
}

void ChargeShared(Budget budget, Task *task, double cpu_seconds) {
  const double now = Now();
  for (Bucket &bucket : shared->buckets.of) Fill(&bucket, now);
  Charge(&shared->buckets, budget, cpu_seconds);
  const auto note = [&](Budget part) {
    const int i = static_cast<int>(part);
    shared->last_seconds[i].Add(now, cpu_seconds);
    shared->last_minutes[i].Add(now, cpu_seconds);
    shared->cpu_seconds[i] += cpu_seconds;
  };
  note(Budget::kRest);
  if (budget != Budget::kRest) note(budget);
  if (task == nullptr) return;
  task->collected += Weigh(cpu_seconds, task->priority);
  task->cpu_seconds += cpu_seconds;
  task->last_seconds.Add(now, cpu_seconds);
  task->last_minutes.Add(now, cpu_seconds);
}

void Awaken() {
  if (shared == nullptr) return;
  Locked locked;
  Database *database = FindDatabase(MyDatabaseId);
  if (database == nullptr) return;
  database->is_awake = true;
  for (Slot &slot : shared->slots) {
    if (slot.database == MyDatabaseId && slot.latch != nullptr) SetLatch(slot.latch);
  }
  WakeLauncher();
}

double Cores() {
  if (shared == nullptr) return 1;
  Locked locked;
  return shared->cores;
}

}  // namespace helios::budget
