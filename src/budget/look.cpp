#include "budget/look.hpp"

#include "budget/meter.hpp"

#include <algorithm>

extern "C" {
#include "pgstat.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

constinit Me me = {};

namespace {

// Collects what a kind finds.
class Collector final : public Findings {
 public:
  explicit Collector(int kind) : kind_(kind) {}
  void Add(Oid object, int64 upto, Priority priority) override {
    constexpr int kFirst = 64;
    if (me.found == nullptr || me.found_count >= room_) {
      const int room = me.found == nullptr ? kFirst : 2 * me.found_count;
      const Size bytes = room * sizeof(Found);
      me.found =
          static_cast<Found *>(me.found == nullptr ? MemoryContextAllocHuge(me.findings, bytes)
                                                   : repalloc_huge(me.found, bytes));
      room_ = room;
    }
    me.found[me.found_count++] = {kind_, object, upto, priority, false};
  }
  static void Reset() {
    MemoryContextReset(me.findings);
    me.found = nullptr;
    me.candidates = nullptr;
    me.found_count = 0;
    room_ = 0;
  }

 private:
  int kind_;
  static constinit int room_;
};
constinit int Collector::room_ = 0;

// Asks one kind what has work; returns the error if it fails. `extension` is set to what is there in the end.
ErrorData *Ask(int kind, Oid *extension) {
  const int before = me.found_count;
  ErrorData *error = RunGuarded(me.contexts.work, [&] {
    *extension = FindExtension();
    if (!OidIsValid(*extension)) return;
    Collector collector(kind);
    KindAt(kind)->Find(&collector);
  });
  if (error == nullptr) return nullptr;
  me.found_count = before;
  Oid present = *extension;
  if (HasExtensionChanged(me.contexts.later, *extension, &present)) error = nullptr;
  *extension = present;
  return error;
}

// Forgets the jobs of a database without the extension.
void ForgetTasks() {
  ForEachTask([](Task *task) {
    if (task->key.database == MyDatabaseId && task->worker < 0) RemoveTask(task);
  });
}

// Brings the tasks in line with what a kind has found.
void TakeFindings(int kind, int first, ErrorData *error) {
  Locked locked;
  Task *whole = MakeTask({MyDatabaseId, kind, InvalidOid});
  const bool all_asked = whole != nullptr && whole->is_asked;
  if (whole != nullptr) whole->is_asked = false;
  if (error != nullptr) {
    if (whole != nullptr) NoteFailure(whole, error);
    return;
  }
  const int budget = static_cast<int>(KindAt(kind)->budget());
  const auto is_whole = [](const Found &item) { return !OidIsValid(item.object); };
  // That the kind could be asked says nothing of its work on the database as a whole.
  if (whole != nullptr && std::none_of(me.found + first, me.found + me.found_count, is_whole))
    whole->failures = 0;
  for (int i = first; i < me.found_count; i++) {
    Found *item = &me.found[i];
    Task *task = all_asked ? MakeTask(KeyOf(*item)) : FindTask(KeyOf(*item));
    if (task == nullptr) continue;
    task->is_asked = task->is_asked || all_asked;
    item->is_over = item->upto != 0 && task->mark == item->upto && !task->is_asked;
    task->priority = item->priority;
    task->collected = std::max(task->collected, shared->floor[budget]);
  }
}

// Forgets tasks of relations that are gone, and errors of those that have no work any more.
void DropStale() {
  auto *keys = static_cast<TaskKey *>(MemoryContextAlloc(me.findings, kMaxTasks * sizeof(TaskKey)));
  int count = 0;
  {
    Locked locked;
    ForEachTask([&](Task *task) {
      if (task->key.database != MyDatabaseId || !OidIsValid(task->key.object) || task->worker >= 0)
        return;
      for (int i = 0; i < me.found_count; i++) {
        if (me.found[i].kind == task->key.kind && me.found[i].object == task->key.object) return;
      }
      task->failures = 0;
      task->is_asked = false;
      keys[count++] = task->key;
    });
  }
  for (int i = 0; i < count; i++) {
    if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(keys[i].object))) continue;
    Locked locked;
    Task *task = FindTask(keys[i]);
    if (task != nullptr && task->worker < 0) RemoveTask(task);
  }
}

}  // namespace

bool Look() {
  pgstat_report_activity(STATE_RUNNING, "looking for work");
  Collector::Reset();
  uint32 changes = 0;
  {
    Locked locked;
    Database *database = FindDatabase(MyDatabaseId);
    if (database != nullptr) {
      database->is_awake = false;
      changes = database->changes;
    }
  }
  Oid extension = InvalidOid;
  bool is_early = false;
  for (int kind = 0; kind < KindCount(); kind++) {
    const int first = me.found_count;
    ErrorData *error = Ask(kind, &extension);
    if (!OidIsValid(extension)) break;
    // An extension may be seen a moment before all of its objects are, while CREATE EXTENSION commits.
    is_early = error != nullptr && extension != me.extension;
    if (is_early) break;
    TakeFindings(kind, first, error);
    if (error != nullptr) LogFailure(KindAt(kind)->name(), "", error);
  }
  me.extension = extension;
  const bool is_here = OidIsValid(extension);
  if (is_here) (void)RunGuarded(me.contexts.work, DropStale);
  pgstat_report_activity(STATE_IDLE, nullptr);
  Meter(Budget::kRest, nullptr);
  Locked locked;
  Database *database = FindDatabase(MyDatabaseId);
  if (database != nullptr && (is_here || changes == database->changes)) {
    database->extension = is_here ? Extension::kPresent : Extension::kAbsent;
    database->look_at = Now() + naptime_seconds;
    if (is_early) database->is_awake = true;
  }
  if (!is_here) ForgetTasks();
  return is_here;
}

}  // namespace helios::budget
