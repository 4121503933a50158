// Turns the packed integers of codes into floats.
#include "hnsw/core/kernels.hpp"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hnsw/core/expand.cpp"
#include <hwy/foreach_target.h>  // must precede highway.h

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace helios::hnsw {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kWordBits = 32;
constexpr size_t kNibbleBits = 4;
constexpr size_t kWordNibbles = kWordBits / kNibbleBits;

HWY_INLINE uint32_t LoadWord(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

void ExpandBytes(const uint8_t* HWY_RESTRICT bytes, float lo, float step, size_t n,
                 float* HWY_RESTRICT x) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<int32_t, decltype(d)> d32;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  const auto base = hn::Set(d, lo), factor = hn::Set(d, step);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, bytes + i)));
    hn::StoreU(hn::MulAdd(value, factor, base), d, x + i);
  }
  for (; i < n; ++i) x[i] = lo + step * static_cast<float>(bytes[i]);
}

void ExpandBits(const uint8_t* HWY_RESTRICT bits, float weight, const float* HWY_RESTRICT base,
                size_t n, float* HWY_RESTRICT x) {
  const hn::CappedTag<float, kWordBits> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const size_t lanes = hn::Lanes(d);
  const auto lane_bits = hn::Shl(hn::Set(du, 1), hn::Iota(du, 0));
  const auto plus = hn::Set(d, weight), minus = hn::Set(d, -weight);
  for (size_t i = 0; i < n; i += kWordBits) {
    const uint32_t word = LoadWord(bits + i / 8);
    for (size_t j = 0; j < kWordBits; j += lanes) {
      const auto set = hn::RebindMask(d, hn::TestBit(hn::Set(du, word >> j), lane_bits));
      const auto value = hn::IfThenElse(set, plus, minus);
      hn::StoreU(hn::Add(value, hn::LoadU(d, base + i + j)), d, x + i + j);
    }
  }
}

void ExpandNibbles(const uint8_t* HWY_RESTRICT nibbles, float middle, float weight,
                   const float* HWY_RESTRICT base, size_t n, float* HWY_RESTRICT x) {
  const hn::CappedTag<float, kWordNibbles> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  const auto shifts = hn::Mul(hn::Iota(du, 0), hn::Set(du, kNibbleBits));
  const auto mask = hn::Set(du, (1 << kNibbleBits) - 1);
  const auto factor = hn::Set(d, weight), centre = hn::Set(d, middle);
  for (size_t i = 0; i < n; i += kWordNibbles) {
    const uint32_t word = LoadWord(nibbles + i / 2);
    for (size_t j = 0; j < kWordNibbles; j += lanes) {
      const auto value = hn::And(hn::Shr(hn::Set(du, word >> (kNibbleBits * j)), shifts), mask);
      const auto centred = hn::Sub(hn::ConvertTo(d, hn::BitCast(di, value)), centre);
      hn::StoreU(hn::MulAdd(centred, factor, hn::LoadU(d, base + i + j)), d, x + i + j);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::hnsw
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::hnsw {

HWY_EXPORT(ExpandBytes);
HWY_EXPORT(ExpandBits);
HWY_EXPORT(ExpandNibbles);

void ExpandBytes(const uint8_t* bytes, float lo, float step, size_t n, float* x) {
  HWY_DYNAMIC_DISPATCH(ExpandBytes)(bytes, lo, step, n, x);
}

void ExpandBits(const uint8_t* bits, float weight, const float* base, size_t n, float* x) {
  HWY_DYNAMIC_DISPATCH(ExpandBits)(bits, weight, base, n, x);
}

void ExpandNibbles(const uint8_t* nibbles, float middle, float weight, const float* base, size_t n,
                   float* x) {
  HWY_DYNAMIC_DISPATCH(ExpandNibbles)(nibbles, middle, weight, base, n, x);
}

}  // namespace helios::hnsw
#endif  // HWY_ONCE
