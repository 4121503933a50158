// Population-count kernels over bit strings and bit planes.
#include "vector/core/distance.hpp"

// Adds the target that has VPOPCNTDQ.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/core/distance_bits.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "vector/core/distance-inl.hpp"
#include "vector/core/distance_scalar.hpp"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {

const char* SimdTargetName() { return hwy::TargetName(HWY_TARGET); }

#if HWY_TARGET == HWY_SCALAR

// One-lane vectors cannot hold several narrow lanes; the plain loops serve instead.
using scalar::DotBitPlanes;
using scalar::Hamming;
using scalar::Jaccard;

#else

// Counts the set bits of every 64-bit lane.
template <class D64, class V>
HWY_INLINE hn::Vec<D64> CountBits(D64 d64, V bits) {
#if HWY_TARGET == HWY_AVX3_DL
  return hn::PopulationCount(hn::BitCast(d64, bits));
#else
  (void)d64;
  return hn::SumsOf8(hn::PopulationCount(hn::BitCast(hn::Repartition<uint8_t, D64>(), bits)));
#endif
}

uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  const hn::ScalableTag<uint64_t> d64;
  const hn::Repartition<uint8_t, decltype(d64)> d8;
  const size_t lanes = hn::Lanes(d8);
  auto sum0 = hn::Zero(d64), sum1 = sum0;
  size_t i = 0;
  for (; i + 2 * lanes <= bytes; i += 2 * lanes) {
    const auto x0 = hn::Xor(hn::LoadU(d8, a + i), hn::LoadU(d8, b + i));
    const auto x1 = hn::Xor(hn::LoadU(d8, a + i + lanes), hn::LoadU(d8, b + i + lanes));
    sum0 = hn::Add(sum0, CountBits(d64, x0));
    sum1 = hn::Add(sum1, CountBits(d64, x1));
  }
  if (i + lanes <= bytes) {
    const auto x = hn::Xor(hn::LoadU(d8, a + i), hn::LoadU(d8, b + i));
    sum0 = hn::Add(sum0, CountBits(d64, x));
    i += lanes;
  }
  if (i < bytes) {
    const size_t count = bytes - i;
    const auto x = hn::Xor(LoadTail(d8, a, bytes, count), LoadTail(d8, b, bytes, count));
    sum1 = hn::Add(sum1, CountBits(d64, x));
  }
  return hn::GetLane(hn::SumOfLanes(d64, hn::Add(sum0, sum1)));
}

JaccardCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t bytes) {
  const hn::ScalableTag<uint64_t> d64;
  const hn::Repartition<uint8_t, decltype(d64)> d8;
  const size_t lanes = hn::Lanes(d8);
  auto both = hn::Zero(d64), either = both;
  size_t i = 0;
  for (; i + lanes <= bytes; i += lanes) {
    const auto x = hn::LoadU(d8, a + i), y = hn::LoadU(d8, b + i);
    both = hn::Add(both, CountBits(d64, hn::And(x, y)));
    either = hn::Add(either, CountBits(d64, hn::Or(x, y)));
  }
  if (i < bytes) {
    const auto x = LoadTail(d8, a, bytes, bytes - i), y = LoadTail(d8, b, bytes, bytes - i);
    both = hn::Add(both, CountBits(d64, hn::And(x, y)));
    either = hn::Add(either, CountBits(d64, hn::Or(x, y)));
  }
  return {hn::GetLane(hn::SumOfLanes(d64, both)), hn::GetLane(hn::SumOfLanes(d64, either))};
}

uint32_t DotBitPlanes(const uint64_t* bits, const uint64_t* planes, size_t words, int nplanes) {
  const hn::ScalableTag<uint64_t> d64;
  const size_t lanes = hn::Lanes(d64);
  auto total = hn::Zero(d64);
  for (int p = 0; p < nplanes; ++p, planes += words) {
    auto sum = hn::Zero(d64);
    size_t i = 0;
    for (; i + lanes <= words; i += lanes) {
      const auto x = hn::And(hn::LoadU(d64, bits + i), hn::LoadU(d64, planes + i));
      sum = hn::Add(sum, CountBits(d64, x));
    }
    if (i < words) {
      const size_t count = words - i;
      const auto x =
          hn::And(LoadTail(d64, bits, words, count), LoadTail(d64, planes, words, count));
      sum = hn::Add(sum, CountBits(d64, x));
    }
    total = hn::Add(total, hn::ShiftLeftSame(sum, p));
  }
  return static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(d64, total)));
}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::vector {

HWY_EXPORT(SimdTargetName);
HWY_EXPORT(Hamming);
HWY_EXPORT(Jaccard);
HWY_EXPORT(DotBitPlanes);

const char* SimdTargetName() { return HWY_DYNAMIC_DISPATCH(SimdTargetName)(); }

uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(Hamming)(a, b, bytes);
}

JaccardCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(Jaccard)(a, b, bytes);
}

uint32_t DotBitPlanes(const uint64_t* bits, const uint64_t* planes, size_t words, int nplanes) {
  return HWY_DYNAMIC_DISPATCH(DotBitPlanes)(bits, planes, words, nplanes);
}

}  // namespace helios::vector
#endif
