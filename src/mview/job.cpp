// The background job that keeps views up to date: a refresh of one view is a slice.
//
// What is found: views with auto_refresh whose tables have changed, or whose age says so. A view that reads another one
// waits until that is up to date.
#include "mview/job.hpp"

#include <algorithm>
#include <cstdlib>

#include "budget/budget.hpp"
#include "changelog/changelog.hpp"
#include "mview/backlog.hpp"
#include "mview/catalog.hpp"
#include "mview/options.hpp"
#include "mview/refresh.hpp"
#include "mview/settings.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

constexpr double kHundredPercent = 100;

// Among the first records in a log that a view has not read is probably the oldest.
constexpr int64 kEnough = 1000;

// Runs something in a subtransaction; returns the error if it fails.
template <typename Fn>
ErrorData *Try(Fn fn) {
  MemoryContext context = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  ErrorData *error = nullptr;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  try {
    pg::Call([&] {
      pg::Enter(fn);
      ReleaseCurrentSubTransaction();
    });
  } catch (const pg::Error &failure) {
    error = failure.data();
  }
  MemoryContextSwitchTo(context);
  if (error != nullptr) RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  return error;
}

// True if an error is an order to end.
bool IsEnd(const ErrorData *error) {
  return error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN;
}

// True if an error says nothing about the view.
bool IsPassing(const ErrorData *error) {
  return IsEnd(error) || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
         error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

// A maintained view with what is known of it.
struct Candidate {
  Oid view;
  Record record;
  Options options;
  List *bases;
  Backlog backlog;
};

// Reads what is known of a view; false if it is not to be refreshed in the background, or not to be had now.
bool Examine(Oid view, Candidate *candidate) {
  *candidate = {};
  candidate->view = view;
  if (!FindRecord(view, false, &candidate->record)) return false;
  candidate->bases = ReadBases(view);
  candidate->backlog = FindBacklog(view, candidate->record, candidate->bases, kEnough);
  if (candidate->backlog.is_locked || !IsPopulated(view)) return false;
  candidate->options = ReadOptions(view);
  return candidate->options.auto_refresh && candidate->options.strategy != Strategy::kManual;
}

// For how many microseconds a view has not shown what its tables hold: since the first change that it lacks, or, where
// nobody knows that, since its last refresh. As long as can be if it was never computed.
int64 AgeOf(const Candidate &candidate) {
  const TimestampTz since =
      candidate.backlog.since != 0 ? candidate.backlog.since : candidate.record.refreshed_at;
  return since == 0 ? PG_INT64_MAX : GetCurrentTimestamp() - since;
}

bool IsStale(const Candidate &candidate) {
  return AgeOf(candidate) / USECS_PER_SEC >= candidate.options.staleness_seconds;
}

// True if the processors have had less to do than idle_load says, of late.
bool IsMachineIdle() {
  double load;
  return getloadavg(&load, 1) == 1 && load < idle_load * budget::Cores();
}

// True if a view needs a refresh, and its options let it have one now.
bool IsDue(const Candidate &candidate) {
  if (candidate.backlog.is_current) return !candidate.backlog.is_known && IsStale(candidate);
  if (!candidate.options.lazy_update) return true;
  return IsMachineIdle() || AgeOf(candidate) >= candidate.options.lazy_catchup_us;
}

// True if a view that this one reads will be refreshed first.
bool MustWait(const Candidate &candidate) {
  ListCell *cell;
  foreach (cell, candidate.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    Candidate below;
    if (get_rel_relkind(base->relation) == RELKIND_MATVIEW && Examine(base->relation, &below) &&
        IsDue(below) && below.record.failures == 0)
      return true;
  }
  return false;
}

// A view that is older than its threshold comes before others of its priority.
budget::Priority PriorityOf(const Candidate &candidate) {
  const int highest = static_cast<int>(budget::Priority::kCritical);
  return static_cast<budget::Priority>(
      std::min(candidate.options.priority + (IsStale(candidate) ? 1 : 0), highest));
}

// True if other views read this one.
bool HasReaders(Oid view) {
  changelog::RunAsOwner(psprintf("SELECT FROM heliosdb.mview_bases WHERE relid = %u LIMIT 1", view),
                        true, SPI_OK_SELECT);
  return SPI_processed > 0;
}

class RefreshKind final : public budget::JobKind {
 public:
  // The lock of a writer: VACUUM and ANALYZE do not pass the view by.
  constexpr RefreshKind()
      : JobKind("refresh_views", budget::Budget::kIncrementalViews, RowExclusiveLock) {}

  void Find(budget::Findings *findings) const override {
    SPI_connect();
    changelog::RunAsOwner("SELECT relid FROM heliosdb.mviews ORDER BY relid", true, SPI_OK_SELECT);
    List *views = NIL;
    for (uint64 row = 0; row < SPI_processed; row++) {
      bool is_null;
      views = lappend_oid(views, DatumGetObjectId(SPI_getbinval(
                                     SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &is_null)));
    }
    ListCell *cell;
    foreach (cell, views) {
      Candidate candidate;
      bool is_due = false;
      // One view that cannot be looked at keeps no other from being found.
      ErrorData *error = Try([&] {
        SPI_connect();
        is_due = Examine(lfirst_oid(cell), &candidate) && IsDue(candidate) && !MustWait(candidate);
        SPI_finish();
      });
      if (error != nullptr && !IsPassing(error)) {
        ereport(LOG,
                (errcode(error->sqlerrcode), errmsg("materialized view %u cannot be looked at: %s",
                                                    lfirst_oid(cell), error->message)));
      }
      if (error != nullptr && IsEnd(error)) ReThrowError(error);
      if (error == nullptr && is_due) findings->Add(candidate.view, 0, PriorityOf(candidate));
    }
    SPI_finish();
  }

  void Work(budget::Slice *slice) const override {
    const Oid view = slice->object;
    slice->is_done = true;
    if (!LockRefresh(view, false)) {
      ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                      errmsg("materialized view is being refreshed already")));
    }
    Candidate candidate;
    SPI_connect();
    const bool is_due = Examine(view, &candidate) && IsDue(candidate);
    const bool is_stale = is_due && IsStale(candidate);
    const Wanted wanted = candidate.options.strategy == Strategy::kIncremental
                              ? Wanted::kOnlyIncremental
                              : Wanted::kIncremental;
    const double percent = candidate.options.max_cpu_percent;
    SPI_finish();
    if (!is_due) return;
    // A transaction of its own keeps writers of the tables out as short as can be.
    if (PrepareBases(view)) {
      slice->is_done = false;
      return;
    }
    budget::Report("refreshing", -1, -1);
    const double cpu = CpuSeconds();
    const TimestampTz begun = GetCurrentTimestamp();
    slice->failure = Try(
        [&] { (void)RefreshInPlace(BeginRefresh(view, is_stale ? kStale : kAutomatic), wanted); });
    if (slice->failure != nullptr) return Fail(slice, begun, CpuSeconds() - cpu);
    (void)budget::Throttle();
    slice->rest_seconds = (CpuSeconds() - cpu) * kHundredPercent / (percent * budget::Cores());
    SPI_connect();
    if (HasReaders(view)) budget::Awaken();
    SPI_finish();
  }

 private:
  // Notes a failure, which the transaction of the slice outlives.
  static void Fail(budget::Slice *slice, TimestampTz begun, double cpu) {
    if (IsPassing(slice->failure)) ReThrowError(slice->failure);
    SPI_connect();
    const char *text =
        slice->failure->message != nullptr ? slice->failure->message : "unknown error";
    (void)NoteFailure(slice->object, text);
    AddEvent(slice->object, {begun, text, "none", kAutomatic, nullptr, 0, 0, 0, cpu});
    SPI_finish();
  }
};

constinit const RefreshKind kind;

}  // namespace

void InitJob() { budget::Register(&kind); }

}  // namespace helios::mview
