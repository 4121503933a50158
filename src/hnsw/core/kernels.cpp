#include "hnsw/core/kernels.hpp"

#include <cmath>
#include <cstring>

// Adds the target that counts the bits of whole words.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hnsw/core/kernels.cpp"
#include <hwy/foreach_target.h>  // must precede highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace helios::hnsw::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sixteen lanes are the widest that every stride is a multiple of.
using Floats = hn::CappedTag<float, 16>;

// Computes kRows rows by kVectors vectors of a product in registers.
template <size_t kRows, size_t kVectors>
HWY_INLINE void MatMulTile(const float* HWY_RESTRICT a, size_t lda, const float* HWY_RESTRICT b,
                           size_t ldb, const float* HWY_RESTRICT start, float* HWY_RESTRICT c,
                           size_t ldc, size_t inner) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  using V = hn::Vec<Floats>;
  V sum[kRows][kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    const V first = start ? hn::LoadU(d, start + v * lanes) : hn::Zero(d);
    for (size_t r = 0; r < kRows; ++r) sum[r][v] = first;
  }
  for (size_t i = 0; i < inner; ++i) {
    V right[kVectors];
    for (size_t v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + i * ldb + v * lanes);
    for (size_t r = 0; r < kRows; ++r) {
      const V left = hn::Set(d, a[r * lda + i]);
      for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + r * ldc + v * lanes);
  }
}

// Computes kVectors vectors of columns of every row.
template <size_t kVectors>
HWY_INLINE void MatMulColumns(const float* HWY_RESTRICT a, size_t lda, const float* HWY_RESTRICT b,
                              size_t ldb, const float* HWY_RESTRICT start, float* HWY_RESTRICT c,
                              size_t ldc, size_t rows, size_t inner) {
  constexpr size_t kTile = 4;
  size_t r = 0;
  for (; r + kTile <= rows; r += kTile) {
    MatMulTile<kTile, kVectors>(a + r * lda, lda, b, ldb, start, c + r * ldc, ldc, inner);
  }
  for (; r < rows; ++r) {
    MatMulTile<1, kVectors>(a + r * lda, lda, b, ldb, start, c + r * ldc, ldc, inner);
  }
}

void MatMul(const float* HWY_RESTRICT a, size_t lda, const float* HWY_RESTRICT b, size_t ldb,
            const float* HWY_RESTRICT start, float* HWY_RESTRICT c, size_t ldc, size_t rows,
            size_t inner, size_t cols) {
  // Columns outermost: a narrow panel of b stays in the cache for all rows.
  const size_t lanes = hn::Lanes(Floats());
  const auto from = [start](size_t j) { return start ? start + j : nullptr; };
  size_t j = 0;
  for (; j + 2 * lanes <= cols; j += 2 * lanes) {
    MatMulColumns<2>(a, lda, b + j, ldb, from(j), c + j, ldc, rows, inner);
  }
  for (; j + lanes <= cols; j += lanes) {
    MatMulColumns<1>(a, lda, b + j, ldb, from(j), c + j, ldc, rows, inner);
  }
  for (; j < cols; ++j) {
    for (size_t r = 0; r < rows; ++r) {
      float sum = start ? start[j] : 0.0f;
      for (size_t i = 0; i < inner; ++i) sum += a[r * lda + i] * b[i * ldb + j];
      c[r * ldc + j] = sum;
    }
  }
}

size_t MinIndex(const float* HWY_RESTRICT values, size_t n) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  float best = INFINITY;
  size_t index = 0;
  size_t i = 0;
  if (n >= lanes) {
    const hn::RebindToSigned<Floats> di;
    auto low = hn::Set(d, INFINITY);
    auto where = hn::Zero(di);
    auto here = hn::Iota(di, 0);
    const auto next = hn::Set(di, static_cast<int32_t>(lanes));
    for (; i + lanes <= n; i += lanes) {
      const auto v = hn::LoadU(d, values + i);
      const auto less = hn::Lt(v, low);
      low = hn::IfThenElse(less, v, low);
      where = hn::IfThenElse(hn::RebindMask(di, less), here, where);
      here = hn::Add(here, next);
    }
    HWY_ALIGN float lows[16];
    HWY_ALIGN int32_t wheres[16];
    hn::Store(low, d, lows);
    hn::Store(where, di, wheres);
    for (size_t l = 0; l < lanes; ++l) {
      const size_t at = static_cast<size_t>(wheres[l]);
      if (lows[l] < best || (lows[l] == best && at < index)) {
        best = lows[l];
        index = at;
      }
    }
  }
  for (; i < n; ++i) {
    if (values[i] < best) {
      best = values[i];
      index = i;
    }
  }
  return index;
}

