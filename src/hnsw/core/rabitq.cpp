// RaBitQ: codes of randomly rotated directions with unbiased distance estimates (1 bit: Gao and
// Long, SIGMOD 2024; 4 bits: Gao et al., "Practical and Asymptotically Optimal Quantization of
// High-Dimensional Vectors in Euclidean Space", SIGMOD 2025).
//
// With o = P(x - mean), the code names a lattice vector u: u_i = +-1 (1 bit: set for +1) or
// u_i = y_i - 7.5 (4 bits). <o, q'> is estimated by factor * <u, q'>, factor = |o|^2 / <u, o>. The
// model holds P mean, so that nothing needs turning back.
//
// Code, packed; D is dim rounded up to 64:
//   float |o|^2 | float factor | 4 bits: float width | inner product: float <x - mean, mean>
//   1 bit: D bits, lowest first         4 bits: D nibbles, lowest first
// width is the standard deviation of the estimate per unit of |q'|; 1 bit derives it, as |u|^2 = D.
#include "hnsw/core/kernels.hpp"
#include "hnsw/core/model.hpp"
#include "hnsw/core/rotation.hpp"

namespace helios::hnsw {
namespace {

constexpr size_t kWordBits = 64;
constexpr double kMaxMagnitude = (1 << kMagnitudePlanes) - 1;
constexpr double kMiddle = 7.5;
constexpr float kMaxNibble = 15;
// DotNibbles stays exact up to here.
constexpr double kMaxRounded = 8191;

bool Wide(const CodecSpec& spec) { return spec.bits == 4; }

size_t HeadFloats(const CodecSpec& spec) {
  return size_t{2} + Wide(spec) + (spec.metric == Metric::kInnerProduct);
}

size_t HeadBytes(const CodecSpec& spec) { return HeadFloats(spec) * sizeof(float); }

struct Head {
  double norm2, factor;
  double width2;  // squared
  double shift;   // inner product only
};

Head LoadHead(const CodecSpec& spec, const uint8_t* code) {
  Head head = {LoadFloat(code), LoadFloat(code + sizeof(float)), 0, 0};
  const uint8_t* next = code + 2 * sizeof(float);
  const double dim = static_cast<double>(PaddedDim(spec));
  if (Wide(spec)) {
    const double width = LoadFloat(next);
    head.width2 = width * width;
    next += sizeof(float);
  } else {
    head.width2 = std::max(0.0, head.factor * head.factor * dim - head.norm2) / (dim - 1);
  }
  if (spec.metric == Metric::kInnerProduct) head.shift = LoadFloat(next);
  return head;
}

// y[PaddedDim] = rotated, limited, zero-padded x.
void PadAndRotate(const CodecSpec& spec, const float* x, float* y) {
  CopyLimited(x, spec.dim, y);
  std::fill(y + spec.dim, y + PaddedDim(spec), 0.0f);
  RotateRandomly(y, PaddedDim(spec), spec.seed);
}

// y[PaddedDim] = the rotated x - mean; returns <x - mean, mean>.
double RotateAndCentre(const Codec& codec, const float* x, float* y) {
  PadAndRotate(codec.spec(), x, y);
  const float* mean = codec.mean();
  double shift = 0;
  for (size_t i = 0; i < codec.coded_dim(); ++i) {
    y[i] -= mean[i];
    shift += static_cast<double>(y[i]) * mean[i];
  }
  return shift;
}

// The nibble of one component at a scale; NaN gives 0.
inline int Nibble(float y, float scale) {
  const float level = y * scale + static_cast<float>(kMiddle) + 0.5f;
  return level > 0 ? static_cast<int>(std::min(level, kMaxNibble)) : 0;
}

// Finds the scale whose lattice vector points nearest to y.
float BestScale(const float* y, size_t padded, double norm2) {
  // Step widths in standard deviations around the optimum for Gaussian components, 0.335.
  constexpr double kSteps[] = {0.25, 0.29, 0.32, 0.345, 0.38, 0.43, 0.55, 0.8};
  const double sigma = std::sqrt(norm2 / static_cast<double>(padded));
  float best = 0;
  double best_cosine = -1;
  for (double step : kSteps) {
    const float scale = static_cast<float>(1 / (step * sigma));
    if (!std::isfinite(scale)) continue;
    float dot = 0, squares = 0;
    for (size_t i = 0; i < padded; ++i) {
      const float u = static_cast<float>(Nibble(y[i], scale)) - static_cast<float>(kMiddle);
      dot += u * y[i];
      squares += u * u;
    }
    const double cosine = dot / std::sqrt(static_cast<double>(squares));
    if (cosine > best_cosine) {
      best_cosine = cosine;
      best = scale;
    }
  }
  return best;
}

}  // namespace

size_t RabitqCodeBytes(const CodecSpec& spec) {
  return HeadBytes(spec) + PaddedDim(spec) * spec.bits / 8;
}

void RabitqEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch) {
  const CodecSpec& spec = codec.spec();
  const size_t padded = PaddedDim(spec);
  float* y = scratch;
  const double shift = RotateAndCentre(codec, x, y);
  double norm2 = 0;
  for (size_t i = 0; i < padded; ++i) norm2 += static_cast<double>(y[i]) * y[i];

  std::memset(code, 0, codec.code_bytes());
  uint8_t* bits = code + HeadBytes(spec);
  double dot = 0, squares = 0;
  if (Wide(spec)) {
    const float scale = BestScale(y, padded, norm2);
    for (size_t i = 0; i < padded; ++i) {
      const int nibble = Nibble(y[i], scale);
      const double u = nibble - kMiddle;
      dot += u * y[i];
      squares += u * u;
      bits[i / 2] |= static_cast<uint8_t>(nibble << (4 * (i % 2)));
    }
  } else {
    for (size_t i = 0; i < padded; ++i) {
      dot += std::abs(y[i]);
      bits[i / 8] |= static_cast<uint8_t>((y[i] > 0) << (i % 8));
    }
    squares = static_cast<double>(padded);
  }
  const double factor = dot > 0 ? norm2 / dot : 0;
  StoreFloat(code, norm2);
  StoreFloat(code + sizeof(float), factor);
  uint8_t* next = code + 2 * sizeof(float);
  if (Wide(spec)) {
    const double width2 = (factor * factor * squares - norm2) / static_cast<double>(padded - 1);
    StoreFloat(next, std::sqrt(std::max(0.0, width2)));
    next += sizeof(float);
  }
  if (spec.metric == Metric::kInnerProduct) StoreFloat(next, shift);
}

