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

float L1F32U8(const float* a, const uint8_t* b, float lo, float step, size_t n) {
  return Reduce<L1Term>(FloatSource{a}, AffineByteSource{{b}, lo, step}, n);
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
