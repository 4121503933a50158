// Loading and reducing shared by the float kernels; compiled once per SIMD target, so the include
// guard toggles with HWY_TARGET_TOGGLE instead of being "#pragma once".
#if defined(HELIOS_VECTOR_DISTANCE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef HELIOS_VECTOR_DISTANCE_INL
#undef HELIOS_VECTOR_DISTANCE_INL
#else
#define HELIOS_VECTOR_DISTANCE_INL
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace helios::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Mask of the lanes that LoadTail fills.
template <class D>
HWY_INLINE hn::Mask<D> TailMask(D d, size_t n, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  (void)n;
  return hn::FirstN(d, count);
#else
  const size_t lanes = hn::Lanes(d);
  return n >= lanes ? hn::Not(hn::FirstN(d, lanes - count)) : hn::FirstN(d, count);
#endif
}

// Loads the last `count` (0 < count < lanes) elements of p[n]; all other lanes are zero. Which
// lanes they are depends only on n and count, so two arrays of the same n stay in step.
// Never touches memory outside p[0..n).
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadTail(D d, const T* p, size_t n, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::MaskedLoad(hn::FirstN(d, count), d, p + (n - count));
#else
  // Masked loads of other targets may read the masked lanes, beyond the end of the array.
  const size_t lanes = hn::Lanes(d);
  if (n >= lanes) {
    return hn::IfThenZeroElse(hn::FirstN(d, lanes - count), hn::LoadU(d, p + (n - lanes)));
  }
  HWY_ALIGN T padded[hn::MaxLanes(d)] = {};
  // The minimum is always count; it lets the compiler prove that the copy fits.
  std::memcpy(padded, p + (n - count), HWY_MIN(count, hn::MaxLanes(d)) * sizeof(T));
  return hn::Load(d, padded);
#endif
}

// Source of float lanes from a float array.
struct FloatSource {
  const float* p;

  template <class D>
  HWY_INLINE hn::Vec<D> Load(D d, size_t i) const {
    return hn::LoadU(d, p + i);
  }
  template <class D>
  HWY_INLINE hn::Vec<D> Tail(D d, size_t n, size_t count) const {
    return LoadTail(d, p, n, count);
  }
};

// Source of float lanes from an array of unsigned bytes.
struct ByteSource {
  const uint8_t* p;

  template <class D>
  HWY_INLINE hn::Vec<D> Load(D d, size_t i) const {
    return Widen(d, hn::LoadU(hn::Rebind<uint8_t, D>(), p + i));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> Tail(D d, size_t n, size_t count) const {
    return Widen(d, LoadTail(hn::Rebind<uint8_t, D>(), p, n, count));
  }

 private:
  template <class D, class V>
  static HWY_INLINE hn::Vec<D> Widen(D d, V bytes) {
    return hn::ConvertTo(d, hn::PromoteTo(hn::RebindToSigned<D>(), bytes));
  }
};

// Source of the float lanes lo + step * byte.
struct AffineByteSource {
  ByteSource bytes;
  float lo, step;

  template <class D>
  HWY_INLINE hn::Vec<D> Load(D d, size_t i) const {
    return hn::MulAdd(hn::Set(d, step), bytes.Load(d, i), hn::Set(d, lo));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> Tail(D d, size_t n, size_t count) const {
    const auto value = hn::MulAdd(hn::Set(d, step), bytes.Tail(d, n, count), hn::Set(d, lo));
    return hn::IfThenElseZero(TailMask(d, n, count), value);
  }
};

struct L2Term {
  template <class V>
  static HWY_INLINE V Add(V sum, V a, V b) {
    const V difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
};

struct DotTerm {
  template <class V>
  static HWY_INLINE V Add(V sum, V a, V b) {
    return hn::MulAdd(a, b, sum);
  }
};

struct L1Term {
  template <class V>
  static HWY_INLINE V Add(V sum, V a, V b) {
    return hn::Add(sum, hn::Abs(hn::Sub(a, b)));
  }
};

// Sums Term over n element pairs; every Term must be zero for a pair of zeros.
template <class Term, class SourceA, class SourceB>
HWY_INLINE float Reduce(SourceA a, SourceB b, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  // Four sums hide the latency of a fused multiply-add behind two loads per step.
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    sum0 = Term::Add(sum0, a.Load(d, i), b.Load(d, i));
    sum1 = Term::Add(sum1, a.Load(d, i + lanes), b.Load(d, i + lanes));
    sum2 = Term::Add(sum2, a.Load(d, i + 2 * lanes), b.Load(d, i + 2 * lanes));
    sum3 = Term::Add(sum3, a.Load(d, i + 3 * lanes), b.Load(d, i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) sum0 = Term::Add(sum0, a.Load(d, i), b.Load(d, i));
  if (i < n) sum1 = Term::Add(sum1, a.Tail(d, n, n - i), b.Tail(d, n, n - i));
  const auto sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Sums a*b, a*a and b*b over n element pairs in one pass.
template <class SourceA, class SourceB>
HWY_INLINE CosineParts ReduceCosine(SourceA a, SourceB b, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto dot0 = hn::Zero(d), dot1 = dot0, norm_a0 = dot0, norm_a1 = dot0, norm_b0 = dot0,
       norm_b1 = dot0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a0 = a.Load(d, i), b0 = b.Load(d, i);
    const auto a1 = a.Load(d, i + lanes), b1 = b.Load(d, i + lanes);
    dot0 = hn::MulAdd(a0, b0, dot0);
    dot1 = hn::MulAdd(a1, b1, dot1);
    norm_a0 = hn::MulAdd(a0, a0, norm_a0);
    norm_a1 = hn::MulAdd(a1, a1, norm_a1);
    norm_b0 = hn::MulAdd(b0, b0, norm_b0);
    norm_b1 = hn::MulAdd(b1, b1, norm_b1);
  }
  while (i < n) {
    const bool full = i + lanes <= n;
    const auto a0 = full ? a.Load(d, i) : a.Tail(d, n, n - i);
    const auto b0 = full ? b.Load(d, i) : b.Tail(d, n, n - i);
    dot0 = hn::MulAdd(a0, b0, dot0);
    norm_a0 = hn::MulAdd(a0, a0, norm_a0);
    norm_b0 = hn::MulAdd(b0, b0, norm_b0);
    i += lanes;
  }
  return {hn::GetLane(hn::SumOfLanes(d, hn::Add(dot0, dot1))),
          hn::GetLane(hn::SumOfLanes(d, hn::Add(norm_a0, norm_a1))),
          hn::GetLane(hn::SumOfLanes(d, hn::Add(norm_b0, norm_b1)))};
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::vector
HWY_AFTER_NAMESPACE();

#endif
