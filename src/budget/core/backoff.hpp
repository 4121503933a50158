// How long a job that fails stays away.
#pragma once

#include <algorithm>
#include <cmath>

namespace helios::budget {

// Seconds until the next attempt after so many failures in a row: 1, 2, 4, … up to an hour.
inline double BackOffSeconds(int failures) {
  constexpr double kFirst = 1;
  constexpr double kLongest = 3600;
  constexpr int kDoublings = 12;
  if (failures <= 0) return 0;
  return std::min(std::ldexp(kFirst, std::min(failures - 1, kDoublings)), kLongest);
}

}  // namespace helios::budget
