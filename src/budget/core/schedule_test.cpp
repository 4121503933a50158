// Buckets, windows, choice and back-off on a clock of the test's own.
#include <deque>

#include "budget/core/backoff.hpp"
#include "budget/core/choose.hpp"
#include "budget/core/window.hpp"
#include "gtest/gtest.h"

namespace helios::budget {
namespace {

constexpr double kStart = 1000;

Buckets Make(double ceiling, double views, double indexing, double deduplication, double cores) {
  Buckets buckets{};
  const double percents[] = {ceiling, views, indexing, deduplication};
  for (int i = 0; i < kBudgets; i++) {
    buckets.of[i].filled_at = kStart;
    SetRate(&buckets.of[i], kStart, percents[i], cores);
  }
  return buckets;
}

void FillAll(Buckets *buckets, double now) {
  for (Bucket &bucket : buckets->of) Fill(&bucket, now);
}

// Workers that always have work, on cores that are theirs alone; counts CPU by budget, and over every window.
struct Simulation {
  Buckets buckets;
  double cores;
  double overrun = 0;  // CPU seconds that a slice takes beyond its end
  double used[kBudgets] = {};
  double worst_window = 0;  // of all budgets together, CPU seconds by second
  std::deque<std::pair<double, double>> recent = {};
  double in_window = 0;

