// Lloyd's k-means for the codebooks of product quantization.
#pragma once

#include <cstddef>
#include <vector>

#include "hnsw/core/model.hpp"
#include "hnsw/core/random.hpp"

namespace helios::hnsw {

// A k-means problem on rows of floats, with what one round leaves behind for the next.
class KMeans {
 public:
  // rows[n x dim] are contiguous and outlive the object; k and n are at least 1.
  KMeans(const float* rows, size_t n, size_t dim, size_t k, Random* random);

  // Starts from k random rows.
  void Seed();
  // Assigns and moves centroids up to `rounds` times, or until the error hardly falls. False when
  // interrupted. An empty cluster restarts at a row drawn in proportion to its squared error.
  bool Run(size_t rounds, Poll poll);

  // Writes codebook[dim x stride], transposed for the table kernels; entries from k on
  // repeat the last centroid. stride = k rounded up to 16.
  void WriteCodebook(float* codebook) const;
  // Row r's nearest centroid at the last assignment.
  uint32_t assignment(size_t r) const { return assignment_[r]; }
  // Centroid j, dim floats.
  const float* centroid(size_t j) const { return centroids_.data() + j * dim_; }

  // Bytes of work space per row besides the row itself.
  static constexpr size_t kBytesPerRow = sizeof(uint32_t) + sizeof(float);

 private:
  bool Assign(Poll poll);
  bool Move(Poll poll);
  void Repair(const std::vector<size_t>& counts);

  const float* rows_;
  size_t n_, dim_, k_;
  Random* random_;
  std::vector<float> centroids_;  // k x dim
  std::vector<uint32_t> assignment_;
  std::vector<float> error_;  // squared, per row
};

}  // namespace helios::hnsw
