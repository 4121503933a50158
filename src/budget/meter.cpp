#include "budget/meter.hpp"

#include <time.h>

namespace helios::budget {

namespace {

// Less is not worth taking the lock for.
constexpr double kGrain = 0.001;
// A slice that waits for the disk rather than for the processor ends too: its snapshot must not get old.
constexpr double kLongestSlice = 1;

struct Running {
  Task *task;  // null: no slice is under way
  Budget budget;
  int slot;
  double begun_at;
  double cpu_at_start;
};

constinit double charged = 0;  // a process begins with no CPU time, so its start is charged too
constinit Running running = {};

double ProcessCpu() {
  constexpr double kNanosecond = 1e-9;
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

// The same; the caller has the lock.
void MeterLocked(Budget budget, Task *task) {
  const double used = ProcessCpu();
  ChargeShared(budget, task, used - charged);
  charged = used;
}

}  // namespace

void Meter(Budget budget, Task *task) {
  Locked locked;
  MeterLocked(budget, task);
}

void BeginSlice(int slot, Budget budget, Task *task) {
  Meter(Budget::kRest, nullptr);
  running = {task, budget, slot, Now(), charged};
}

void EndSlice() {
  if (running.task == nullptr) return;
  Locked locked;
  MeterLocked(running.budget, running.task);
  running.task->last_ran = Now();
  if (running.budget == Budget::kRest) shared->rest_ran_at = Now();
  running.task = nullptr;
}

bool Throttle() {
  CHECK_FOR_INTERRUPTS();
  if (running.task == nullptr) return false;
  const bool is_long = Now() - running.begun_at > kLongestSlice;
  if (ProcessCpu() - charged < kGrain && !is_long) return false;
  Locked locked;
  MeterLocked(running.budget, running.task);
  return is_long || shared->slots[running.slot].must_leave ||
         IsSliceOver(shared->buckets, running.budget, charged - running.cpu_at_start);
}

void Report(const char *phase, double progress, int64 backlog) {
  if (running.task == nullptr) return;
  Locked locked;
  running.task->phase = phase;
  running.task->progress = progress;
  running.task->backlog = backlog;
}

}  // namespace helios::budget
