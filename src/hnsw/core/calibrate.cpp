// Measures how far estimates are from exact distances on pairs of sample rows, near pairs apart:
// they decide searches, and their errors are not those of random pairs.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "hnsw/core/model.hpp"

namespace helios::hnsw {
namespace {

// Fewer rows than these say nothing.
constexpr size_t kFewestRows = 100;
constexpr size_t kQueries = 64;
constexpr size_t kRows = 2048;
// One row in 50 counts as near.
constexpr size_t kNearPart = 50;
// The covered share, and the room left for data unlike the sample.
constexpr double kCoverage = 0.9995;
constexpr double kMargin = 1.25;

struct Pair {
  float exact, estimate, residual, width;
  bool near;
};

// Estimates every sampled pair with the model as it is; false when interrupted.
bool Measure(const Parameters& parameters, const float* sample, size_t n, Poll poll,
             std::vector<Pair>* pairs) {
  const CodecSpec& spec = parameters.spec;
  const std::vector<uint8_t> blob = Serialize(parameters);
  Codec codec;
  const char* why;
  if (!Codec::Open(blob.data(), blob.size(), &codec, &why)) return false;
  const size_t dim = spec.dim, rows = std::min(n, kRows), queries = std::min(n, kQueries);
  const size_t bytes = codec.code_bytes();
  const auto row = [&](size_t r) { return r * n / rows; };
  std::vector<uint8_t> codes(rows * bytes);
  std::vector<float> scratch(codec.scratch_floats());
  for (size_t r = 0; r < rows; ++r) {
    if (poll.Stop()) return false;
    codec.Encode(sample + row(r) * dim, codes.data() + r * bytes, scratch.data());
  }
  pairs->clear();
  std::vector<Pair> mine;
  std::vector<float> query(dim);
  QueryScorer scorer;
  for (size_t q = 0; q < queries; ++q) {
    if (poll.Stop()) return false;
    // Between two rows, so that a query is a stranger where the sample allows.
    const size_t self = std::min(row(q * rows / queries) + (n > rows), n - 1);
    CopyLimited(sample + self * dim, dim, query.data());
    scorer.Prepare(codec, query.data());
    mine.clear();
    for (size_t r = 0; r < rows; ++r) {
      if (row(r) == self) continue;
      if (r % kNearPart == 0 && poll.Stop()) return false;
      const uint8_t* code = codes.data() + r * bytes;
      const Estimate estimate = scorer.Bound(code);
      const float residual =
          spec.kind == CodecKind::kProduct ? ProductResidual(codec, code) : 0;
      mine.push_back({WorkingDistance(spec.metric, query.data(), sample + row(r) * dim, dim),
                      estimate.distance, residual, estimate.error, false});
    }
    const auto last = mine.begin() + static_cast<ptrdiff_t>(mine.size() / kNearPart);
    std::nth_element(mine.begin(), last, mine.end(),
                     [](const Pair& a, const Pair& b) { return a.exact < b.exact; });
    for (auto pair = mine.begin(); pair <= last; ++pair) pair->near = true;
    pairs->insert(pairs->end(), mine.begin(), mine.end());
  }
  return true;
}

// The slope of (exact - estimate) over the residual, through the origin, of near pairs.
float FitBias(const std::vector<Pair>& pairs) {
  double products = 0, squares = 0;
  for (const Pair& p : pairs) {
    if (!p.near) continue;
    products += static_cast<double>(p.residual) * (static_cast<double>(p.exact) - p.estimate);
    squares += static_cast<double>(p.residual) * p.residual;
  }
  const double bias = squares > 0 ? products / squares : 0;
  return std::isfinite(bias) ? static_cast<float>(std::clamp(bias, -2.0, 2.0)) : 0;
}

// The error over width that kCoverage of the chosen pairs stay within.
double Quantile(const std::vector<Pair>& pairs, bool near) {
  std::vector<double> ratios;
  for (const Pair& p : pairs) {
    if (near && !p.near) continue;
    const double error = std::abs(static_cast<double>(p.exact) - p.estimate);
    if (p.width > 0 && std::isfinite(p.width) && std::isfinite(error)) {
      ratios.push_back(error / p.width);
    }
  }
  if (ratios.empty()) return 0;
  const auto rank = static_cast<size_t>(kCoverage * static_cast<double>(ratios.size() - 1));
  const auto at = ratios.begin() + static_cast<ptrdiff_t>(rank);
  std::nth_element(ratios.begin(), at, ratios.end());
  return *at;
}

}  // namespace

TrainStatus Calibrate(const float* sample, size_t n, Poll poll, Parameters* parameters) {
  const CodecKind kind = parameters->spec.kind;
  // Scalar codes carry their errors. Product codes without errors in the sample fall back on the
  // Cauchy-Schwarz inequality.
  if (kind == CodecKind::kScalar) return TrainStatus::kOk;
  parameters->spread = kind == CodecKind::kRabitq ? 4 : 2;
  if (n < kFewestRows) return TrainStatus::kOk;
  Parameters trial = *parameters;
  trial.spread = 1;
  std::vector<Pair> pairs;
  if (kind == CodecKind::kProduct) {
    if (!Measure(trial, sample, n, poll, &pairs)) return TrainStatus::kInterrupted;
    trial.bias = FitBias(pairs);
    if (trial.spec.metric == Metric::kCosine) trial.bias *= 2;
    parameters->bias = trial.bias;
  }
  if (!Measure(trial, sample, n, poll, &pairs)) return TrainStatus::kInterrupted;
  const double measured = kMargin * std::max(Quantile(pairs, false), Quantile(pairs, true));
  if (measured > 0) parameters->spread = static_cast<float>(measured);
  return TrainStatus::kOk;
}

}  // namespace helios::hnsw
