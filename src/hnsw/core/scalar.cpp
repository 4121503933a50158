// Locally adaptive 8-bit scalar quantization (Aguerrebere, Bhati, Hildebrand, Tepper, Willke,
// "Similarity Search in the Blink of an Eye with Compressed Indices", VLDB 2023, section 3).
//
// Code of a vector, packed:
//   float lo | float step | uint32 sum of c | uint32 sum of c^2 | float error | uint8 c[dim]
// stands for x^_i = lo + step * c_i, so dot products and norms of x^ follow from integer sums.
// error is at least |x - x^| (L1: the sum of absolute differences), rotated where the codes are:
// by the triangle inequality it bounds every distance to x, without a sample.
#include "hnsw/core/kernels.hpp"
#include "hnsw/core/model.hpp"
#include "hnsw/core/rotation.hpp"
#include "vector/core/distance.hpp"

namespace helios::hnsw {
namespace {

constexpr size_t kHeadBytes = 20;
constexpr double kLevels = 255;
constexpr double kFloatRounding = 0x1p-24;
// Each of the four rounds of a rotation rounds a component at most this often.
constexpr double kRotationRoundings = 4 * 24;

struct Head {
  float lo, step;
  uint32_t sum, sum2;
  float error;
};
static_assert(sizeof(Head) == kHeadBytes);

Head LoadHead(const uint8_t* code) {
  Head head;
  std::memcpy(&head, code, sizeof head);
  return head;
}

// |x^|^2.
double SquaredNorm(const Head& h, double dim) {
  const double lo = h.lo, step = h.step;
  return dim * lo * lo + 2 * lo * step * h.sum + step * step * h.sum2;
}

// The working distance from a dot product and two squared norms.
double FromDot(Metric metric, double dot, double norm2_a, double norm2_b) {
  if (metric == Metric::kL2) return std::max(0.0, norm2_a + norm2_b - 2 * dot);
  return metric == Metric::kCosine ? 1 - dot : -dot;
}

// The relative error of sums of dim products in the float kernels, which keep 16 partial sums or
// more; one for products, conversions and the final sum.
double SumRounding(double dim) { return kFloatRounding * (16 + dim / 16); }

// The smallest float that is not below a value.
float RoundUpToFloat(double value) {
  const auto rounded = static_cast<float>(value);
  return rounded < value ? std::nextafter(rounded, INFINITY) : rounded;
}

// The estimate whose distance lies in the middle of an interval.
Estimate Between(double low, double high) {
  const auto middle = static_cast<float>((low + high) / 2);
  return {middle, RoundUpToFloat(std::max(high - middle, middle - low))};
}

// Writes the rotated, limited x[dim] and returns a bound of its distance from the exact rotation.
double RotateLimited(const CodecSpec& spec, const float* x, float* out) {
  const size_t dim = spec.dim;
  bool limited = false;
  for (size_t i = 0; i < dim; ++i) limited |= std::abs(x[i]) > kLargest;
  CopyLimited(x, dim, out);
  RotateRandomly(out, dim, spec.seed);
  if (limited) return INFINITY;
  double norm2 = 0;
  for (size_t i = 0; i < dim; ++i) norm2 += static_cast<double>(out[i]) * out[i];
  return kRotationRoundings * kFloatRounding * std::sqrt(norm2);
}

// Sum of squared reconstruction errors over some rows.
double SquaredError(const Codec& codec, const float* sample, size_t rows, size_t stride) {
  const size_t dim = codec.spec().dim;
  std::vector<uint8_t> code(codec.code_bytes());
  std::vector<float> decoded(dim), scratch(codec.scratch_floats());
  double sum = 0;
  for (size_t r = 0; r < rows; ++r) {
    const float* x = sample + r * stride * dim;
    codec.Encode(x, code.data(), scratch.data());
    codec.Decode(code.data(), decoded.data(), scratch.data());
    sum += vector::L2Squared(x, decoded.data(), dim);
  }
  return sum;
}

}  // namespace

size_t ScalarCodeBytes(const CodecSpec& spec) { return kHeadBytes + spec.dim; }

void ScalarEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch) {
  const size_t dim = codec.spec().dim;
  double rotation_error = 0;
  if (codec.spec().rotate) {
    rotation_error = RotateLimited(codec.spec(), x, scratch);
    x = scratch;
  }
  float low = x[0], high = x[0];
  for (size_t i = 1; i < dim; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  Head head = {};
  head.lo = low;
  // Doubles: the range of two floats may exceed float.
  head.step = static_cast<float>((static_cast<double>(high) - low) / kLevels);
  const double step = head.step, inverse = step > 0 ? 1 / step : 0;
  uint8_t* c = code + kHeadBytes;
  double absolute = 0, squared = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double above = static_cast<double>(x[i]) - low;
    const auto value = static_cast<uint32_t>(std::min(above * inverse + 0.5, kLevels));
    c[i] = static_cast<uint8_t>(value);
    head.sum += value;
    head.sum2 += value * value;
    const double error = above - step * value;
    absolute += std::abs(error);
    squared += error * error;
  }
  // Room for the rounding of the double sums.
  constexpr double kMore = 1 + 1e-9;
  const bool l1 = codec.spec().metric == Metric::kL1;
  head.error = RoundUpToFloat((l1 ? absolute : std::sqrt(squared)) * kMore + rotation_error);
  std::memcpy(code, &head, sizeof head);
}

