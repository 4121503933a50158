// Bit-packing kernels: whole vectors by rows of 16 lanes, shorter ones by plain loops.
#include "codec/core/bitpack.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/core/bitpack.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h by its rules.
#include "codec/core/bitpack_scalar.hpp"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace helios::codec {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

// One-lane vectors cannot load words from unaligned bytes; the plain loops serve instead.
using scalar::Greatest;
using scalar::Pack;
using scalar::SelectSpan;
using scalar::ToDecimals;
using scalar::Unpack;
using scalar::UnpackDecimals;
using scalar::UnpackJoined;

#else

using scalar::kLanes;
using scalar::kRows;
// Registers are cut to the lanes of a row, so that a row is a whole number of them.
using Tag = hn::CappedTag<uint64_t, kLanes>;

// Where a row of values begins in the words of each lane.
struct Row {
  size_t word;
  int shift;
  bool split;  // the values go on in the next word

  Row(size_t row, unsigned width)
      : word(row * width / kMaxWidth * kLanes),
        shift(static_cast<int>(row * width % kMaxWidth)),
        split(shift + width > kMaxWidth) {}
};

HWY_INLINE hn::Vec<Tag> LoadWords(const uint8_t *packed, size_t word) {
  const hn::Repartition<uint8_t, Tag> bytes;
  return hn::BitCast(Tag(), hn::LoadU(bytes, packed + word * sizeof(uint64_t)));
}
HWY_INLINE void StoreWords(hn::Vec<Tag> words, uint8_t *packed, size_t word) {
  const hn::Repartition<uint8_t, Tag> bytes;
  hn::StoreU(hn::BitCast(bytes, words), bytes, packed + word * sizeof(uint64_t));
}

// The values of a row from lane `lane` on.
HWY_INLINE hn::Vec<Tag> UnpackLanes(const uint8_t *packed, Row row, size_t lane,
                                    hn::Vec<Tag> mask) {
  auto value = hn::ShiftRightSame(LoadWords(packed, row.word + lane), row.shift);
  if (row.split) {
    const auto next = LoadWords(packed, row.word + kLanes + lane);
    value = hn::Or(value, hn::ShiftLeftSame(next, static_cast<int>(kMaxWidth) - row.shift));
  }
  return hn::And(value, mask);
}

// Gives the values of a whole vector, packed in `width` > 0 bits, to sink(first index, values).
template <class Sink>
HWY_INLINE void UnpackRows(const uint8_t *packed, unsigned width, Sink sink) {
  const Tag d;
  const auto mask = hn::Set(d, LowBits(width));
  for (size_t i = 0; i < kRows; ++i) {
    const Row row(i, width);
    for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
      sink(i * kLanes + lane, UnpackLanes(packed, row, lane, mask));
    }
  }
}

void Pack(const uint64_t *values, size_t count, unsigned width, uint64_t base, uint8_t *packed) {
  if (count < kVectorValues) return scalar::Pack(values, count, width, base, packed);
  if (width == 0) return;
  const Tag d;
  const auto mask = hn::Set(d, LowBits(width)), bases = hn::Set(d, base);
  for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
    auto words = hn::Zero(d);
    for (size_t i = 0; i < kRows; ++i) {
      const Row row(i, width);
      const auto value = hn::And(hn::Sub(hn::LoadU(d, values + i * kLanes + lane), bases), mask);
      words = hn::Or(words, hn::ShiftLeftSame(value, row.shift));
      if (static_cast<unsigned>(row.shift) + width < kMaxWidth) continue;
      StoreWords(words, packed, row.word + lane);
      words = row.split ? hn::ShiftRightSame(value, static_cast<int>(kMaxWidth) - row.shift)
                        : hn::Zero(d);
    }
  }
}

void Unpack(const uint8_t *packed, size_t count, unsigned width, uint64_t base, uint64_t *out) {
  if (width == 0) {
    std::fill_n(out, count, base);
    return;
  }
  if (count < kVectorValues) return scalar::Unpack(packed, count, width, base, out);
  const Tag d;
  const auto bases = hn::Set(d, base);
  UnpackRows(packed, width, [&](size_t at, auto value) HWY_ATTR {
    hn::StoreU(hn::Add(value, bases), d, out + at);
  });
}

// Stores decimals from lane `at` on.
template <class VI>
HWY_INLINE void StoreDecimals(VI integers, double up, double down, double *out) {
  const hn::RebindToFloat<Tag> d;
  const auto scaled = hn::Mul(hn::ConvertTo(d, integers), hn::Set(d, up));
  hn::StoreU(hn::Mul(scaled, hn::Set(d, down)), d, out);
}
template <class VI>
HWY_INLINE void StoreDecimals(VI integers, double up, double down, float *out) {
  const hn::RebindToFloat<Tag> d;
  const hn::Rebind<float, Tag> df;
  const auto scaled = hn::Mul(hn::ConvertTo(d, integers), hn::Set(d, up));
  hn::StoreU(hn::DemoteTo(df, hn::Mul(scaled, hn::Set(d, down))), df, out);
}

