// Distance kernels: each call picks the best SIMD target of the running CPU.
//
// Contract of every function here: pointers need no alignment and may be null when the length is 0;
// any length is allowed unless stated; nothing is allocated, thrown or locked, so a longjmp or fork
// around a call is harmless. NaN and infinity in the input propagate as IEEE arithmetic does.
// Float kernels add in binary32 in several independent partial sums, so the last bits of a result
// may differ between CPUs. Units are those of the input; "squared" means no root was taken.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vector/core/half.hpp"

namespace helios::vector {

// The three sums cosine similarity is made of: dot / sqrt(norm_a * norm_b); norms are squared.
struct CosineParts {
  float dot, norm_a, norm_b;
};

// Bits set in both operands (intersection) and in at least one of them (union).
struct JaccardCounts {
  uint64_t both, either;
};

// Name of the SIMD target in use, e.g. "AVX2"; a static string.
const char* SimdTargetName();

// binary32, a[n] and b[n]: sum (a-b)^2; sum a*b; sum |a-b|; cosine parts.
float L2Squared(const float* a, const float* b, size_t n);
float Dot(const float* a, const float* b, size_t n);
float L1(const float* a, const float* b, size_t n);
CosineParts Cosine(const float* a, const float* b, size_t n);

// The same over binary16 bits; elements are widened to binary32 before any arithmetic.
float L2SquaredHalf(const uint16_t* a, const uint16_t* b, size_t n);
float DotHalf(const uint16_t* a, const uint16_t* b, size_t n);
float L1Half(const uint16_t* a, const uint16_t* b, size_t n);
CosineParts CosineHalf(const uint16_t* a, const uint16_t* b, size_t n);

// Array forms of half.hpp with the same results for every value except the payload of a NaN;
// in[n] and out[n] must not overlap.
void HalfToFloat(const uint16_t* in, float* out, size_t n);
void FloatToHalf(const float* in, uint16_t* out, size_t n);

// Number of differing bits of two bit strings of `bytes` bytes.
uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t bytes);

// Intersection and union sizes of two bit strings of `bytes` bytes.
JaccardCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t bytes);

// sum a*b over bytes, exact for n <= 66051 (modulo 2^32 beyond).
uint32_t DotU8(const uint8_t* a, const uint8_t* b, size_t n);

// sum a*b of 16-bit by 8-bit elements, exact while no partial sum leaves int32; the caller
// guarantees that, e.g. by |a| <= 2047 and n <= 4096 (2047 * 255 * n < 2^31).
int32_t DotI16U8(const int16_t* a, const uint8_t* b, size_t n);

// sum a*b of float by byte elements.
float DotF32U8(const float* a, const uint8_t* b, size_t n);

// sum |a - (lo + step * b)|: L1 between a float vector and a scalar-quantized one.
float L1F32U8(const float* a, const uint8_t* b, float lo, float step, size_t n);

// sum over j < m of table[j * k + codes[j]]: product-quantization lookup (Jegou, Douze, Schmid,
// "Product Quantization for Nearest Neighbor Search", TPAMI 2011, section III). table[m * k] is
// row-major; every code must be < k <= 256.
float SumPqTable(const float* table, const uint8_t* codes, size_t m, size_t k);

// sum over p < nplanes <= 32 of 2^p * popcount(bits & plane p), the planes one after another in
// planes[nplanes * words]; modulo 2^32 (RaBitQ, Gao and Long, SIGMOD 2024, section 3.3).
uint32_t DotBitPlanes(const uint64_t* bits, const uint64_t* planes, size_t words, int nplanes);

}  // namespace helios::vector