void RabitqDecodeCoded(const Codec& codec, const uint8_t* code, float* y) {
  const CodecSpec& spec = codec.spec();
  const size_t padded = PaddedDim(spec);
  const Head head = LoadHead(spec, code);
  const uint8_t* bits = code + HeadBytes(spec);
  // <u, o> / |u|^2: the multiple of u nearest to o. |u|^2 follows from the width.
  const double squares = head.width2 * static_cast<double>(padded - 1) + head.norm2;
  const double multiple = squares > 0 ? head.factor * head.norm2 / squares : 0;
  const auto weight = static_cast<float>(multiple);
  if (Wide(spec)) {
    ExpandNibbles(bits, static_cast<float>(kMiddle), weight, codec.mean(), padded, y);
  } else {
    ExpandBits(bits, weight, codec.mean(), padded, y);
  }
}

void RabitqDecode(const Codec& codec, const uint8_t* code, float* x, float* scratch) {
  RabitqDecodeCoded(codec, code, scratch);
  RotateBack(scratch, PaddedDim(codec.spec()), codec.spec().seed);
  std::copy_n(scratch, codec.spec().dim, x);
}

TrainStatus RabitqTrain(const float* sample, size_t n, Poll poll, Parameters* parameters) {
  const size_t dim = parameters->spec.dim;
  const size_t rows = std::min(n, UsefulTrainingRows(parameters->spec));
  std::vector<double> sum(dim);
  for (size_t r = 0; r < rows; ++r) {
    if (r * dim % kWorkPerPoll < dim && poll.Stop()) return TrainStatus::kInterrupted;
    const float* x = sample + r * n / rows * dim;
    for (size_t i = 0; i < dim; ++i) sum[i] += std::clamp(x[i], -kLargest, kLargest);
  }
  std::vector<float> mean(dim);
  for (size_t i = 0; i < dim; ++i) mean[i] = static_cast<float>(sum[i] / static_cast<double>(rows));
  parameters->mean.resize(PaddedDim(parameters->spec));
  PadAndRotate(parameters->spec, mean.data(), parameters->mean.data());
  return TrainStatus::kOk;
}

