// What the codecs share behind codec.hpp: model blobs, code layouts, training helpers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "hnsw/core/codec.hpp"

namespace helios::hnsw {

// The caller's stop button.
struct Poll {
  Interrupted interrupted;
  void* arg;
  bool Stop() const { return interrupted != nullptr && interrupted(arg); }
};

// Multiply-adds between two polls: at most a few milliseconds on the slowest target.
constexpr size_t kWorkPerPoll = size_t{1} << 24;

// What a training run finds out.
struct Parameters {
  CodecSpec spec;
  float bias = 0;
  float spread = 0;
  std::vector<float> rotation, codebooks, mean;
};

// Writes the blob of model.cpp's drawing.
std::vector<uint8_t> Serialize(const Parameters& parameters);
// Writes the checksum into a blob of at least a header's size, 64 bytes.
void Seal(uint8_t* blob, size_t bytes);

// Components of larger magnitude count as this one where squares are summed in floats.
constexpr float kLargest = 1e15f;

// Copies x[n] limited to +-kLargest.
inline void CopyLimited(const float* x, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = std::clamp(x[i], -kLargest, kLargest);
}

constexpr size_t RoundUp(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// Reads a float at any address.
inline float LoadFloat(const uint8_t* at) {
  float value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Writes a double as a float at any address, limited to finite values.
inline void StoreFloat(uint8_t* at, double value) {
  constexpr double kMax = 3.4e38;
  const float rounded = static_cast<float>(std::clamp(value, -kMax, kMax));
  std::memcpy(at, &rounded, sizeof rounded);
}

// Relative float rounding that every error bound leaves room for.
constexpr double kRounding = 4e-6;

// Product: floats per coordinate row of a codebook, and bits per subquantizer.
inline size_t CodebookStride(const CodecSpec& spec) { return RoundUp(spec.centroids, 16); }
inline unsigned SubcodeBits(const CodecSpec& spec) { return std::bit_width(spec.centroids - 1); }
// Product: first dimension of a subspace; the first dim % subquantizers have one dimension more.
inline size_t SubspaceBegin(const CodecSpec& spec, size_t m) {
  return m * (spec.dim / spec.subquantizers) + std::min<size_t>(m, spec.dim % spec.subquantizers);
}
// RaBitQ: dimensions after padding.
inline size_t PaddedDim(const CodecSpec& spec) { return RoundUp(spec.dim, 64); }

// The exact working distance of two vectors.
float WorkingDistance(Metric metric, const float* a, const float* b, size_t dim);

size_t ScalarCodeBytes(const CodecSpec& spec);
size_t ProductCodeBytes(const CodecSpec& spec);
size_t RabitqCodeBytes(const CodecSpec& spec);

void ScalarEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch);
void ProductEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch);
void RabitqEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch);

void ScalarDecode(const Codec& codec, const uint8_t* code, float* x, float* scratch);
void ProductDecode(const Codec& codec, const uint8_t* code, float* x, float* scratch);
void RabitqDecode(const Codec& codec, const uint8_t* code, float* x, float* scratch);

void ScalarDecodeCoded(const Codec& codec, const uint8_t* code, float* y);
void ProductDecodeCoded(const Codec& codec, const uint8_t* code, float* y);
void RabitqDecodeCoded(const Codec& codec, const uint8_t* code, float* y);

// Product: the residual stored with a code, |x-decode|^2, for L1 the sum of absolute differences.
float ProductResidual(const Codec& codec, const uint8_t* code);

// Fill parameters from rows[] of sample; only kOk and kInterrupted.
TrainStatus ScalarTrain(const float* sample, size_t n, Poll poll, Parameters* parameters);
TrainStatus ProductTrain(const float* sample, size_t n, size_t memory, Poll poll,
                         Parameters* parameters);
TrainStatus RabitqTrain(const float* sample, size_t n, Poll poll, Parameters* parameters);

// Measures bias (product) and spread on pairs of sample rows (calibrate.cpp).
TrainStatus Calibrate(const float* sample, size_t n, Poll poll, Parameters* parameters);

}  // namespace helios::hnsw
