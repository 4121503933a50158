#include "hnsw/core/opq.hpp"

#define EIGEN_MPL2_ONLY
#include <Eigen/Eigenvalues>

#include "hnsw/core/kernels.hpp"
#include "hnsw/core/kmeans.hpp"
#include "vector/core/distance.hpp"

namespace helios::hnsw {
namespace {

constexpr size_t kOuterRounds = 6;
constexpr size_t kLloydRounds = 2;
constexpr size_t kRowsPerCentroid = 32;
constexpr size_t kFewestRows = 4096;
// Share of the previous rotation in the matrix to be made orthogonal: decides directions in which
// the sample does not vary.
constexpr float kInertia = 1e-3f;

// c = a * b of contiguous matrices but for c's stride, in slices of rows between polls.
bool PolledMatMul(const float* a, const float* b, size_t ldb, float* c, size_t ldc, size_t rows,
                  size_t inner, size_t cols, Poll poll) {
  const size_t slice = RoundUp(kWorkPerPoll / (inner * cols) + 1, 4);
  for (size_t r = 0; r < rows; r += slice) {
    if (poll.Stop()) return false;
    MatMul(a + r * inner, inner, b, ldb, nullptr, c + r * ldc, ldc, std::min(slice, rows - r),
           inner, cols);
  }
  return true;
}

// out[cols][rows] = transpose of in[rows][cols], in blocks that fit the cache.
void Transpose(const float* in, size_t rows, size_t cols, float* out) {
  constexpr size_t kBlock = 16;
  for (size_t r = 0; r < rows; r += kBlock) {
    for (size_t c = 0; c < cols; c += kBlock) {
      for (size_t i = r; i < std::min(r + kBlock, rows); ++i) {
        for (size_t j = c; j < std::min(c + kBlock, cols); ++j) {
          out[j * rows + i] = in[i * cols + j];
        }
      }
    }
  }
}

// Scales v to unit length and returns the length it had.
double Normalize(std::vector<float>* v) {
  const double length = std::sqrt(vector::Dot(v->data(), v->data(), v->size()));
  if (length > 0) {
    for (float& value : *v) value = static_cast<float>(value / length);
  }
  return length;
}

// A little above the largest singular value of a[n][n], by power iteration on a^T a; 1 for zero.
float NormBound(const std::vector<float>& a, size_t n, Random* random) {
  constexpr size_t kSteps = 12;
  constexpr double kMargin = 1.1;
  std::vector<float> v(n), w(n);
  for (float& value : v) value = static_cast<float>(random->Unit() - 0.5);
  double norm = 0;
  for (size_t step = 0; step < kSteps; ++step) {
    Normalize(&v);
    for (size_t i = 0; i < n; ++i) w[i] = vector::Dot(a.data() + i * n, v.data(), n);
    norm = Normalize(&w);
    MatMul(w.data(), n, a.data(), n, nullptr, v.data(), n, 1, n, n);
  }
  return norm > 0 ? static_cast<float>(norm * kMargin) : 1;
}

// Replaces x by its orthogonal polar factor by Newton-Schulz iteration; singular values must lie in
// (0, 1]. The quintic steps lift small ones fast and stay near 1, the cubic steps converge.
bool MakeOrthogonal(std::vector<float>* x, size_t n, Poll poll) {
  constexpr size_t kLiftSteps = 6, kConvergeSteps = 5;
  // Jordan et al., "Muon", 2024: slope 3.44 at 0, [0.7, 1.2] near 1.
  constexpr float kLift[] = {3.4445f, -4.7750f, 2.0315f};
  constexpr float kConverge[] = {1.5f, -0.5f, 0};
  std::vector<float> transposed(n * n), gram(n * n), square, next(n * n);
  for (size_t step = 0; step < kLiftSteps + kConvergeSteps; ++step) {
    const float* p = step < kLiftSteps ? kLift : kConverge;
    Transpose(x->data(), n, n, transposed.data());
    if (!PolledMatMul(transposed.data(), x->data(), n, gram.data(), n, n, n, n, poll)) return false;
    // The polynomial p0 + p1 g + p2 g^2 of the Gram matrix g, times x.
    if (p[2] != 0) {
      square.resize(n * n);
      if (!PolledMatMul(gram.data(), gram.data(), n, square.data(), n, n, n, n, poll)) return false;
      for (size_t i = 0; i < n * n; ++i) gram[i] = p[1] * gram[i] + p[2] * square[i];
    } else {
      for (float& value : gram) value *= p[1];
    }
    for (size_t i = 0; i < n; ++i) gram[i * n + i] += p[0];
    if (!PolledMatMul(x->data(), gram.data(), n, next.data(), n, n, n, n, poll)) return false;
    x->swap(next);
  }
  return true;
}

// Whether the rows of x have unit length, which a failed iteration does not leave.
bool IsOrthogonal(const std::vector<float>& x, size_t n) {
  constexpr float kTolerance = 1e-3f;
  for (size_t i = 0; i < n; ++i) {
    const float* row = x.data() + i * n;
    if (!(std::abs(vector::Dot(row, row, n) - 1) < kTolerance)) return false;
  }
  return true;
}

// Deals dimensions of descending variance out to the subspaces, each to the one with the smallest
// product of variances so far that has room: by_place[j] is the rank of the dimension at place j.
std::vector<size_t> Allocate(const CodecSpec& spec, const std::vector<double>& log_variances) {
  const size_t count = spec.subquantizers;
  std::vector<size_t> by_place(spec.dim), used(count);
  std::vector<double> product(count);
  for (size_t rank = 0; rank < spec.dim; ++rank) {
    size_t best = count;
    for (size_t m = 0; m < count; ++m) {
      const bool full = SubspaceBegin(spec, m) + used[m] == SubspaceBegin(spec, m + 1);
      if (!full && (best == count || product[m] < product[best])) best = m;
    }
    by_place[SubspaceBegin(spec, best) + used[best]++] = rank;
    product[best] += log_variances[rank];
  }
  return by_place;
}

// Parametric OPQ: principal axes as columns of turned[dim][dim], balanced over the subspaces.
// Leaves turned alone where the decomposition fails.
bool BalancePrincipalAxes(const CodecSpec& spec, const float* x, const float* x_transposed,
                          size_t rows, Poll poll, std::vector<float>* turned) {
  // Variances below this part of the largest are rounding noise.
  constexpr double kLeastVariance = 1e-6;
  using Matrix = Eigen::MatrixXf;
  const size_t dim = spec.dim;
  const auto size = static_cast<Eigen::Index>(dim);
  Matrix covariance(size, size);
  if (!PolledMatMul(x_transposed, x, dim, covariance.data(), dim, dim, rows, dim, poll) ||
      poll.Stop()) {
    return false;
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(covariance);
  if (poll.Stop()) return false;
  const auto& variances = solver.eigenvalues();
  const double largest = variances[size - 1];
  if (solver.info() != Eigen::Success || !(largest > 0)) return true;
  // Eigen sorts them in ascending order. Logarithms of at least 1 let every dimension weigh.
  std::vector<double> log_variances(dim);
  for (size_t rank = 0; rank < dim; ++rank) {
    const double part = variances[static_cast<Eigen::Index>(dim - 1 - rank)] / largest;
    log_variances[rank] = 1 + std::log(std::max(part, kLeastVariance) / kLeastVariance);
  }
  const std::vector<size_t> by_place = Allocate(spec, log_variances);
  for (size_t place = 0; place < dim; ++place) {
    const auto column = static_cast<Eigen::Index>(dim - 1 - by_place[place]);
    for (size_t i = 0; i < dim; ++i) {
      (*turned)[i * dim + place] = solver.eigenvectors()(static_cast<Eigen::Index>(i), column);
    }
  }
  return true;
}

}  // namespace

bool LearnRotation(const CodecSpec& spec, const float* sample, size_t n, size_t memory, Poll poll,
                   Random* random, std::vector<float>* rotation) {
  const size_t dim = spec.dim, count = spec.subquantizers;
  const size_t fitting = memory / (3 * dim * sizeof(float));
  const size_t wanted = std::max(kRowsPerCentroid * spec.centroids, kFewestRows);
  const size_t rows = std::min(n, std::max(MinimumTrainingRows(spec), std::min(wanted, fitting)));
  // x: centred rows; y: their images, one contiguous slice per subspace, later their codewords.
  std::vector<float> x(rows * dim), x_transposed(rows * dim), y(rows * dim), mean(dim);
  for (size_t r = 0; r < rows; ++r) {
    CopyLimited(sample + r * n / rows * dim, dim, x.data() + r * dim);
    for (size_t i = 0; i < dim; ++i) mean[i] += x[r * dim + i] / static_cast<float>(rows);
  }
  float largest = 0;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < dim; ++i) {
      x[r * dim + i] -= mean[i];
      largest = std::max(largest, std::abs(x[r * dim + i]));
    }
  }
  // Unit range: sums of products below stay far from the ends of float.
  if (largest > 0) {
    for (float& value : x) value /= largest;
  }
  Transpose(x.data(), rows, dim, x_transposed.data());