void ScalarDecodeCoded(const Codec& codec, const uint8_t* code, float* y) {
  const Head head = LoadHead(code);
  ExpandBytes(code + kHeadBytes, head.lo, head.step, codec.spec().dim, y);
}

void ScalarDecode(const Codec& codec, const uint8_t* code, float* x, float*) {
  ScalarDecodeCoded(codec, code, x);
  if (codec.spec().rotate) RotateBack(x, codec.spec().dim, codec.spec().seed);
}

TrainStatus ScalarTrain(const float* sample, size_t n, Poll poll, Parameters* parameters) {
  constexpr size_t kRows = 512;
  constexpr double kClearlyBetter = 1.5;
  CodecSpec& spec = parameters->spec;
  if (n == 0 || spec.rotate || spec.metric == Metric::kL1) return TrainStatus::kOk;
  const size_t rows = std::min(n, kRows);
  double error[2];
  for (bool rotate : {false, true}) {
    spec.rotate = rotate;
    const std::vector<uint8_t> blob = Serialize(*parameters);
    Codec codec;
    const char* why;
    if (!Codec::Open(blob.data(), blob.size(), &codec, &why)) return TrainStatus::kUnsupported;
    if (poll.Stop()) return TrainStatus::kInterrupted;
    error[rotate] = SquaredError(codec, sample, rows, n / rows);
  }
  spec.rotate = error[true] * kClearlyBetter <= error[false] && error[false] > 0;
  return TrainStatus::kOk;
}

void QueryScorer::PrepareScalar() {
  const CodecSpec& spec = codec_.spec();
  const size_t dim = spec.dim;
  offset_ = spec.rotate ? RotateLimited(spec, query_.data(), query_.data()) : 0;
  double absolute = 0, largest = 0;
  sum_ = norm2_ = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double value = query_[i];
    sum_ += value;
    norm2_ += value * value;
    absolute += std::abs(value);
    largest = std::max(largest, std::abs(value));
  }
  if (spec.metric == Metric::kL1) return;
  // The finest 16-bit rounding whose products with 255 still add up inside 32 bits.
  constexpr double kRange = 32767, kSum = 2147483647.0 / 255;
  const double scale = largest > 0 ? std::min(kRange / largest, (kSum - dim) / absolute) : 0;
  step_ = scale > 0 ? 1 / scale : 0;
  rounded_.resize(dim);
  for (size_t i = 0; i < dim; ++i) {
    rounded_[i] = static_cast<int16_t>(std::lrint(query_[i] * scale));
  }
}

float QueryScorer::ScalarDistance(const uint8_t* code) const {
  const Head head = LoadHead(code);
  const size_t dim = codec_.spec().dim;
  const Metric metric = codec_.spec().metric;
  const uint8_t* c = code + kHeadBytes;
  if (metric == Metric::kL1) return vector::L1F32U8(query_.data(), c, head.lo, head.step, dim);
  const double products = step_ * vector::DotI16U8(rounded_.data(), c, dim);
  const double dot = head.lo * sum_ + head.step * products;
  return static_cast<float>(
      FromDot(metric, dot, norm2_, SquaredNorm(head, static_cast<double>(dim))));
}