// Adds one coordinate's term to a table entry.
template <TableTerm kTerm, class V>
HWY_INLINE V AddTerm(V sum, V q, V c) {
  if constexpr (kTerm == TableTerm::kNegativeDot) return hn::NegMulAdd(q, c, sum);
  const V diff = hn::Sub(q, c);
  if constexpr (kTerm == TableTerm::kSquare) return hn::MulAdd(diff, diff, sum);
  return hn::Add(sum, hn::Abs(diff));
}

template <TableTerm kTerm>
HWY_INLINE void TableLoop(const float* HWY_RESTRICT q, const float* HWY_RESTRICT codebook,
                          size_t dim, size_t stride, float* HWY_RESTRICT table) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kVectors = 4;
  size_t j = 0;
  for (; j + kVectors * lanes <= stride; j += kVectors * lanes) {
    hn::Vec<Floats> sum[kVectors];
    for (size_t v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
    for (size_t i = 0; i < dim; ++i) {
      const auto value = hn::Set(d, q[i]);
      for (size_t v = 0; v < kVectors; ++v) {
        const auto centroid = hn::LoadU(d, codebook + i * stride + j + v * lanes);
        sum[v] = AddTerm<kTerm>(sum[v], value, centroid);
      }
    }
    for (size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, table + j + v * lanes);
  }
  for (; j < stride; j += lanes) {
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < dim; ++i) {
      sum = AddTerm<kTerm>(sum, hn::Set(d, q[i]), hn::LoadU(d, codebook + i * stride + j));
    }
    hn::StoreU(sum, d, table + j);
  }
}

void SubspaceTable(TableTerm term, const float* HWY_RESTRICT q, const float* HWY_RESTRICT codebook,
                   size_t dim, size_t stride, float* HWY_RESTRICT table) {
  switch (term) {
    case TableTerm::kSquare:
      return TableLoop<TableTerm::kSquare>(q, codebook, dim, stride, table);
    case TableTerm::kNegativeDot:
      return TableLoop<TableTerm::kNegativeDot>(q, codebook, dim, stride, table);
    case TableTerm::kAbsolute:
      return TableLoop<TableTerm::kAbsolute>(q, codebook, dim, stride, table);
  }
}

// (a[i], b[i]) becomes (a[i] + b[i], a[i] - b[i]) * scale.
template <class D>
HWY_INLINE void ScaledButterfly(D d, float* HWY_RESTRICT a, float* HWY_RESTRICT b, size_t n,
                                float scale) {
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, a + i);
    const auto y = hn::LoadU(d, b + i);
    hn::StoreU(hn::Mul(hn::Add(x, y), factor), d, a + i);
    hn::StoreU(hn::Mul(hn::Sub(x, y), factor), d, b + i);
  }
  for (; i < n; ++i) {
    const float x = a[i], y = b[i];
    a[i] = (x + y) * scale;
    b[i] = (x - y) * scale;
  }
}

void Butterfly(float* HWY_RESTRICT a, float* HWY_RESTRICT b, size_t n) {
  ScaledButterfly(Floats(), a, b, n, static_cast<float>(M_SQRT1_2));
}

// The first two stages of x[n], n a multiple of 4.
HWY_INLINE void HadamardOfFours(float* x, size_t n) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < n; i += 4) {
    const float a = x[i] + x[i + 1], b = x[i] - x[i + 1];
    const float c = x[i + 2] + x[i + 3], d = x[i + 2] - x[i + 3];
    x[i] = a + c;
    x[i + 1] = b + d;
    x[i + 2] = a - c;
    x[i + 3] = b - d;
  }
#else
  const hn::CappedTag<float, 4> d;
  HWY_ALIGN constexpr float kOdd[4] = {1, -1, 1, -1};
  HWY_ALIGN constexpr float kHigh[4] = {1, 1, -1, -1};
  const auto odd = hn::Load(d, kOdd);
  const auto high = hn::Load(d, kHigh);
  for (size_t i = 0; i < n; i += 4) {
    auto v = hn::LoadU(d, x + i);
    v = hn::MulAdd(v, odd, hn::Shuffle2301(v));
    v = hn::MulAdd(v, high, hn::Shuffle1032(v));
    hn::StoreU(v, d, x + i);
  }
