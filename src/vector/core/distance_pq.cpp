// Product-quantization table lookup.
#include "vector/core/distance.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/core/distance_pq.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "vector/core/distance-inl.hpp"
#include "vector/core/distance_scalar.hpp"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {

float SumPqTable(const float* table, const uint8_t* codes, size_t m, size_t k) {
  float sum = 0;
  size_t j = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  // Gathers exist here; other targets would emulate them lane by lane.
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  constexpr size_t kLanes = hn::MaxLanes(d);
  const auto row_starts = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(k)));
  auto sums = hn::Zero(d);
  for (; j + kLanes <= m; j += kLanes) {
    const auto columns = hn::PromoteTo(di, hn::LoadU(d8, codes + j));
    sums = hn::Add(sums, hn::GatherIndex(d, table + j * k, hn::Add(row_starts, columns)));
  }
  sum = hn::GetLane(hn::SumOfLanes(d, sums));
#endif
  float sum0 = 0, sum1 = 0;
  for (; j + 2 <= m; j += 2) {
    sum0 += scalar::At(table, j * k + codes[j]);
    sum1 += scalar::At(table, (j + 1) * k + codes[j + 1]);
  }
  if (j < m) sum0 += scalar::At(table, j * k + codes[j]);
  return sum + (sum0 + sum1);
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::vector {

HWY_EXPORT(SumPqTable);

float SumPqTable(const float* table, const uint8_t* codes, size_t m, size_t k) {
  return HWY_DYNAMIC_DISPATCH(SumPqTable)(table, codes, m, k);
}

}  // namespace helios::vector
#endif
