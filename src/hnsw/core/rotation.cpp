#include "hnsw/core/rotation.hpp"

#include <bit>

#include "hnsw/core/codec.hpp"
#include "hnsw/core/kernels.hpp"
#include "hnsw/core/random.hpp"

namespace helios::hnsw {
namespace {

// Two rounds spread the head and the tail, a butterfly mixes both, two more spread the result.
constexpr size_t kRounds = 4;
constexpr size_t kBits = 64;
// Room for kMaxDim padded to whole words.
constexpr size_t kMaxWords = kMaxDim / kBits + 1;

// Flips the signs that belong to one round.
void FlipRound(float* x, size_t dim, uint64_t seed, size_t round) {
  uint64_t signs[kMaxWords];
  Random random(seed * kRounds + round);
  for (size_t w = 0; w * kBits < dim; ++w) signs[w] = random.Next();
  FlipSigns(x, signs, dim);
}

// The transforms of one round: the head in even rounds, the tail in odd ones.
float* RoundStart(float* x, size_t dim, size_t block, size_t round) {
  return round % 2 == 0 ? x : x + (dim - block);
}

// Whether a round ends with a butterfly: only once both ends are spread, for of a coordinate that
// is not, a butterfly leaves a part of 1/sqrt(2) to the end.
bool Mixes(size_t dim, size_t block, size_t round) { return block != dim && round % 2 == 1; }

}  // namespace

void RotateRandomly(float* x, size_t dim, uint64_t seed) {
  const size_t block = std::bit_floor(dim);
  for (size_t round = 0; round < kRounds; ++round) {
    FlipRound(x, dim, seed, round);
    Hadamard(RoundStart(x, dim, block, round), block);
    if (Mixes(dim, block, round)) Butterfly(x, x + (dim - dim / 2), dim / 2);
  }
}

void RotateBack(float* x, size_t dim, uint64_t seed) {
  // Every step is its own inverse.
  const size_t block = std::bit_floor(dim);
  for (size_t round = kRounds; round-- > 0;) {
    if (Mixes(dim, block, round)) Butterfly(x, x + (dim - dim / 2), dim / 2);
    Hadamard(RoundStart(x, dim, block, round), block);
    FlipRound(x, dim, seed, round);
  }
}

}  // namespace helios::hnsw
