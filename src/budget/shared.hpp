// What launcher, workers and sessions share; everything is guarded by one lightweight lock.
//
//   Shared
//     buckets[4], used, allowed      tokens of the ceiling and of its parts
//     slots[64]                      workers: starting, connected, in a slice
//     databases[4096]                which have the extension, and when to look for work there
//     barred[MaxBackends]            the database that a session's statement needs without our workers
//   hash of tasks (2048)             database, kind, object: state, CPU windows, last error
//
// Times are seconds of CLOCK_MONOTONIC, the same for all processes.
#pragma once

#include "budget/budget.hpp"
#include "budget/core/window.hpp"

extern "C" {
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

inline constexpr int kMaxKinds = 16;
inline constexpr int kMaxWorkers = 64;
inline constexpr int kMaxDatabases = 4096;
inline constexpr int kMaxTasks = 2048;
inline constexpr double kNever = 1e18;

inline constexpr const char *kBudgetNames[kBudgets] = {
    "max_cpu_background", "incremental_mv_cpu", "adaptive_indexing_cpu", "deduplication_cpu"};

struct TaskKey {
  Oid database;
  int32 kind;
  Oid object;
};

struct Task {
  TaskKey key;
  bool is_live;   // false: the entry was taken away
  bool is_asked;  // run_now: back-off and pace do not count
  int worker;     // the slot that works on it, or -1
  Priority priority;
  double collected;  // see core/choose.hpp
  double last_ran;   // end of its last slice; of a new one: when it was found
  double ready_at;
  int failures;  // in a row
  int sqlstate;
  TimestampTz failed_at;  // 0: never
  int64 mark;             // what the last whole pass reached
  int64 cursor;
  int64 backlog;
  double progress;
  const char *phase;
  double cpu_seconds;  // since the start of the server
  TenSeconds last_seconds;
  TenMinutes last_minutes;
  char name[2 * NAMEDATALEN + 8];
  char error[256];
};

enum class Extension : int { kUnknown = 0, kAbsent, kPresent };

struct Database {
  Oid oid;  // invalid: a free place
  Extension extension;
  bool is_listed;       // found by the present scan of pg_database
  bool is_connectable;  // and it allows connections
  bool is_awake;        // somebody has work there: do not wait for look_at
  bool needs_help;      // more jobs are ready than workers run, and the budget is not used
  uint32 changes;       // how often the extension has come
  int failures;         // workers in a row that could not connect
  double look_at;
  double waiting_since;
};

struct Slot {
  Oid database;  // invalid: free
  uint32 generation;
  int pid;  // 0: starting
  Latch *latch;
  bool must_leave;  // at once
  bool must_yield;  // when others wait: after the present slice
  bool is_connected;
  Task *task;  // of the present slice
  double since;
  double collected[kBudgets];  // of the job that waits for tokens of each budget, else infinite
};

struct Shared {
  Latch *launcher;
  int launcher_pid;
  bool is_paused;
  bool databases_changed;  // pg_database must be read again
  double cores;
  double percent[kBudgets];
  Buckets buckets;
  double floor[kBudgets];  // what the job chosen last had collected
  double rest_ran_at;      // end of the last slice of kRest
  RateHistory allowed[kBudgets];
  TenSeconds last_seconds[kBudgets];
  TenMinutes last_minutes[kBudgets];
  double cpu_seconds[kBudgets];
  Slot slots[kMaxWorkers];
  Database databases[kMaxDatabases];
  int database_count;  // places in use up to here
  Oid barred[FLEXIBLE_ARRAY_MEMBER];
};

// Settings.
extern int max_workers;
extern int naptime_seconds;

// Null unless the library was preloaded.
extern Shared *shared;

// Holds the lock in a scope in which nothing raises an error.
class Locked {
 public:
  Locked();
  ~Locked();
  Locked(const Locked &) = delete;
  Locked &operator=(const Locked &) = delete;
};

// Installs the hooks that reserve and attach the memory.
void InitShared();

double Now();

int KindCount();
const JobKind *KindAt(int index);
int FindKind(const char *name);  // -1: there is none

// The rest needs the lock.

// Finds a task, or makes one; null if there is none, or no room.
Task *FindTask(const TaskKey &key);
Task *MakeTask(const TaskKey &key);
void RemoveTask(Task *task);

// Visits all tasks.
template <typename Visit>
void ForEachTask(Visit visit);

Database *FindDatabase(Oid oid);
Database *AddDatabase(Oid oid);
bool IsBarred(Oid database);
void WakeLauncher();

// Charges CPU time to a budget, and to a task if there is one.
void ChargeShared(Budget budget, Task *task, double cpu_seconds);

// What ForEachTask stands on.
void StartTasks(void *sequence);
Task *NextTask(void *sequence);

template <typename Visit>
void ForEachTask(Visit visit) {
  alignas(16) unsigned char sequence[64];
  StartTasks(sequence);
  while (Task *task = NextTask(sequence)) visit(task);
}

}  // namespace helios::budget