#endif
}

void Hadamard(float* x, size_t n) {
  // The whole scale goes into the last stage.
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(n)));
  size_t half = 1;
  if (n >= 8) {
    HadamardOfFours(x, n);
    half = 4;
  }
  for (; half < n; half *= 2) {
    const float factor = 2 * half == n ? scale : 1;
    for (size_t i = 0; i < n; i += 2 * half) {
      float* a = x + i;
      if (half == 4) {
        ScaledButterfly(hn::CappedTag<float, 4>(), a, a + half, half, factor);
      } else if (half == 8) {
        ScaledButterfly(hn::CappedTag<float, 8>(), a, a + half, half, factor);
      } else {
        ScaledButterfly(Floats(), a, a + half, half, factor);
      }
    }
  }
}

void FlipSigns(float* HWY_RESTRICT x, const uint64_t* HWY_RESTRICT signs, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits ^= static_cast<uint32_t>(signs[i / 64] >> (i % 64)) << 31;
    std::memcpy(x + i, &bits, sizeof bits);
  }
}

#if HWY_TARGET == HWY_SCALAR

uint32_t DotSignedPlanes(const uint8_t* bits, const uint64_t* query, size_t words) {
  const size_t plane = PlaneWords(words);
  uint32_t total = 0;
  for (size_t w = 0; w < words; ++w) {
    uint64_t x;
    std::memcpy(&x, bits + w * sizeof x, sizeof x);
    x ^= query[w];
    for (size_t p = 0; p < kMagnitudePlanes; ++p) {
      total += static_cast<uint32_t>(hwy::PopCount(x & query[(1 + p) * plane + w])) << p;
    }
  }
  return total;
}

#else

// Counts the set bits of every 64-bit lane.
template <class D, class V>
HWY_INLINE V CountBits(D d, V v) {
#if HWY_TARGET == HWY_AVX3_DL
  (void)d;
  return hn::PopulationCount(v);
#else
  return hn::SumsOf8(hn::PopulationCount(hn::BitCast(hn::Repartition<uint8_t, D>(), v)));
#endif
}

uint32_t DotSignedPlanes(const uint8_t* HWY_RESTRICT bits, const uint64_t* HWY_RESTRICT query,
                         size_t words) {
  // Eight lanes divide every plane.
  const hn::CappedTag<uint64_t, 8> d;
  const hn::Repartition<uint8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d), plane = PlaneWords(words);
  hn::Vec<decltype(d)> sum[kMagnitudePlanes];
  for (auto& s : sum) s = hn::Zero(d);
  const auto add = [&](hn::Vec<decltype(d)> v, size_t w) HWY_ATTR {
    const auto x = hn::Xor(v, hn::LoadU(d, query + w));
    for (size_t p = 0; p < kMagnitudePlanes; ++p) {
      const auto both = hn::And(x, hn::LoadU(d, query + (1 + p) * plane + w));
      sum[p] = hn::Add(sum[p], CountBits(d, both));
    }
  };
  size_t w = 0;
  for (; w + lanes <= words; w += lanes) {
    add(hn::BitCast(d, hn::LoadU(d8, bits + w * sizeof(uint64_t))), w);
  }
  if (w < words) {
    // Not through a buffer: a wide load right after narrow stores stalls.
#if HWY_TARGET <= HWY_AVX2
    const auto* tail = reinterpret_cast<const uint64_t*>(bits) + w;
    add(hn::MaskedLoad(hn::FirstN(d, words - w), d, tail), w);
#else
    HWY_ALIGN uint64_t tail[8] = {};
    std::memcpy(tail, bits + w * sizeof(uint64_t), (words - w) * sizeof(uint64_t));
    add(hn::Load(d, tail), w);
#endif
  }
  auto total = sum[kMagnitudePlanes - 1];
  for (size_t p = kMagnitudePlanes - 1; p-- > 0;) {
    total = hn::Add(hn::ShiftLeft<1>(total), sum[p]);
  }
  return static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(d, total)));
}

