// What users see and order.
#include "budget/shared.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

extern "C" {
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

constexpr double kTenSeconds = 10;
constexpr double kTenMinutes = 600;

// Raises an error where there is no background work.
void RequireScheduler(const char *function) {
  if (shared == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("%s needs heliosdb to be preloaded", function),
                    errhint("Add to postgresql.conf: shared_preload_libraries = 'heliosdb', and "
                            "restart.")));
  }
  PreventCommandDuringRecovery(function);
}

double PercentOf(double per_second) { return per_second / shared->cores * 100; }

enum JobColumn {
  kJob,
  kBudget,
  kDatabase,
  kObject,
  kState,
  kPhase,
  kProgress,
  kCpu10s,
  kAllowed10s,
  kCpu10min,
  kAllowed10min,
  kCpuSeconds,
  kBacklog,
  kNextRun,
  kFailures,
  kLastError,
  kLastErrorAt,
  kPid,
  kRelation,
  kJobColumns
};

// One task as it was when the lock was held.
struct Shot {
  Task task;
  double cpu_10s, cpu_10min, allowed_10s, allowed_10min;
  double next_at;  // kNever: unknown
  int pid;
  bool waits;
  bool is_connectable;
};

// Tells what a task is doing.
const char *StateOf(const Shot &shot, bool is_paused, bool is_off) {
  if (shot.task.worker >= 0) return "running";
  if (is_paused) return "paused";
  if (is_off) return "off";
  if (shot.task.failures > 0) return "failed";
  return shot.waits ? "waiting" : "idle";
}

// True if the user may read what objects are called and what their errors say.
bool MayRead(const Task &task) {
  if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS)) return true;
  return task.key.database == MyDatabaseId && OidIsValid(task.key.object) &&
         SearchSysCacheExists1(RELOID, ObjectIdGetDatum(task.key.object)) &&
         pg_class_ownercheck(task.key.object, GetUserId());
}

Datum InSeconds(double seconds) {
  return TimestampTzGetDatum(GetCurrentTimestamp() +
                             static_cast<TimestampTz>(std::llround(seconds * USECS_PER_SEC)));
}

void PutShot(ReturnSetInfo *result, const Shot &shot, const char *state, double now) {
  const Task &task = shot.task;
  const JobKind *kind = KindAt(task.key.kind);
  Datum values[kJobColumns] = {};
  bool nulls[kJobColumns] = {};
  const auto put_text = [&](JobColumn column, const char *text) {
    nulls[column] = text == nullptr || text[0] == '\0';
    if (!nulls[column]) values[column] = CStringGetTextDatum(text);
  };
  const bool may_read = MayRead(task);
  put_text(kJob, kind->name());
  put_text(kBudget, kBudgetNames[static_cast<int>(kind->budget())]);
  put_text(kDatabase, get_database_name(task.key.database));
  put_text(kObject, may_read ? task.name : nullptr);
  put_text(kState, state);
  put_text(kPhase, task.phase);
  nulls[kProgress] = task.progress < 0;
  values[kProgress] = Float8GetDatum(task.progress);
  values[kCpu10s] = Float8GetDatum(shot.cpu_10s);
  values[kAllowed10s] = Float8GetDatum(shot.allowed_10s);
  values[kCpu10min] = Float8GetDatum(shot.cpu_10min);
  values[kAllowed10min] = Float8GetDatum(shot.allowed_10min);
  values[kCpuSeconds] = Float8GetDatum(task.cpu_seconds);
  nulls[kBacklog] = task.backlog < 0;
  values[kBacklog] = Int64GetDatum(task.backlog);
  nulls[kNextRun] = task.worker >= 0 || shot.next_at >= kNever;
  if (!nulls[kNextRun]) values[kNextRun] = InSeconds(std::max(shot.next_at - now, 0.0));
  values[kFailures] = Int32GetDatum(task.failures);
  put_text(kLastError, may_read ? task.error : nullptr);
  nulls[kLastErrorAt] = task.failed_at == 0;
  values[kLastErrorAt] = TimestampTzGetDatum(task.failed_at);
  nulls[kPid] = shot.pid == 0;
  values[kPid] = Int32GetDatum(shot.pid);
  nulls[kRelation] = !may_read || !OidIsValid(task.key.object);
  values[kRelation] = ObjectIdGetDatum(task.key.object);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// Copies all tasks; nothing raises an error meanwhile.
int TakeShots(Shot *shots, bool *is_paused, bool *is_off) {
  int count = 0;
  Locked locked;
  const double now = Now();
  *is_paused = shared->is_paused;
  *is_off = shared->percent[0] <= 0 || max_workers == 0;
  ForEachTask([&](Task *task) {
    Shot *shot = &shots[count++];
    const int budget = static_cast<int>(KindAt(task->key.kind)->budget());
    shot->cpu_10s = PercentOf(task->last_seconds.PerSecond(now));
    shot->cpu_10min = PercentOf(task->last_minutes.PerSecond(now));
    shot->allowed_10s = shared->allowed[budget].Mean(now, kTenSeconds);
    shot->allowed_10min = shared->allowed[budget].Mean(now, kTenMinutes);
    shot->task = *task;
    shot->pid = task->worker >= 0 ? shared->slots[task->worker].pid : 0;
    shot->waits = task->cursor != 0 || task->is_asked;
    const Database *database = FindDatabase(task->key.database);
    const double look_at = database != nullptr ? database->look_at : kNever;
    shot->next_at = shot->waits ? task->ready_at : std::max(task->ready_at, look_at);
    if (task->is_asked || (database != nullptr && database->is_awake)) shot->next_at = now;
    if (*is_paused || *is_off) shot->next_at = kNever;
  });
  return count;
}

}  // namespace

}  // namespace helios::budget

