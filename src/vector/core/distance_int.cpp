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

// Adds the products of all byte pairs to the 32-bit sums. Even and odd bytes are split by mask and
// shift, which is cheaper than widening: both operands are permuted alike, and a sum has no order.
template <class D32, class V8, class V32>
HWY_INLINE void AddByteProducts(D32 d32, V8 a, V8 b, V32& even_sum, V32& odd_sum, V32& high) {
  const hn::Repartition<uint16_t, D32> du16;
  const hn::Repartition<int16_t, D32> di16;
  const auto low_byte = hn::Set(du16, 0x00ffu);
  const auto a16 = hn::BitCast(du16, a), b16 = hn::BitCast(du16, b);
  even_sum = hn::ReorderWidenMulAccumulate(d32, hn::BitCast(di16, hn::And(a16, low_byte)),
                                           hn::BitCast(di16, hn::And(b16, low_byte)), even_sum,
                                           high);
  odd_sum = hn::ReorderWidenMulAccumulate(d32, hn::BitCast(di16, hn::ShiftRight<8>(a16)),
                                          hn::BitCast(di16, hn::ShiftRight<8>(b16)), odd_sum, high);
}

uint32_t DotU8(const uint8_t* a, const uint8_t* b, size_t n) {
  const hn::ScalableTag<int32_t> d32;
  const hn::RebindToUnsigned<decltype(d32)> du32;
  const hn::Repartition<uint8_t, decltype(d32)> d8;
  const size_t lanes = hn::Lanes(d8);
  auto even0 = hn::Zero(d32), odd0 = even0, even1 = even0, odd1 = even0, high = even0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    AddByteProducts(d32, hn::LoadU(d8, a + i), hn::LoadU(d8, b + i), even0, odd0, high);
    AddByteProducts(d32, hn::LoadU(d8, a + i + lanes), hn::LoadU(d8, b + i + lanes), even1, odd1,
                    high);
  }
  if (i + lanes <= n) {
    AddByteProducts(d32, hn::LoadU(d8, a + i), hn::LoadU(d8, b + i), even0, odd0, high);
    i += lanes;
  }
  if (i < n) {
    AddByteProducts(d32, LoadTail(d8, a, n, n - i), LoadTail(d8, b, n, n - i), even1, odd1, high);
  }
  // Unsigned addition: sums may pass 2^31.
  const auto even = hn::Add(hn::BitCast(du32, even0), hn::BitCast(du32, even1));
  const auto odd = hn::Add(hn::BitCast(du32, odd0), hn::BitCast(du32, odd1));
  const auto sum = hn::Add(hn::Add(even, odd), hn::BitCast(du32, high));
  return SumModulo(du32, sum);
}

int32_t DotI16U8(const int16_t* a, const uint8_t* b, size_t n) {
  const hn::ScalableTag<int32_t> d32;
  const hn::RebindToUnsigned<decltype(d32)> du32;
  const hn::Repartition<int16_t, decltype(d32)> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const size_t lanes = hn::Lanes(d16);
  auto sum0 = hn::Zero(d32), sum1 = sum0, sum2 = sum0, sum3 = sum0, high = sum0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto b0 = hn::PromoteTo(d16, hn::LoadU(d8, b + i));
    const auto b1 = hn::PromoteTo(d16, hn::LoadU(d8, b + i + lanes));
    const auto b2 = hn::PromoteTo(d16, hn::LoadU(d8, b + i + 2 * lanes));
    const auto b3 = hn::PromoteTo(d16, hn::LoadU(d8, b + i + 3 * lanes));
    sum0 = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i), b0, sum0, high);
    sum1 = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i + lanes), b1, sum1, high);
    sum2 = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i + 2 * lanes), b2, sum2, high);
    sum3 = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i + 3 * lanes), b3, sum3, high);
  }
  for (; i + lanes <= n; i += lanes) {
    const auto b0 = hn::PromoteTo(d16, hn::LoadU(d8, b + i));
    sum0 = hn::ReorderWidenMulAccumulate(d32, hn::LoadU(d16, a + i), b0, sum0, high);
  }
  if (i < n) {
    const auto b0 = hn::PromoteTo(d16, LoadTail(d8, b, n, n - i));
    sum1 = hn::ReorderWidenMulAccumulate(d32, LoadTail(d16, a, n, n - i), b0, sum1, high);
  }
  // Unsigned addition: only the total, not every order of partial sums, must fit.
  const auto low = hn::Add(hn::Add(hn::BitCast(du32, sum0), hn::BitCast(du32, sum1)),
                           hn::Add(hn::BitCast(du32, sum2), hn::BitCast(du32, sum3)));
  const auto sum = hn::Add(low, hn::BitCast(du32, high));
  return static_cast<int32_t>(SumModulo(du32, sum));
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
