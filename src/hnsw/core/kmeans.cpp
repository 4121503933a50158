#include "hnsw/core/kmeans.hpp"

#include <cmath>

#include "hnsw/core/kernels.hpp"
#include "vector/core/distance.hpp"

namespace helios::hnsw {
namespace {

// Rows scored at once: their scores stay in the nearest cache.
constexpr size_t kBlockRows = 16;
// A round that gains less than this part of the error is the last.
constexpr double kLeastGain = 1e-3;

}  // namespace

KMeans::KMeans(const float* rows, size_t n, size_t dim, size_t k, Random* random)
    : rows_(rows), n_(n), dim_(dim), k_(k), random_(random), centroids_(k * dim), assignment_(n),
      error_(n) {}

void KMeans::Seed() {
  // Strata keep the rows distinct.
  for (size_t j = 0; j < k_; ++j) {
    const size_t begin = j * n_ / k_, end = std::max(begin + 1, (j + 1) * n_ / k_);
    const size_t row = std::min(begin + random_->Below(end - begin), n_ - 1);
    std::copy_n(rows_ + row * dim_, dim_, centroids_.data() + j * dim_);
  }
}

bool KMeans::Run(size_t rounds, Poll poll) {
  double last = INFINITY;
  for (size_t round = 0; round < rounds; ++round) {
    if (!Assign(poll)) return false;
    double total = 0;
    for (float e : error_) total += e;
    if (!Move(poll)) return false;
    if (total >= last * (1 - kLeastGain)) break;
    last = total;
  }
  return true;
}

bool KMeans::Assign(Poll poll) {
  // |x-c|^2 = |x|^2 + 2 (|c|^2/2 - <x,c>), with x and c taken from a common centre so that a large
  // offset of the data does not cancel.
  const size_t stride = RoundUp(k_, 16);
  std::vector<double> sum(dim_);
  for (size_t j = 0; j < k_; ++j) {
    for (size_t i = 0; i < dim_; ++i) sum[i] += centroid(j)[i];
  }
  std::vector<float> centre(dim_), negated(dim_ * stride), half_norms(stride, INFINITY);
  for (size_t i = 0; i < dim_; ++i) {
    centre[i] = static_cast<float>(sum[i] / static_cast<double>(k_));
  }
  for (size_t j = 0; j < k_; ++j) {
    float norm2 = 0;
    for (size_t i = 0; i < dim_; ++i) {
      const float value = centroid(j)[i] - centre[i];
      norm2 += value * value;
      negated[i * stride + j] = -value;
    }
    half_norms[j] = norm2 / 2;
  }

  std::vector<float> block(kBlockRows * dim_), scores(kBlockRows * stride);
  size_t work = 0;
  for (size_t begin = 0; begin < n_; begin += kBlockRows) {
    const size_t count = std::min(kBlockRows, n_ - begin);
    work += count * dim_ * stride;
    if (work >= kWorkPerPoll) {
      if (poll.Stop()) return false;
      work = 0;
    }
    for (size_t r = 0; r < count; ++r) {
      const float* row = rows_ + (begin + r) * dim_;
      for (size_t i = 0; i < dim_; ++i) block[r * dim_ + i] = row[i] - centre[i];
    }
    MatMul(block.data(), dim_, negated.data(), stride, half_norms.data(), scores.data(), stride,
           count, dim_, stride);
    for (size_t r = 0; r < count; ++r) {
      const size_t best = MinIndex(scores.data() + r * stride, stride);
      const float* x = block.data() + r * dim_;
      const float norm2 = vector::Dot(x, x, dim_);
      assignment_[begin + r] = static_cast<uint32_t>(best);
      error_[begin + r] = std::max(0.0f, norm2 + 2 * scores[r * stride + best]);
    }
  }
  return true;
}

bool KMeans::Move(Poll poll) {
  std::vector<size_t> counts(k_);
  std::vector<double> sums(k_ * dim_);
  for (size_t r = 0; r < n_; ++r) {
    if (r * dim_ % kWorkPerPoll < dim_ && poll.Stop()) return false;
    ++counts[assignment_[r]];
    double* sum = sums.data() + assignment_[r] * dim_;
    for (size_t i = 0; i < dim_; ++i) sum[i] += rows_[r * dim_ + i];
  }
  for (size_t j = 0; j < k_; ++j) {
    if (counts[j] == 0) continue;
    const double weight = 1 / static_cast<double>(counts[j]);
    for (size_t i = 0; i < dim_; ++i) {
      centroids_[j * dim_ + i] = static_cast<float>(sums[j * dim_ + i] * weight);
    }
  }
  Repair(counts);
  return true;
}

void KMeans::Repair(const std::vector<size_t>& counts) {
  double total = 0;
  for (float e : error_) total += e;
  for (size_t j = 0; j < k_; ++j) {
    if (counts[j] != 0) continue;
    // Every row lies on its centroid: nothing to win.
    if (!(total > 0)) return;
    double left = random_->Unit() * total;
    size_t row = 0;
    while (row + 1 < n_ && (left -= error_[row]) >= 0) ++row;
    std::copy_n(rows_ + row * dim_, dim_, centroids_.data() + j * dim_);
    total -= error_[row];
    error_[row] = 0;
  }
}

void KMeans::WriteCodebook(float* codebook) const {
  const size_t stride = RoundUp(k_, 16);
  for (size_t i = 0; i < dim_; ++i) {
    for (size_t j = 0; j < stride; ++j) {
      codebook[i * stride + j] = centroid(std::min(j, k_ - 1))[i];
    }
  }
}

}  // namespace helios::hnsw
