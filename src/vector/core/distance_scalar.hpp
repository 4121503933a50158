// Plain-loop references of distance.hpp: same names, arguments and units, double accumulators.
// The SIMD kernels are tested against them; the integer and bit kernels also run on them where the
// CPU offers no SIMD target, and accept unaligned pointers like them.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vector/core/distance.hpp"

namespace helios::vector::scalar {

// Element i of a possibly unaligned array.
template <typename T>
inline T At(const T* p, size_t i) {
  T value;
  std::memcpy(&value, p + i, sizeof(T));
  return value;
}

inline float L2Squared(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(At(a, i)) - At(b, i);
    sum += difference * difference;
  }
  return static_cast<float>(sum);
}

inline float Dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(At(a, i)) * At(b, i);
  return static_cast<float>(sum);
}

inline float L1(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::fabs(static_cast<double>(At(a, i)) - At(b, i));
  return static_cast<float>(sum);
}

inline CosineParts Cosine(const float* a, const float* b, size_t n) {
  return {Dot(a, b, n), Dot(a, a, n), Dot(b, b, n)};
}

inline float L2SquaredHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(HalfToFloat(At(a, i))) - HalfToFloat(At(b, i));
    sum += difference * difference;
  }
  return static_cast<float>(sum);
}

inline float DotHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += static_cast<double>(HalfToFloat(At(a, i))) * HalfToFloat(At(b, i));
  }
  return static_cast<float>(sum);
}

inline float L1Half(const uint16_t* a, const uint16_t* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += std::fabs(static_cast<double>(HalfToFloat(At(a, i))) - HalfToFloat(At(b, i)));
  }
  return static_cast<float>(sum);
}

inline CosineParts CosineHalf(const uint16_t* a, const uint16_t* b, size_t n) {
  return {DotHalf(a, b, n), DotHalf(a, a, n), DotHalf(b, b, n)};
}

inline void HalfToFloat(const uint16_t* in, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float value = vector::HalfToFloat(At(in, i));
    std::memcpy(out + i, &value, sizeof(value));
  }
}

inline void FloatToHalf(const float* in, uint16_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint16_t value = vector::FloatToHalf(At(in, i));
    std::memcpy(out + i, &value, sizeof(value));
  }
}

inline uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes; ++i) sum += std::popcount(static_cast<uint8_t>(a[i] ^ b[i]));
  return sum;
}

inline JaccardCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t bytes) {
  JaccardCounts counts = {0, 0};
  for (size_t i = 0; i < bytes; ++i) {
    counts.both += std::popcount(static_cast<uint8_t>(a[i] & b[i]));
    counts.either += std::popcount(static_cast<uint8_t>(a[i] | b[i]));
  }
  return counts;
}

inline uint32_t DotU8(const uint8_t* a, const uint8_t* b, size_t n) {
  uint32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(a[i]) * b[i];
  return sum;
}

inline int32_t DotI16U8(const int16_t* a, const uint8_t* b, size_t n) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += At(a, i) * b[i];
  return static_cast<int32_t>(sum);
}

inline float DotF32U8(const float* a, const uint8_t* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(At(a, i)) * b[i];
  return static_cast<float>(sum);
}

inline float L1F32U8(const float* a, const uint8_t* b, float lo, float step, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += std::fabs(At(a, i) - (lo + static_cast<double>(step) * b[i]));
  }
  return static_cast<float>(sum);
}

inline float SumPqTable(const float* table, const uint8_t* codes, size_t m, size_t k) {
  double sum = 0;
  for (size_t j = 0; j < m; ++j) sum += At(table, j * k + codes[j]);
  return static_cast<float>(sum);
}

inline uint32_t DotBitPlanes(const uint64_t* bits, const uint64_t* planes, size_t words,
                             int nplanes) {
  uint64_t sum = 0;
  for (int p = 0; p < nplanes; ++p, planes += words) {
    for (size_t i = 0; i < words; ++i) {
      sum += static_cast<uint64_t>(std::popcount(At(bits, i) & At(planes, i))) << p;
    }
  }
  return static_cast<uint32_t>(sum);
}

}  // namespace helios::vector::scalar
