// Which job comes next, and whether it may run now.
//
// Fair queueing: a job collects the CPU seconds that it used, divided by the weight of its priority, and the one that
// has collected least comes next. What comes back after a pause starts at the mark that the budget has reached, so
// that nobody saves up a right to keep the others out.
#pragma once

#include "budget/core/bucket.hpp"

namespace helios::budget {

// The part of the ceiling that a job is charged to. A part's use counts for the ceiling too.
enum class Budget : int {
  kRest = 0,  // what the others leave of the ceiling
  kIncrementalViews,
  kAdaptiveIndexing,
  kDeduplication,
};
inline constexpr int kBudgets = 4;

// Each one gets twice the CPU time of the one before it, where both have work.
enum class Priority : int { kLow = 0, kNormal, kHigh, kCritical };

// The CPU seconds that used time counts for.
double Weigh(double cpu_seconds, Priority priority);

// The buckets; that of kRest is the ceiling.
struct Buckets {
  Bucket of[kBudgets];
};

// A job of the rest is let in whatever the others want when none was for so long.
inline constexpr double kRestPatience = 10;

// Tells how long a job of a budget must wait for tokens, zero if it may begin. `waited`: seconds
// since a job of the rest ran.
double SecondsToWait(const Buckets &buckets, Budget budget, double waited);

// Tells whether a slice that has used so much must end.
bool IsSliceOver(const Buckets &buckets, Budget budget, double used);

// Charges a budget, and the ceiling.
void Charge(Buckets *buckets, Budget budget, double cpu_seconds);

struct Candidate {
  double collected;  // as described above
  double ready_in;   // seconds until it may be tried: back-off, a lock that others hold
  double wait;       // seconds until its budget has tokens
  bool is_taken;     // another worker runs it
};

// Finds the candidate to run next; -1 if there is none now, and then after how many seconds to look again.
int Choose(const Candidate *candidates, int count, double *look_again);

}  // namespace helios::budget
