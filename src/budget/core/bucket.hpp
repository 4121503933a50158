// Token buckets: CPU seconds that may be used. Plain memory, so that it can be shared; zero is an empty bucket that
// nothing flows into. Times are seconds of a clock that never goes back.
#pragma once

#include <algorithm>
#include <limits>

namespace helios::budget {

// The share of a sliding window by which a bucket may overshoot its rate: one point over ten seconds.
inline constexpr double kWindowSeconds = 10;
inline constexpr double kBurstShare = 0.01;
// The longest time whose tokens are kept.
inline constexpr double kKeptSeconds = 1;

struct Bucket {
  double level;     // below zero: debt
  double rate;      // CPU seconds a second
  double capacity;  // of tokens that are kept
  double filled_at;
};

// Lets tokens flow in up to now.
inline void Fill(Bucket *bucket, double now) {
  const double seconds = std::max(now - bucket->filled_at, 0.0);
  bucket->filled_at = now;
  bucket->level = std::min(bucket->level + seconds * bucket->rate, bucket->capacity);
}

// Sets how fast tokens come: `percent` of the CPU time of `cores`.
inline void SetRate(Bucket *bucket, double now, double percent, double cores) {
  Fill(bucket, now);
  bucket->rate = percent / 100 * cores;
  bucket->capacity = std::min(bucket->rate * kKeptSeconds, kBurstShare * cores * kWindowSeconds);
  bucket->level = std::min(bucket->level, bucket->capacity);
}

// Takes what was used; it may be more than there is.
inline void Take(Bucket *bucket, double cpu_seconds) { bucket->level -= cpu_seconds; }

// Tells how long it takes until the bucket holds so much, which must not exceed its capacity.
inline double SecondsUntil(const Bucket &bucket, double level) {
  if (bucket.rate <= 0) return std::numeric_limits<double>::infinity();
  return std::max((level - bucket.level) / bucket.rate, 0.0);
}

// The longest slice of a job: a part of what the bucket can hold, so that it is not emptied at once.
inline double SliceSeconds(const Bucket &bucket) {
  constexpr double kLongest = 0.05;
  constexpr double kPart = 0.25;
  return std::min(kLongest, bucket.capacity * kPart);
}

}  // namespace helios::budget