Estimate QueryScorer::ScalarBound(const uint8_t* code) const {
  const Head head = LoadHead(code);
  const size_t n = codec_.spec().dim;
  const double dim = static_cast<double>(n), rounding = SumRounding(dim);
  const Metric metric = codec_.spec().metric;
  const uint8_t* c = code + kHeadBytes;
  const bool plausible = std::isfinite(head.lo) && std::isfinite(head.step) && head.step >= 0 &&
                         std::isfinite(head.error) && head.error >= 0;
  if (!plausible) return {0, INFINITY};
  if (metric == Metric::kL1) {
    const double distance = vector::L1F32U8(query_.data(), c, head.lo, head.step, n);
    const double magnitude = dim * std::abs(head.lo) + static_cast<double>(head.step) * head.sum;
    const double error =
        head.error + 2 * rounding * (distance + head.error) + 2 * kFloatRounding * magnitude;
    return Between(distance - error, distance + error);
  }
  const double products = vector::DotF32U8(query_.data(), c, n);
  if (!std::isfinite(products)) return {0, INFINITY};
  const double dot = head.lo * sum_ + head.step * products;
  const double norm2 = SquaredNorm(head, dim);
  const double query_norm = std::sqrt(norm2_), norm = std::sqrt(std::max(0.0, norm2));
  // What the float sum above may be off.
  const double dot_error = rounding * head.step * query_norm * std::sqrt(head.sum2);
  // |q||x - x^| + |error of q||x^|, and the rounding of the exact distance of the caller.
  const double product_error = query_norm * head.error + offset_ * norm + dot_error +
                               rounding * query_norm * (norm + head.error);
  if (metric == Metric::kInnerProduct) {
    return Between(-dot - product_error, -dot + product_error);
  }
  const double squared = norm2_ + norm2 - 2 * dot, error = head.error + offset_;
  const double nearest = std::sqrt(std::max(0.0, squared - 2 * dot_error)) - error;
  const double farthest = std::sqrt(std::max(0.0, squared + 2 * dot_error)) + error;
  const double low = nearest > 0 ? nearest * nearest * (1 - rounding) : 0;
  const double high = farthest * farthest * (1 + rounding);
  if (metric == Metric::kL2) return Between(low, high);
  // |q-x|^2 = |q|^2 + 1 - 2 <q,x>: tighter for near vectors than the product of the lengths.
  const double unit_error = 2 * rounding, rest = (1 - norm2_) / 2;
  return Between(std::max(1 - dot - product_error, rest + low / 2) - unit_error,
                 std::min(1 - dot + product_error, rest + high / 2) + unit_error);
}

float ScalarPairDistance(const Codec& codec, const uint8_t* a, const uint8_t* b) {
  const Head x = LoadHead(a), y = LoadHead(b);
  const size_t n = codec.spec().dim;
  const uint8_t* c = a + kHeadBytes;
  const uint8_t* d = b + kHeadBytes;
  if (codec.spec().metric == Metric::kL1) {
    constexpr size_t kChunk = 256;
    float values[kChunk];
    float sum = 0;
    for (size_t i = 0; i < n; i += kChunk) {
      const size_t count = std::min(kChunk, n - i);
      for (size_t j = 0; j < count; ++j) values[j] = x.lo + x.step * static_cast<float>(c[i + j]);
      sum += vector::L1F32U8(values, d + i, y.lo, y.step, count);
    }
    return sum;
  }
  const double dim = static_cast<double>(n);
  const double lo_x = x.lo, lo_y = y.lo, step_x = x.step, step_y = y.step;
  const double dot = dim * lo_x * lo_y + lo_x * step_y * y.sum + lo_y * step_x * x.sum +
                     step_x * step_y * vector::DotU8(c, d, n);
  return static_cast<float>(
      FromDot(codec.spec().metric, dot, SquaredNorm(x, dim), SquaredNorm(y, dim)));
}

}  // namespace helios::hnsw