  // turned = R^T, so that y = x * turned.
  std::vector<float> turned(dim * dim), target(dim * dim);
  for (size_t i = 0; i < dim; ++i) turned[i * dim + i] = 1;
  if (!BalancePrincipalAxes(spec, x.data(), x_transposed.data(), rows, poll, &turned)) return false;
  std::vector<KMeans> quantizers;
  for (size_t round = 0; round < kOuterRounds; ++round) {
    for (size_t m = 0; m < count; ++m) {
      const size_t begin = SubspaceBegin(spec, m), width = SubspaceBegin(spec, m + 1) - begin;
      float* slice = y.data() + rows * begin;
      if (!PolledMatMul(x.data(), turned.data() + begin, dim, slice, width, rows, dim, width,
                        poll)) {
        return false;
      }
      if (round == 0) {
        quantizers.emplace_back(slice, rows, width, spec.centroids, random);
        quantizers.back().Seed();
      }
      const KMeans& quantizer = quantizers[m];
      if (!quantizers[m].Run(kLloydRounds, poll)) return false;
      for (size_t r = 0; r < rows; ++r) {
        std::copy_n(quantizer.centroid(quantizer.assignment(r)), width, slice + r * width);
      }
      if (!PolledMatMul(x_transposed.data(), slice, width, target.data() + begin, dim, dim, rows,
                        width, poll)) {
        return false;
      }
    }
    // The rotation nearest to mapping rows on their codewords: orthogonal Procrustes.
    const float scale = 1 / NormBound(target, dim, random);
    for (size_t i = 0; i < dim * dim; ++i) target[i] = target[i] * scale + kInertia * turned[i];
    if (!MakeOrthogonal(&target, dim, poll)) return false;
    if (!IsOrthogonal(target, dim)) break;
    turned.swap(target);
  }
  rotation->resize(dim * dim);
  Transpose(turned.data(), dim, dim, rotation->data());
  return true;
}

}  // namespace helios::hnsw