using namespace helios::budget;

// background_jobs(): a row for each job and object that the scheduler remembers.
HELIOS_FUNCTION(background_jobs) {
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  if (shared == nullptr) return Datum{0};
  auto *shots = static_cast<Shot *>(palloc_extended(kMaxTasks * sizeof(Shot), MCXT_ALLOC_HUGE));
  bool is_paused, is_off;
  const int count = TakeShots(shots, &is_paused, &is_off);
  const double now = Now();
  for (int i = 0; i < count; i++)
    PutShot(result, shots[i], StateOf(shots[i], is_paused, is_off), now);
  return Datum{0};
}

// background_budgets(): what each budget was allowed and has used.
HELIOS_FUNCTION(background_budgets) {
  constexpr int kColumns = 8;
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  if (shared == nullptr) return Datum{0};
  for (int i = 0; i < kBudgets; i++) {
    Datum values[kColumns];
    bool nulls[kColumns] = {};
    double shown[kColumns - 1];
    {
      Locked locked;
      const double now = Now();
      Fill(&shared->buckets.of[i], now);
      shown[0] = shared->percent[i];
      shown[1] = PercentOf(shared->last_seconds[i].PerSecond(now));
      shown[2] = shared->allowed[i].Mean(now, kTenSeconds);
      shown[3] = PercentOf(shared->last_minutes[i].PerSecond(now));
      shown[4] = shared->allowed[i].Mean(now, kTenMinutes);
      shown[5] = shared->cpu_seconds[i];
      shown[6] = std::max(-shared->buckets.of[i].level, 0.0);
    }
    values[0] = CStringGetTextDatum(kBudgetNames[i]);
    for (int column = 1; column < kColumns; column++)
      values[column] = Float8GetDatum(shown[column - 1]);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  return Datum{0};
}

// background_cores(): the cores that 100 percent stand for; null without background work.
HELIOS_FUNCTION(background_cores) {
  (void)fcinfo;
  if (shared == nullptr) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(Cores());
}

// pause_background(): ends all background work until resume_background() or a restart.
HELIOS_FUNCTION(pause_background) {
  (void)fcinfo;
  RequireScheduler("heliosdb.pause_background()");
  Locked locked;
  shared->is_paused = true;
  for (const Slot &slot : shared->slots) {
    if (slot.latch != nullptr) SetLatch(slot.latch);
  }
  PG_RETURN_VOID();
}

// resume_background(): lets background work go on.
HELIOS_FUNCTION(resume_background) {
  (void)fcinfo;
  RequireScheduler("heliosdb.resume_background()");
  Locked locked;
  shared->is_paused = false;
  WakeLauncher();
  PG_RETURN_VOID();
}

// run_now(job text [, object regclass]): has a job done as soon as there are tokens, whatever its pace and back-off.
HELIOS_FUNCTION(run_now) {
  RequireScheduler("heliosdb.run_now()");
  const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  const Oid object = PG_NARGS() > 1 ? PG_GETARG_OID(1) : InvalidOid;
  const int kind = FindKind(name);
  if (kind < 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("background job \"%s\" does not exist", name),
                    errhint("The jobs are listed in heliosdb.background_activity.")));
  }
  if (OidIsValid(object)) {
    const char *relation = get_rel_name(object);
    if (relation == nullptr) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("relation with OID %u does not exist", object)));
    }
    if (!pg_class_ownercheck(object, GetUserId()))
      aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(object)), relation);
  }
  bool is_paused, is_off, is_full = false;
  {
    Locked locked;
    is_paused = shared->is_paused;
    is_off = shared->percent[0] <= 0 || max_workers == 0;
    if (!is_paused && !is_off) {
      Task *task = MakeTask({MyDatabaseId, kind, object});
      is_full = task == nullptr;
      if (task != nullptr) task->is_asked = true;
    }
  }
  if (is_paused || is_off) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("background work is %s", is_paused ? "paused" : "switched off"),
                    is_paused ? errhint("Call heliosdb.resume_background().")
                              : errhint("Raise heliosdb.max_cpu_background and "
                                        "heliosdb.max_background_workers in the server's "
                                        "configuration, and reload it.")));
  }
  if (is_full) {
    ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                    errmsg("the scheduler remembers %d jobs already, all of them busy or failing",
                           kMaxTasks)));
  }
  Awaken();
  PG_RETURN_VOID();
}
