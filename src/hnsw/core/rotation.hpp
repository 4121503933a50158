// Seeded random rotation by Hadamard transforms: O(dim log dim), nothing stored but the seed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helios::hnsw {

// Rotates x[dim] in place. A dimension that is no power of two alternates transforms of its head
// and its tail with one step of Kac's walk (RaBitQ library's FHT-Kac; Ailon and Chazelle, STOC
// 2006).
void RotateRandomly(float* x, size_t dim, uint64_t seed);

// Undoes RotateRandomly, up to rounding.
void RotateBack(float* x, size_t dim, uint64_t seed);

}  // namespace helios::hnsw
