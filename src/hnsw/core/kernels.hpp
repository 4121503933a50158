// SIMD kernels of the codecs; each call picks the best target of the running CPU.
// Pointers need no alignment; nothing allocates or throws; matrices are row-major.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helios::hnsw {

// c[rows x cols] = start + a[rows x inner] * b[inner x cols]; lda, ldb, ldc are row strides in
// floats; start[cols] is added to every row, null means zero. c overlaps nothing.
void MatMul(const float* a, size_t lda, const float* b, size_t ldb, const float* start, float* c,
            size_t ldc, size_t rows, size_t inner, size_t cols);

// Index of the smallest of values[n], n >= 1; the lowest index wins ties, NaN never wins.
size_t MinIndex(const float* values, size_t n);

// How one coordinate adds to a table: (q-c)^2, -q*c or |q-c|.
enum class TableTerm { kSquare, kNegativeDot, kAbsolute };

// table[j] = sum over d < dim of term(q[d], codebook[d * stride + j]) for j < stride;
// stride is a multiple of 16.
void SubspaceTable(TableTerm term, const float* q, const float* codebook, size_t dim, size_t stride,
                   float* table);

// In-place orthonormal Walsh-Hadamard transform of x[n], n a power of two.
void Hadamard(float* x, size_t n);

// x[i] = -x[i] where bit i of signs is set.
void FlipSigns(float* x, const uint64_t* signs, size_t n);

// (a[i], b[i]) becomes (a[i] + b[i], a[i] - b[i]) / sqrt(2).
void Butterfly(float* a, float* b, size_t n);

// Magnitude planes of a sign-and-magnitude query, and the words a plane takes: zeros fill the last
// 8.
constexpr size_t kMagnitudePlanes = 4;
constexpr size_t PlaneWords(size_t words) { return (words + 7) / 8 * 8; }

// sum over p of 2^p * popcount((bits ^ signs) & plane p) over 64 * words bits; query holds signs
// and then kMagnitudePlanes planes of PlaneWords(words) words each (RaBitQ, section 3.3, with
// signs).
uint32_t DotSignedPlanes(const uint8_t* bits, const uint64_t* query, size_t words);

// sum of q * code over 4-bit codes, 4 * words of them, four in each little-endian 16-bit word,
// lowest bits first; q[p * words + w] meets the p-th nibble of word w. Exact while |q| <= 8191,
// words <= 4000.
int32_t DotNibbles(const int16_t* q, const uint8_t* codes, size_t words);

// x[i] = lo + step * bytes[i].
void ExpandBytes(const uint8_t* bytes, float lo, float step, size_t n, float* x);

// x[i] = base[i] + weight where bit i is set, base[i] - weight elsewhere; n is a multiple of 32.
void ExpandBits(const uint8_t* bits, float weight, const float* base, size_t n, float* x);

// x[i] = base[i] + weight * (nibble i - middle), lowest nibble first; n is a multiple of 8.
void ExpandNibbles(const uint8_t* nibbles, float middle, float weight, const float* base, size_t n,
                   float* x);

}  // namespace helios::hnsw
