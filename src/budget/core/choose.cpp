#include "budget/core/choose.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace helios::budget {

namespace {

// What the rest leaves to the others: the tokens of the ceiling up to here are not for it.
double ReserveOf(const Buckets &buckets, Budget budget) {
  constexpr double kReserved = 0.5;
  return budget == Budget::kRest ? buckets.of[0].capacity * kReserved : 0;
}

}  // namespace

double Weigh(double cpu_seconds, Priority priority) {
  return std::ldexp(cpu_seconds, -static_cast<int>(priority));
}

double SecondsToWait(const Buckets &buckets, Budget budget, double waited) {
  const Bucket &ceiling = buckets.of[0];
  const Bucket &own = buckets.of[static_cast<int>(budget)];
  const double reserve = waited > kRestPatience ? 0 : ReserveOf(buckets, budget);
  return std::max(SecondsUntil(ceiling, reserve + SliceSeconds(ceiling)),
                  SecondsUntil(own, SliceSeconds(own)));
}

bool IsSliceOver(const Buckets &buckets, Budget budget, double used) {
  const Bucket &own = buckets.of[static_cast<int>(budget)];
  return used >= SliceSeconds(own) || own.level <= 0 || buckets.of[0].level <= 0;
}

void Charge(Buckets *buckets, Budget budget, double cpu_seconds) {
  Take(&buckets->of[0], cpu_seconds);
  if (budget != Budget::kRest) Take(&buckets->of[static_cast<int>(budget)], cpu_seconds);
}

int Choose(const Candidate *candidates, int count, double *look_again) {
  int best = -1;
  *look_again = std::numeric_limits<double>::infinity();
  for (int i = 0; i < count; i++) {
    const Candidate &candidate = candidates[i];
    if (candidate.is_taken) continue;
    const double wait = std::max(candidate.ready_in, candidate.wait);
    if (wait > 0) {
      *look_again = std::min(*look_again, wait);
    } else if (best < 0 || candidate.collected < candidates[best].collected) {
      best = i;
    }
  }
  return best;
}

}  // namespace helios::budget
