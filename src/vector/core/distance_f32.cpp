// Kernels over float arrays, and float against byte-quantized arrays.
#include "vector/core/distance.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/core/distance_f32.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "vector/core/distance-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {

float L2Squared(const float* a, const float* b, size_t n) {
  return Reduce<L2Term>(FloatSource{a}, FloatSource{b}, n);
}

float Dot(const float* a, const float* b, size_t n) {
  return Reduce<DotTerm>(FloatSource{a}, FloatSource{b}, n);
}

float L1(const float* a, const float* b, size_t n) {
  return Reduce<L1Term>(FloatSource{a}, FloatSource{b}, n);
}

CosineParts Cosine(const float* a, const float* b, size_t n) {
  return ReduceCosine(FloatSource{a}, FloatSource{b}, n);
}

float DotF32U8(const float* a, const uint8_t* b, size_t n) {
  return Reduce<DotTerm>(FloatSource{a}, ByteSource{b}, n);
}

// Sums |a - (lo + step * b)|; kept apart from Reduce because zero lanes would add |lo| here.
float L1F32U8(const float* a, const uint8_t* b, float lo, float step, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto lo_lanes = hn::Set(d, lo), step_lanes = hn::Set(d, step);
  const FloatSource floats{a};
  const ByteSource bytes{b};
  auto sum0 = hn::Zero(d), sum1 = sum0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto b0 = hn::MulAdd(step_lanes, bytes.Load(d, i), lo_lanes);
    const auto b1 = hn::MulAdd(step_lanes, bytes.Load(d, i + lanes), lo_lanes);
    sum0 = L1Term::Add(sum0, floats.Load(d, i), b0);
    sum1 = L1Term::Add(sum1, floats.Load(d, i + lanes), b1);
  }
  if (i + lanes <= n) {
    const auto b0 = hn::MulAdd(step_lanes, bytes.Load(d, i), lo_lanes);
    sum0 = L1Term::Add(sum0, floats.Load(d, i), b0);
    i += lanes;
  }
  if (i < n) {
    const size_t count = n - i;
    HWY_ALIGN float a_tail[hn::MaxLanes(d)] = {};
    HWY_ALIGN float b_tail[hn::MaxLanes(d)] = {};
    std::memcpy(a_tail, a + i, count * sizeof(float));
    for (size_t j = 0; j < count; ++j) b_tail[j] = lo + step * static_cast<float>(b[i + j]);
    sum1 = L1Term::Add(sum1, hn::Load(d, a_tail), hn::Load(d, b_tail));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::vector {

HWY_EXPORT(L2Squared);
HWY_EXPORT(Dot);
HWY_EXPORT(L1);
HWY_EXPORT(Cosine);
HWY_EXPORT(DotF32U8);
HWY_EXPORT(L1F32U8);

float L2Squared(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(L2Squared)(a, b, n);
}

float Dot(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n); }

float L1(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(L1)(a, b, n); }

CosineParts Cosine(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(Cosine)(a, b, n);
}

float DotF32U8(const float* a, const uint8_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotF32U8)(a, b, n);
}

float L1F32U8(const float* a, const uint8_t* b, float lo, float step, size_t n) {
  return HWY_DYNAMIC_DISPATCH(L1F32U8)(a, b, lo, step, n);
}

}  // namespace helios::vector
#endif
