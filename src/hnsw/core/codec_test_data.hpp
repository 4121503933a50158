// Synthetic data shared by the codec tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "hnsw/core/codec.hpp"
#include "hnsw/core/random.hpp"

namespace helios::hnsw {

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine, Metric::kL1};

// What a test prints of a spec.
inline std::string Name(const CodecSpec& spec) {
  return "metric " + std::to_string(static_cast<int>(spec.metric)) + " kind " +
         std::to_string(static_cast<int>(spec.kind)) + " dim " + std::to_string(spec.dim) + " m " +
         std::to_string(spec.subquantizers) + " k " + std::to_string(spec.centroids) + " bits " +
         std::to_string(spec.bits) + " rotate " + std::to_string(spec.rotate);
}

// A nearly normal number of variance 1: four uniform ones of 16 bits, of variance 1/12 each.
inline float Normal(Random* random) {
  constexpr float kRange = 65536, kScale = 1.7320508f;
  const uint64_t bits = random->Next();
  float sum = 0;
  for (int shift = 0; shift < 64; shift += 16) sum += static_cast<float>(bits >> shift & 0xFFFF);
  return (sum / kRange - 2) * kScale;
}

// n x dim rows around 16 centres, off the origin; unit length when asked.
inline std::vector<float> Clustered(size_t n, size_t dim, uint64_t seed, bool unit) {
  constexpr size_t kCentres = 16;
  constexpr float kOffset = 0.5f, kNoise = 0.6f;
  Random random(seed);
  std::vector<float> centres(kCentres * dim), rows(n * dim);
  Random fixed(7);
  for (float& value : centres) value = Normal(&fixed) + kOffset;
  for (size_t r = 0; r < n; ++r) {
    const float* centre = centres.data() + random.Below(kCentres) * dim;
    double norm2 = 0;
    for (size_t i = 0; i < dim; ++i) {
      const float value = centre[i] + kNoise * Normal(&random);
      rows[r * dim + i] = value;
      norm2 += static_cast<double>(value) * value;
    }
    const auto length = static_cast<float>(std::sqrt(norm2));
    for (size_t i = 0; unit && i < dim; ++i) rows[r * dim + i] /= length;
  }
  return rows;
}

// A model and its aligned view.
struct TrainedCodec {
  std::vector<uint8_t> blob;
  Codec codec;
  std::vector<float> scratch;

  TrainStatus Make(const CodecSpec& spec, const std::vector<float>& sample) {
    constexpr size_t kMemory = size_t{64} << 20;
    const TrainStatus status = Train(spec, sample.data(), sample.size() / spec.dim, kMemory,
                                     nullptr, nullptr, &blob);
    const char* why = nullptr;
    // operator new aligns to 16 bytes.
    if (status == TrainStatus::kOk && !Codec::Open(blob.data(), blob.size(), &codec, &why)) {
      return TrainStatus::kUnsupported;
    }
    scratch.resize(codec.scratch_floats());
    return status;
  }
  std::vector<uint8_t> Encode(const float* x) {
    std::vector<uint8_t> code(codec.code_bytes());
    codec.Encode(x, code.data(), scratch.data());
    return code;
  }
  std::vector<float> Decode(const uint8_t* code) {
    std::vector<float> x(codec.spec().dim);
    codec.Decode(code, x.data(), scratch.data());
    return x;
  }
};

inline CodecSpec ScalarSpec(Metric metric, uint32_t dim) {
  return {.metric = metric, .kind = CodecKind::kScalar, .dim = dim, .seed = 3};
}
inline CodecSpec ProductSpec(Metric metric, uint32_t dim, uint32_t m, uint32_t k) {
  return {.metric = metric, .kind = CodecKind::kProduct, .dim = dim, .subquantizers = m,
          .centroids = k, .seed = 3};
}
inline CodecSpec RabitqSpec(Metric metric, uint32_t dim, uint8_t bits) {
  return {.metric = metric, .kind = CodecKind::kRabitq, .dim = dim, .bits = bits, .seed = 3};
}

}  // namespace helios::hnsw
