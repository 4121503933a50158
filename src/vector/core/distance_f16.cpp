// Kernels over binary16 arrays: widened to float lanes on the fly, then reduced as floats.
#include "vector/core/distance.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/core/distance_f16.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "vector/core/distance-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {

// Highway's emulated conversions turn infinity and NaN into finite numbers and do not round to
// even, so targets without F16C (or Arm's equivalent) use integer arithmetic of our own.
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR || \
    (HWY_ARCH_X86 && HWY_TARGET >= HWY_SSE4)

// Widens binary16 bits to floats.
template <class D, class V>
HWY_INLINE hn::Vec<D> Widen(D d, V halves) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::PromoteTo(du, halves);
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000u)));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(du, 0x7fffu)));
  // Multiplying moves the exponent bias from 15 to 127 and normalizes subnormals exactly.
  const auto scaled = hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112f));
  const auto special = hn::Ge(scaled, hn::Set(d, 65536.0f));
  const auto all_ones = hn::BitCast(d, hn::Set(du, 0x7f800000u));
  const auto value = hn::Or(scaled, hn::IfThenElseZero(special, all_ones));
  return hn::Or(value, hn::BitCast(d, sign));
}

// Narrows floats to binary16 bits; the same steps as the scalar FloatToHalf, without branches.
template <class D16, class V>
HWY_INLINE hn::Vec<D16> Narrow(D16 d16, V value) {
  const hn::Rebind<float, D16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto bits = hn::BitCast(di, value);
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 0x8000));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
  constexpr int32_t kRebiasAndRound = 0xfff - (112 << 23);
  const auto normal =
      hn::ShiftRight<13>(hn::Add(hn::Add(magnitude, hn::Set(di, kRebiasAndRound)), odd));
  const auto subnormal = hn::Sub(
      hn::BitCast(di, hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5f))),
      hn::Set(di, 0x3f000000));
  const auto below_normal = hn::Lt(magnitude, hn::Set(di, 0x38800000));
  const auto overflows = hn::Gt(magnitude, hn::Set(di, 0x477fefff));
  const auto is_nan = hn::Gt(magnitude, hn::Set(di, 0x7f800000));
  auto half = hn::IfThenElse(below_normal, subnormal, normal);
  half = hn::IfThenElse(overflows, hn::Set(di, 0x7c00), half);
  half = hn::IfThenElse(is_nan, hn::Set(di, 0x7e00), half);
  return hn::DemoteTo(d16, hn::Or(half, sign));
}

#else

// Widens binary16 bits to floats.
template <class D, class V>
HWY_INLINE hn::Vec<D> Widen(D d, V halves) {
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), halves));
}

// Narrows floats to binary16 bits, rounding to nearest even.
template <class D16, class V>
HWY_INLINE hn::Vec<D16> Narrow(D16 d16, V value) {
  return hn::BitCast(d16, hn::DemoteTo(hn::Rebind<hwy::float16_t, D16>(), value));
}

#endif

// Source of float lanes from an array of binary16 bits.
struct HalfSource {
  const uint16_t* p;

  template <class D>
  HWY_INLINE hn::Vec<D> Load(D d, size_t i) const {
    return Widen(d, hn::LoadU(hn::Rebind<uint16_t, D>(), p + i));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> Tail(D d, size_t n, size_t count) const {
    return Widen(d, LoadTail(hn::Rebind<uint16_t, D>(), p, n, count));
  }
};

float L2SquaredHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return Reduce<L2Term>(HalfSource{a}, HalfSource{b}, n);
}

float DotHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return Reduce<DotTerm>(HalfSource{a}, HalfSource{b}, n);
}

float L1Half(const uint16_t* a, const uint16_t* b, size_t n) {
  return Reduce<L1Term>(HalfSource{a}, HalfSource{b}, n);
}

CosineParts CosineHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return ReduceCosine(HalfSource{a}, HalfSource{b}, n);
}

// Widens an array; the tail goes through a padded copy so that nothing beyond in[n] is read.
void WidenArray(const uint16_t* in, float* out, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Widen(d, hn::LoadU(d16, in + i)), d, out + i);
  if (i < n) {
    HWY_ALIGN uint16_t halves[hn::MaxLanes(d16)] = {};
    HWY_ALIGN float floats[hn::MaxLanes(d)];
    std::memcpy(halves, in + i, (n - i) * sizeof(uint16_t));
    hn::Store(Widen(d, hn::Load(d16, halves)), d, floats);
    std::memcpy(out + i, floats, (n - i) * sizeof(float));
  }
}

// Narrows an array; the tail goes through a padded copy so that nothing beyond in[n] is read.
void NarrowArray(const float* in, uint16_t* out, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Narrow(d16, hn::LoadU(d, in + i)), d16, out + i);
  if (i < n) {
    HWY_ALIGN float floats[hn::MaxLanes(d)] = {};
    HWY_ALIGN uint16_t halves[hn::MaxLanes(d16)];
    std::memcpy(floats, in + i, (n - i) * sizeof(float));
    hn::Store(Narrow(d16, hn::Load(d, floats)), d16, halves);
    std::memcpy(out + i, halves, (n - i) * sizeof(uint16_t));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::vector {

HWY_EXPORT(L2SquaredHalf);
HWY_EXPORT(DotHalf);
HWY_EXPORT(L1Half);
HWY_EXPORT(CosineHalf);
HWY_EXPORT(WidenArray);
HWY_EXPORT(NarrowArray);

float L2SquaredHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(L2SquaredHalf)(a, b, n);
}

float DotHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotHalf)(a, b, n);
}

float L1Half(const uint16_t* a, const uint16_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(L1Half)(a, b, n);
}

CosineParts CosineHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(CosineHalf)(a, b, n);
}

void HalfToFloat(const uint16_t* in, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(WidenArray)(in, out, n);
}

void FloatToHalf(const float* in, uint16_t* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(NarrowArray)(in, out, n);
}

}  // namespace helios::vector
#endif