void QueryScorer::PrepareRabitq() {
  const CodecSpec& spec = codec_.spec();
  const size_t padded = PaddedDim(spec);
  std::vector<float> centred(padded);
  // <q, mean> = <q - mean, mean> + |mean|^2.
  offset_ = RotateAndCentre(codec_, query_.data(), centred.data());
  for (size_t i = 0; i < padded; ++i) {
    offset_ += static_cast<double>(codec_.mean()[i]) * codec_.mean()[i];
  }
  query_ = std::move(centred);
  double largest = 0;
  norm2_ = 0;
  for (float value : query_) {
    norm2_ += static_cast<double>(value) * value;
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  const double levels = Wide(spec) ? kMaxRounded : kMaxMagnitude;
  const double inverse = largest > 0 ? levels / largest : 0;
  step_ = largest / levels;
  sum_ = 0;
  if (Wide(spec)) {
    const size_t quarter = padded / 4;
    rounded_.resize(padded);
    for (size_t i = 0; i < padded; ++i) {
      const auto value = static_cast<int16_t>(std::lrint(query_[i] * inverse));
      rounded_[i % 4 * quarter + i / 4] = value;
      sum_ += value;
    }
    return;
  }
  const size_t plane = PlaneWords(padded / kWordBits);
  planes_.assign(plane * (1 + kMagnitudePlanes), 0);
  for (size_t i = 0; i < padded; ++i) {
    const size_t word = i / kWordBits, bit = i % kWordBits;
    planes_[word] |= static_cast<uint64_t>(query_[i] < 0) << bit;
    const auto value = static_cast<uint64_t>(std::lrint(std::abs(query_[i]) * inverse));
    for (size_t p = 0; p < kMagnitudePlanes; ++p) {
      planes_[(1 + p) * plane + word] |= (value >> p & 1) << bit;
    }
    sum_ += static_cast<double>(value);
  }
}

float QueryScorer::RabitqDistance(const uint8_t* code) const {
  const CodecSpec& spec = codec_.spec();
  const double norm2 = LoadFloat(code), factor = LoadFloat(code + sizeof(float));
  const uint8_t* bits = code + HeadBytes(spec);
  const size_t padded = PaddedDim(spec);
  // 1 bit: after flipping the bits where the query is negative, a set bit adds a magnitude and a
  // clear one subtracts it; sum_ is their total.
  const double lattice =
      Wide(spec) ? DotNibbles(rounded_.data(), bits, padded / 4) - kMiddle * sum_
                 : 2.0 * DotSignedPlanes(bits, planes_.data(), padded / kWordBits) - sum_;
  const double dot = factor * step_ * lattice;
  if (spec.metric == Metric::kInnerProduct) {
    const double shift = LoadFloat(bits - sizeof(float));
    return static_cast<float>(-(dot + shift + offset_));
  }
  const double squared = norm2 + norm2_ - 2 * dot;
  return static_cast<float>(spec.metric == Metric::kCosine ? 0.5 * squared : squared);
}

Estimate QueryScorer::RabitqBound(const uint8_t* code) const {
  const CodecSpec& spec = codec_.spec();
  const Head head = LoadHead(spec, code);
  // Rounding the query adds uniform errors of variance step^2/12 to each component.
  const double noise = head.width2 * norm2_ + head.factor * head.factor * step_ * step_ / 12 *
                                                  static_cast<double>(PaddedDim(spec));
  const double error = (spec.metric == Metric::kL2 ? 2 : 1) * codec_.spread() * std::sqrt(noise);
  double magnitude = head.norm2 + norm2_;
  if (spec.metric == Metric::kInnerProduct) magnitude += std::abs(head.shift) + std::abs(offset_);
  return {RabitqDistance(code), static_cast<float>(error + kRounding * magnitude)};
}

}  // namespace helios::hnsw