  // One worker for each budget named, for so many seconds; steps of a millisecond.
  void Run(const std::vector<Budget> &workers, double seconds) {
    constexpr double kStep = 0.001;
    struct Worker {
      bool runs = false;
      double slice = 0, owes = 0, last = kStart;
    };
    std::vector<Worker> states(workers.size());
    for (double now = kStart; now < kStart + seconds; now += kStep) {
      FillAll(&buckets, now);
      double step_use = 0;
      for (size_t i = 0; i < workers.size(); i++) {
        Worker &worker = states[i];
        if (!worker.runs && SecondsToWait(buckets, workers[i], now - worker.last) <= 0) {
          worker = {true, 0, overrun, now};
        }
        if (!worker.runs) continue;
        Charge(&buckets, workers[i], kStep);
        used[static_cast<int>(workers[i])] += kStep;
        step_use += kStep;
        worker.slice += kStep;
        worker.last = now;
        if (IsSliceOver(buckets, workers[i], worker.slice)) worker.owes -= kStep;
        if (worker.owes < 0) worker.runs = false;
      }
      recent.emplace_back(now, step_use);
      in_window += step_use;
      while (recent.front().first <= now - kWindowSeconds) {
        in_window -= recent.front().second;
        recent.pop_front();
      }
      worst_window = std::max(worst_window, in_window / kWindowSeconds);
    }
  }
};

TEST(Bucket, KeepsNoMoreThanAPointOfAWindow) {
  Bucket bucket{};
  bucket.filled_at = kStart;
  SetRate(&bucket, kStart, 50, 4);
  EXPECT_DOUBLE_EQ(bucket.rate, 2);
  EXPECT_DOUBLE_EQ(bucket.capacity, 0.4);
  Fill(&bucket, kStart + 100);
  EXPECT_DOUBLE_EQ(bucket.level, 0.4);
  Take(&bucket, 2.4);
  EXPECT_DOUBLE_EQ(SecondsUntil(bucket, 0), 1);
  Fill(&bucket, kStart + 99);  // a clock that went back gives nothing
  EXPECT_DOUBLE_EQ(bucket.level, -2);
  SetRate(&bucket, kStart + 99, 0, 4);
  EXPECT_EQ(SecondsUntil(bucket, 0), std::numeric_limits<double>::infinity());
}

TEST(Bucket, EveryWindowIsWithinTheBudgetAndUsesIt) {
  for (const double cores : {0.5, 1.0, 2.0, 16.0}) {
    for (const double percent : {1.0, 5.0, 15.0, 40.0}) {
      Simulation simulation{Make(percent, percent, 0, 0, cores), cores};
      std::vector<Budget> workers(static_cast<size_t>(percent / 100 * cores) + 1,
                                  Budget::kIncrementalViews);
      simulation.Run(workers, 60);
      const double share = 100 / cores;
      EXPECT_LE(simulation.worst_window * share, percent + 2) << cores << " cores";
      EXPECT_GE(simulation.used[1] / 60 * share, 0.9 * percent) << cores << " cores";
    }
  }
}

TEST(Bucket, DebtIsPaidBack) {
  Simulation simulation{Make(15, 10, 2, 3, 2), 2};
  simulation.overrun = 0.5;
  simulation.Run({Budget::kIncrementalViews}, 100);
  EXPECT_LE(simulation.used[1] / 100 / 2 * 100, 10.5);
  EXPECT_GE(simulation.used[1] / 100 / 2 * 100, 8);
}

TEST(Choice, TheRestTakesWhatOthersLeave) {
  const auto used = [](const std::vector<Budget> &workers) {
    Simulation simulation{Make(15, 10, 2, 3, 2), 2};
    simulation.Run(workers, 100);
    EXPECT_LE(simulation.worst_window / 2 * 100, 17);
    std::vector<double> percents;
    for (const double seconds : simulation.used) percents.push_back(seconds / 100 / 2 * 100);
    return percents;
  };
  EXPECT_NEAR(used({Budget::kRest})[0], 15, 1);
  const std::vector<double> two = used({Budget::kRest, Budget::kIncrementalViews});
  EXPECT_NEAR(two[0], 5, 1);
  EXPECT_NEAR(two[1], 10, 0.5);
  const std::vector<double> all = used({Budget::kRest, Budget::kIncrementalViews,
                                        Budget::kAdaptiveIndexing, Budget::kDeduplication});
  EXPECT_NEAR(all[1] + all[2] + all[3], 15, 1);
  EXPECT_GT(all[0], 0.05) << "the rest must not starve";
  EXPECT_LT(all[0], 1);
}

TEST(Choice, WeightsByPriority) {
  Candidate candidates[] = {{0, 0, 0, false}, {0, 0, 0, false}, {0, 0, 0, false}};
  const Priority priorities[] = {Priority::kLow, Priority::kNormal, Priority::kCritical};
  int runs[3] = {};
  double look_again;
  for (int i = 0; i < 1100; i++) {
    const int chosen = Choose(candidates, 3, &look_again);
    ASSERT_GE(chosen, 0);
    candidates[chosen].collected += Weigh(0.05, priorities[chosen]);
    runs[chosen]++;
  }
  EXPECT_NEAR(runs[0], 100, 2);
  EXPECT_NEAR(runs[1], 200, 2);
  EXPECT_NEAR(runs[2], 800, 2);
}

TEST(Choice, PassesOverWhatCannotRun) {
  double look_again;
  Candidate candidates[] = {
      {1, 0, 0, true}, {2, 5, 0, false}, {3, 0, 0.25, false}, {9, 0, 0, false}};
  EXPECT_EQ(Choose(candidates, 4, &look_again), 3);
  EXPECT_EQ(Choose(candidates, 3, &look_again), -1);
  EXPECT_DOUBLE_EQ(look_again, 0.25);
  EXPECT_EQ(Choose(candidates, 1, &look_again), -1);
  EXPECT_EQ(look_again, std::numeric_limits<double>::infinity());
}

TEST(BackOff, DoublesUpToAnHour) {
  EXPECT_EQ(BackOffSeconds(0), 0);
  EXPECT_EQ(BackOffSeconds(1), 1);
  EXPECT_EQ(BackOffSeconds(5), 16);
  EXPECT_EQ(BackOffSeconds(13), 3600);
  EXPECT_EQ(BackOffSeconds(1000000), 3600);
}

TEST(Window, ForgetsWhatIsOld) {
  TenSeconds window{};
  for (int i = 0; i < 40; i++) window.Add(kStart + i * 0.5, 0.1);
  EXPECT_NEAR(window.PerSecond(kStart + 19.5), 0.2, 0.02);
  EXPECT_NEAR(window.PerSecond(kStart + 25), 0.1, 0.02);
  EXPECT_EQ(window.PerSecond(kStart + 40), 0);
  window.Add(kStart + 1000, 1);
  EXPECT_NEAR(window.PerSecond(kStart + 1000), 0.1, 1e-6);
  window.Add(kStart + 999, 1);  // a reading of another process that comes late
  EXPECT_NEAR(window.PerSecond(kStart + 1000), 0.2, 1e-6);
}

TEST(Window, KnowsWhatWasAllowed) {
  RateHistory history{};
  EXPECT_EQ(history.Mean(kStart, 10), 0);
  history.Note(kStart, 0.3);
  EXPECT_NEAR(history.Mean(kStart + 1, 10), 0.3, 1e-9);
  history.Note(kStart + 100, 0.1);
  history.Note(kStart + 100, 0.1);
  EXPECT_NEAR(history.Mean(kStart + 105, 10), 0.2, 1e-9);
  EXPECT_NEAR(history.Mean(kStart + 200, 10), 0.1, 1e-9);
  for (int i = 0; i < 100; i++) history.Note(kStart + 300 + i, i);
  EXPECT_NEAR(history.Mean(kStart + 400, 10), 94.5, 1e-9);
}

}  // namespace
}  // namespace helios::budget
