// Integer dot products of quantized vectors; products are formed in 16 bits and summed in 32.
#include "vector/core/distance.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/core/distance_int.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "vector/core/distance-inl.hpp"
#include "vector/core/distance_scalar.hpp"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// One-lane vectors cannot hold several narrow lanes; the plain loops serve instead.
using scalar::DotI16U8;
using scalar::DotU8;

#else

// Sums all 32-bit lanes modulo 2^32. Goes through 64-bit lanes because the AVX-512 reduction of
// 32-bit lanes adds the last two as signed integers, which must not overflow.
template <class D32, class V>
HWY_INLINE uint32_t SumModulo(D32 /*d32*/, V sums) {
  const hn::Repartition<uint64_t, D32> d64;
  const auto pairs = hn::BitCast(d64, sums);
  const auto low = hn::And(pairs, hn::Set(d64, 0xffffffffu));
  const auto wide = hn::Add(low, hn::ShiftRight<32>(pairs));
  return static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(d64, wide)));
}

// 16-bit lanes of an int16 array.
template <class D16>
HWY_INLINE hn::Vec<D16> LoadWide(D16 d16, const int16_t* p) {
  return hn::LoadU(d16, p);
}
template <class D16>
HWY_INLINE hn::Vec<D16> LoadWideTail(D16 d16, const int16_t* p, size_t n, size_t count) {
  return LoadTail(d16, p, n, count);
}

// 16-bit lanes of a byte array.
template <class D16>
HWY_INLINE hn::Vec<D16> LoadWide(D16 d16, const uint8_t* p) {
  return hn::PromoteTo(d16, hn::LoadU(hn::Rebind<uint8_t, D16>(), p));
}
template <class D16>
HWY_INLINE hn::Vec<D16> LoadWideTail(D16 d16, const uint8_t* p, size_t n, size_t count) {
  return hn::PromoteTo(d16, LoadTail(hn::Rebind<uint8_t, D16>(), p, n, count));
}

// Sums a*b over n element pairs modulo 2^32.
template <typename T>
HWY_INLINE uint32_t DotWide(const T* a, const uint8_t* b, size_t n) {
  const hn::ScalableTag<int32_t> d32;
  const hn::RebindToUnsigned<decltype(d32)> du32;
  const hn::Repartition<int16_t, decltype(d32)> d16;
  const size_t lanes = hn::Lanes(d16);
  const auto add = [&](auto sum, size_t i, auto& high) HWY_ATTR {
    return hn::ReorderWidenMulAccumulate(d32, LoadWide(d16, a + i), LoadWide(d16, b + i), sum,
                                         high);
  };
  auto sum0 = hn::Zero(d32), sum1 = sum0, sum2 = sum0, sum3 = sum0, high = sum0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    sum0 = add(sum0, i, high);
    sum1 = add(sum1, i + lanes, high);
    sum2 = add(sum2, i + 2 * lanes, high);
    sum3 = add(sum3, i + 3 * lanes, high);
  }
  for (; i + lanes <= n; i += lanes) sum0 = add(sum0, i, high);
  if (i < n) {
    sum1 = hn::ReorderWidenMulAccumulate(d32, LoadWideTail(d16, a, n, n - i),
                                         LoadWideTail(d16, b, n, n - i), sum1, high);
  }
  // Unsigned addition: only the total has to fit, not every order of partial sums.
  const auto low = hn::Add(hn::Add(hn::BitCast(du32, sum0), hn::BitCast(du32, sum1)),
                           hn::Add(hn::BitCast(du32, sum2), hn::BitCast(du32, sum3)));
  return SumModulo(du32, hn::Add(low, hn::BitCast(du32, high)));
}

uint32_t DotU8(const uint8_t* a, const uint8_t* b, size_t n) { return DotWide(a, b, n); }

int32_t DotI16U8(const int16_t* a, const uint8_t* b, size_t n) {
  return static_cast<int32_t>(DotWide(a, b, n));
}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::vector {

HWY_EXPORT(DotU8);
HWY_EXPORT(DotI16U8);

uint32_t DotU8(const uint8_t* a, const uint8_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotU8)(a, b, n);
}

int32_t DotI16U8(const int16_t* a, const uint8_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotI16U8)(a, b, n);
}

}  // namespace helios::vector
#endif