template <typename T>
HWY_INLINE void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base,
                               double up, double down, T *out) {
  if (width == 0) {
    const double integer = static_cast<double>(static_cast<int64_t>(base));
    std::fill_n(out, count, static_cast<T>(integer * up * down));
    return;
  }
  if (count < kVectorValues) {
    return scalar::UnpackDecimals(packed, count, width, base, up, down, out);
  }
  const auto bases = hn::Set(Tag(), base);
  UnpackRows(packed, width, [&](size_t at, auto value) HWY_ATTR {
    StoreDecimals(hn::BitCast(hn::RebindToSigned<Tag>(), hn::Add(value, bases)), up, down,
                  out + at);
  });
}

template <typename T>
HWY_INLINE void ToDecimals(const int64_t *integers, size_t count, double up, double down, T *out) {
  const hn::RebindToSigned<Tag> d;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    StoreDecimals(hn::LoadU(d, integers + i), up, down, out + i);
  }
  scalar::ToDecimals(integers + i, count - i, up, down, out + i);
}

void UnpackJoined(const uint8_t *packed, const uint8_t *codes, size_t count, unsigned width,
                  unsigned code_width, const uint64_t *high, uint64_t *out) {
  if (count < kVectorValues) {
    return scalar::UnpackJoined(packed, codes, count, width, code_width, high, out);
  }
  HWY_ALIGN uint64_t indexes[kVectorValues];
  Unpack(codes, count, code_width, 0, indexes);
  Unpack(packed, count, width, 0, out);
  for (size_t i = 0; i < count; ++i) out[i] |= high[indexes[i]] << width;
}

uint64_t Greatest(const uint64_t *values, size_t count) {
  const Tag d;
  auto greatest = hn::Zero(d);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    greatest = hn::Max(greatest, hn::LoadU(d, values + i));
  }
  return std::max(hn::GetLane(hn::MaxOfLanes(d, greatest)),
                  scalar::Greatest(values + i, count - i));
}

void SelectSpan(const uint64_t *values, size_t count, uint64_t low, uint64_t span,
                uint64_t *words) {
  const Tag d;
  const auto lows = hn::Set(d, low), spans = hn::Set(d, span);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    uint64_t word = 0;
    for (size_t at = 0; at < 64; at += hn::Lanes(d)) {
      const auto offset = hn::Sub(hn::LoadU(d, values + i + at), lows);
      uint8_t bits[8] = {};
      hn::StoreMaskBits(d, hn::Not(hn::Gt(offset, spans)), bits);
      word |= scalar::Word(bits, 0) << at;
    }
    words[i / 64] = word;
  }
  if (i < count) scalar::SelectSpan(values + i, count - i, low, span, words + i / 64);
}

#endif  // HWY_TARGET

// One name for each type: what is dispatched is no overload.
void UnpackDoubles(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                   double down, double *out) {
  UnpackDecimals(packed, count, width, base, up, down, out);
}
void UnpackFloats(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                  double down, float *out) {
  UnpackDecimals(packed, count, width, base, up, down, out);
}
void ToDoubles(const int64_t *integers, size_t count, double up, double down, double *out) {
  ToDecimals(integers, count, up, down, out);
}
void ToFloats(const int64_t *integers, size_t count, double up, double down, float *out) {
  ToDecimals(integers, count, up, down, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace helios::codec
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::codec {

HWY_EXPORT(Pack);
HWY_EXPORT(Unpack);
HWY_EXPORT(UnpackDoubles);
HWY_EXPORT(UnpackFloats);
HWY_EXPORT(UnpackJoined);
HWY_EXPORT(ToDoubles);
HWY_EXPORT(ToFloats);
HWY_EXPORT(Greatest);
HWY_EXPORT(SelectSpan);

void Pack(const uint64_t *values, size_t count, unsigned width, uint64_t base, uint8_t *packed) {
  HWY_DYNAMIC_DISPATCH(Pack)(values, count, width, base, packed);
}

void Unpack(const uint8_t *packed, size_t count, unsigned width, uint64_t base, uint64_t *out) {
  HWY_DYNAMIC_DISPATCH(Unpack)(packed, count, width, base, out);
}

uint64_t UnpackOne(const uint8_t *packed, size_t count, unsigned width, size_t index) {
  return scalar::UnpackOne(packed, count, width, index);
}

void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                    double down, double *out) {
  HWY_DYNAMIC_DISPATCH(UnpackDoubles)(packed, count, width, base, up, down, out);
}

void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                    double down, float *out) {
  HWY_DYNAMIC_DISPATCH(UnpackFloats)(packed, count, width, base, up, down, out);
}

void UnpackJoined(const uint8_t *packed, const uint8_t *codes, size_t count, unsigned width,
                  unsigned code_width, const uint64_t *high, uint64_t *out) {
  HWY_DYNAMIC_DISPATCH(UnpackJoined)(packed, codes, count, width, code_width, high, out);
}

void ToDecimals(const int64_t *integers, size_t count, double up, double down, double *out) {
  HWY_DYNAMIC_DISPATCH(ToDoubles)(integers, count, up, down, out);
}

void ToDecimals(const int64_t *integers, size_t count, double up, double down, float *out) {
  HWY_DYNAMIC_DISPATCH(ToFloats)(integers, count, up, down, out);
}

uint64_t Greatest(const uint64_t *values, size_t count) {
  return HWY_DYNAMIC_DISPATCH(Greatest)(values, count);
}

void SelectSpan(const uint64_t *values, size_t count, uint64_t low, uint64_t span,
                uint64_t *words) {
  HWY_DYNAMIC_DISPATCH(SelectSpan)(values, count, low, span, words);
}

}  // namespace helios::codec
#endif