// Adds the products of whole vectors of words from w on to *sum; returns the first word left.
template <class D>
HWY_INLINE size_t NibbleLoop(D d, const int16_t* HWY_RESTRICT q, const uint8_t* HWY_RESTRICT codes,
                             size_t words, size_t w, int32_t* sum) {
  const size_t lanes = hn::Lanes(d);
  const hn::RebindToUnsigned<D> du;
  const hn::Repartition<uint8_t, D> d8;
  const hn::Repartition<int32_t, D> d32;
  const auto mask = hn::Set(du, uint16_t{15});
  auto s0 = hn::Zero(d32), s1 = hn::Zero(d32), s2 = hn::Zero(d32), s3 = hn::Zero(d32);
  for (; w + lanes <= words; w += lanes) {
    const auto v = hn::BitCast(du, hn::LoadU(d8, codes + 2 * w));
    const auto c0 = hn::BitCast(d, hn::And(v, mask));
    const auto c1 = hn::BitCast(d, hn::And(hn::ShiftRight<4>(v), mask));
    const auto c2 = hn::BitCast(d, hn::And(hn::ShiftRight<8>(v), mask));
    const auto c3 = hn::BitCast(d, hn::ShiftRight<12>(v));
    s0 = hn::ReorderWidenMulAccumulate(d32, c0, hn::LoadU(d, q + w), s0, s1);
    s2 = hn::ReorderWidenMulAccumulate(d32, c1, hn::LoadU(d, q + words + w), s2, s3);
    s0 = hn::ReorderWidenMulAccumulate(d32, c2, hn::LoadU(d, q + 2 * words + w), s0, s1);
    s2 = hn::ReorderWidenMulAccumulate(d32, c3, hn::LoadU(d, q + 3 * words + w), s2, s3);
  }
  *sum += hn::GetLane(hn::SumOfLanes(d32, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  return w;
}
#endif  // HWY_SCALAR

int32_t DotNibbles(const int16_t* HWY_RESTRICT q, const uint8_t* HWY_RESTRICT codes, size_t words) {
  int32_t sum = 0;
  size_t w = 0;
#if HWY_TARGET != HWY_SCALAR
  w = NibbleLoop(hn::CappedTag<int16_t, 32>(), q, codes, words, w, &sum);
  if (w < words) w = NibbleLoop(hn::CappedTag<int16_t, 16>(), q, codes, words, w, &sum);
#endif
  for (; w < words; ++w) {
    const uint32_t word = codes[2 * w] | static_cast<uint32_t>(codes[2 * w + 1]) << 8;
    for (size_t p = 0; p < 4; ++p) {
      sum += q[p * words + w] * static_cast<int32_t>(word >> (4 * p) & 15);
    }
  }
  return sum;
}

}  // namespace helios::hnsw::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace helios::hnsw {

HWY_EXPORT(MatMul);
HWY_EXPORT(MinIndex);
HWY_EXPORT(SubspaceTable);
HWY_EXPORT(Hadamard);
HWY_EXPORT(FlipSigns);
HWY_EXPORT(Butterfly);
HWY_EXPORT(DotSignedPlanes);
HWY_EXPORT(DotNibbles);

void MatMul(const float* a, size_t lda, const float* b, size_t ldb, const float* start, float* c,
            size_t ldc, size_t rows, size_t inner, size_t cols) {
  HWY_DYNAMIC_DISPATCH(MatMul)(a, lda, b, ldb, start, c, ldc, rows, inner, cols);
}

size_t MinIndex(const float* values, size_t n) { return HWY_DYNAMIC_DISPATCH(MinIndex)(values, n); }

void SubspaceTable(TableTerm term, const float* q, const float* codebook, size_t dim, size_t stride,
                   float* table) {
  HWY_DYNAMIC_DISPATCH(SubspaceTable)(term, q, codebook, dim, stride, table);
}

void Hadamard(float* x, size_t n) { HWY_DYNAMIC_DISPATCH(Hadamard)(x, n); }

void FlipSigns(float* x, const uint64_t* signs, size_t n) {
  HWY_DYNAMIC_DISPATCH(FlipSigns)(x, signs, n);
}

void Butterfly(float* a, float* b, size_t n) { HWY_DYNAMIC_DISPATCH(Butterfly)(a, b, n); }

uint32_t DotSignedPlanes(const uint8_t* bits, const uint64_t* query, size_t words) {
  return HWY_DYNAMIC_DISPATCH(DotSignedPlanes)(bits, query, words);
}

int32_t DotNibbles(const int16_t* q, const uint8_t* codes, size_t words) {
  return HWY_DYNAMIC_DISPATCH(DotNibbles)(q, codes, words);
}

}  // namespace helios::hnsw
#endif  // HWY_ONCE
