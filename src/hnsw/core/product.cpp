// Product quantization (Jegou, Douze, Schmid, TPAMI 2011) with an optional learned rotation
// (OPQ: Ge, He, Ke, Sun, "Optimized Product Quantization", CVPR 2013).
//
// Codebook of subspace m, at codebooks + begin(m) * stride: coordinate i of centroid j is
// [i * stride + j]; entries from `centroids` to stride repeat the last centroid.
//
// Code, packed: subquantizers x b bits, lowest first, b = ceil(log2(centroids)), zero bits up to a
// byte, then float residual = |x - x^|^2 (L1: sum |x - x^|). The estimate is the table sum plus
// bias * residual: bias would be 1 for random pairs and is -1 for a vector and itself, so it is
// fitted to near pairs of the sample. Cosine is half the squared distance of unit vectors.
#include "hnsw/core/kernels.hpp"
#include "hnsw/core/kmeans.hpp"
#include "hnsw/core/model.hpp"
#include "hnsw/core/opq.hpp"
#include "vector/core/distance.hpp"

namespace helios::hnsw {
namespace {

constexpr size_t kByteValues = 256;
constexpr size_t kRowsPerCentroid = 128;
constexpr size_t kFewestRows = 8192;
constexpr size_t kMostFloats = size_t{1} << 26;
constexpr size_t kRounds = 20;

size_t PackedBytes(const CodecSpec& spec) {
  return (size_t{spec.subquantizers} * SubcodeBits(spec) + 7) / 8;
}

size_t SubspaceDim(const CodecSpec& spec, size_t m) {
  return SubspaceBegin(spec, m + 1) - SubspaceBegin(spec, m);
}

const float* Codebook(const Codec& codec, size_t m) {
  return codec.codebooks() + SubspaceBegin(codec.spec(), m) * CodebookStride(codec.spec());
}

// Sets b bits of a zeroed code.
void PutSubcode(uint8_t* code, size_t index, unsigned b, uint32_t value) {
  const size_t bit = index * b;
  const uint32_t shifted = value << (bit % 8);
  code[bit / 8] |= static_cast<uint8_t>(shifted);
  if (bit % 8 + b > 8) code[bit / 8 + 1] |= static_cast<uint8_t>(shifted >> 8);
}

// Reads b <= 8 bits.
inline uint8_t GetSubcode(const uint8_t* code, size_t index, unsigned b) {
  if (b == 0) return 0;
  const size_t bit = index * b;
  uint32_t word = code[bit / 8];
  if (bit % 8 + b > 8) word |= static_cast<uint32_t>(code[bit / 8 + 1]) << 8;
  return static_cast<uint8_t>(word >> (bit % 8) & ((1u << b) - 1));
}

TableTerm TermOf(Metric metric) {
  switch (metric) {
    case Metric::kInnerProduct:
      return TableTerm::kNegativeDot;
    case Metric::kL1:
      return TableTerm::kAbsolute;
    default:
      return TableTerm::kSquare;
  }
}

// out[dim] = x, limited and rotated; room[dim] is scratch.
void IntoCodeSpace(const Codec& codec, const float* x, float* out, float* room) {
  const size_t dim = codec.spec().dim;
  if (codec.rotation() == nullptr) return CopyLimited(x, dim, out);
  CopyLimited(x, dim, room);
  for (size_t i = 0; i < dim; ++i) out[i] = vector::Dot(codec.rotation() + i * dim, room, dim);
}

// Adds up the entries of codes whose bits do not divide a byte, a stack buffer at a time.
float SumUnpacked(const float* table, const uint8_t* code, size_t count, unsigned b) {
  constexpr size_t kChunk = 64;
  uint8_t codes[kChunk];
  const size_t values = size_t{1} << b;
  float sum = 0;
  for (size_t m = 0; m < count; m += kChunk) {
    const size_t n = std::min(kChunk, count - m);
    for (size_t i = 0; i < n; ++i) codes[i] = GetSubcode(code, m + i, b);
    sum += vector::SumPqTable(table + m * values, codes, n, values);
  }
  return sum;
}

// Whole codes per byte, so that one table entry can stand for a byte; 0 if codes straddle bytes.
size_t CodesPerByte(unsigned b) { return b != 0 && 8 % b == 0 ? 8 / b : 0; }

}  // namespace

size_t ProductCodeBytes(const CodecSpec& spec) { return PackedBytes(spec) + sizeof(float); }

float ProductResidual(const Codec& codec, const uint8_t* code) {
  return LoadFloat(code + PackedBytes(codec.spec()));
}

void ProductDecodeCoded(const Codec& codec, const uint8_t* code, float* y) {
  const CodecSpec& spec = codec.spec();
  const size_t stride = CodebookStride(spec);
  const unsigned b = SubcodeBits(spec);
  for (size_t m = 0; m < spec.subquantizers; ++m) {
    const size_t j = std::min<size_t>(GetSubcode(code, m, b), spec.centroids - 1);
    const float* codebook = Codebook(codec, m);
    float* out = y + SubspaceBegin(spec, m);
    for (size_t i = 0; i < SubspaceDim(spec, m); ++i) out[i] = codebook[i * stride + j];
  }
}

void ProductEncode(const Codec& codec, const float* x, uint8_t* code, float* scratch) {
  const CodecSpec& spec = codec.spec();
  const size_t dim = spec.dim;
  float* y = scratch;
  float* decoded = scratch + dim;
  float* table = decoded + dim;
  IntoCodeSpace(codec, x, y, decoded);
  std::memset(code, 0, codec.code_bytes());
  const TableTerm term = spec.metric == Metric::kL1 ? TableTerm::kAbsolute : TableTerm::kSquare;
  const unsigned b = SubcodeBits(spec);
  for (size_t m = 0; m < spec.subquantizers && b != 0; ++m) {
    SubspaceTable(term, y + SubspaceBegin(spec, m), Codebook(codec, m), SubspaceDim(spec, m),
                  CodebookStride(spec), table);
    PutSubcode(code, m, b, static_cast<uint32_t>(MinIndex(table, spec.centroids)));
  }
  ProductDecodeCoded(codec, code, decoded);
  StoreFloat(code + PackedBytes(spec), spec.metric == Metric::kL1
                                           ? vector::L1(y, decoded, dim)
                                           : vector::L2Squared(y, decoded, dim));
}

void ProductDecode(const Codec& codec, const uint8_t* code, float* x, float* scratch) {
  const size_t dim = codec.spec().dim;
  if (codec.rotation() == nullptr) return ProductDecodeCoded(codec, code, x);
  ProductDecodeCoded(codec, code, scratch);
  MatMul(scratch, dim, codec.rotation(), dim, nullptr, x, dim, 1, dim, dim);
}

void QueryScorer::PrepareProduct() {
  const CodecSpec& spec = codec_.spec();
  const size_t stride = CodebookStride(spec), count = spec.subquantizers;
  const unsigned b = SubcodeBits(spec);
  const size_t values = size_t{1} << b, per_byte = CodesPerByte(b);
  const size_t packed = PackedBytes(spec);
  std::vector<float> y(spec.dim), room(spec.dim), row(stride);
  IntoCodeSpace(codec_, query_.data(), y.data(), room.data());
  query_ = std::move(y);
  norm2_ = vector::Dot(query_.data(), query_.data(), spec.dim);
  table_.assign(per_byte != 0 ? packed * kByteValues : count * values, 0);
  for (size_t m = 0; m < count; ++m) {
    SubspaceTable(TermOf(spec.metric), query_.data() + SubspaceBegin(spec, m), Codebook(codec_, m),
                  SubspaceDim(spec, m), stride, row.data());
    if (per_byte == 0) {
      for (size_t v = 0; v < values; ++v) {
        table_[m * values + v] = row[std::min<size_t>(v, spec.centroids - 1)];
      }
      continue;
    }
    float* bytes = table_.data() + m / per_byte * kByteValues;
    const size_t shift = m % per_byte * b;
    for (size_t v = 0; v < kByteValues; ++v) {
      bytes[v] += row[std::min<size_t>(v >> shift & (values - 1), spec.centroids - 1)];
    }
  }
  // One centroid: no code bits, the same distance for all.
  offset_ = 0;
  if (b == 0) {
    for (float value : table_) offset_ += value;
  }
}

float QueryScorer::ProductDistance(const uint8_t* code) const {
  const CodecSpec& spec = codec_.spec();
  const unsigned b = SubcodeBits(spec);
  const size_t packed = PackedBytes(spec);
  float sum;
  if (CodesPerByte(b) != 0) {
    sum = vector::SumPqTable(table_.data(), code, packed, kByteValues);
  } else if (b != 0) {
    sum = SumUnpacked(table_.data(), code, spec.subquantizers, b);
  } else {
    sum = static_cast<float>(offset_);
  }
  sum += codec_.bias() * LoadFloat(code + packed);
  return spec.metric == Metric::kCosine ? 0.5f * sum : sum;
}

Estimate QueryScorer::ProductBound(const uint8_t* code) const {
  const Metric metric = codec_.spec().metric;
  const float distance = ProductDistance(code);
  const double residual = ProductResidual(codec_, code);
  // The error is a dot product with the residual vector: it grows with the other vector's length.
  double scale = 0;
  switch (metric) {
    case Metric::kL1:
      scale = residual;
      break;
    case Metric::kInnerProduct:
      scale = std::sqrt(residual * norm2_);
      break;
    case Metric::kL2:
    case Metric::kCosine: {
      const double squared = metric == Metric::kL2 ? distance : 2 * distance;
      scale = std::sqrt(residual * (std::max(0.0, squared - codec_.bias() * residual) + residual));
      break;
    }
  }
  const double magnitude = norm2_ + std::abs(distance);
  return {distance, static_cast<float>(codec_.spread() * scale + kRounding * magnitude)};
}

size_t UsefulTrainingRows(const CodecSpec& spec) {
  constexpr size_t kScalarRows = 4096, kMeanRows = 16384;
  switch (spec.kind) {
    case CodecKind::kScalar:
      return spec.metric == Metric::kL1 ? 0 : kScalarRows;
    case CodecKind::kRabitq:
      return kMeanRows;
    case CodecKind::kProduct:
      break;
  }
  const size_t wanted = std::max(kRowsPerCentroid * spec.centroids, kFewestRows);
  const size_t rows = std::min(wanted, kMostFloats / spec.dim);
  return std::max(MinimumTrainingRows(spec), rows);
}

TrainStatus ProductTrain(const float* sample, size_t n, size_t memory, Poll poll,
                         Parameters* parameters) {
  const CodecSpec& spec = parameters->spec;
  const size_t stride = CodebookStride(spec), dim = spec.dim;
  const size_t bytes_per_row = SubspaceDim(spec, 0) * sizeof(float) + KMeans::kBytesPerRow;
  const size_t fitting = std::max(MinimumTrainingRows(spec), memory / bytes_per_row);
  const size_t rows = std::min({n, UsefulTrainingRows(spec), fitting});
  Random random(spec.seed);
  if (spec.rotate &&
      !LearnRotation(spec, sample, n, memory, poll, &random, &parameters->rotation)) {
    return TrainStatus::kInterrupted;
  }
  parameters->codebooks.resize(dim * stride);
  std::vector<float> slice(rows * SubspaceDim(spec, 0)), limited(dim);
  for (size_t m = 0; m < spec.subquantizers; ++m) {
    const size_t begin = SubspaceBegin(spec, m), width = SubspaceDim(spec, m);
    size_t work = 0;
    for (size_t r = 0; r < rows; ++r) {
      const float* x = sample + r * n / rows * dim;
      float* out = slice.data() + r * width;
      if (!spec.rotate) {
        CopyLimited(x + begin, width, out);
        continue;
      }
      if ((work += dim * width) >= kWorkPerPoll) {
        if (poll.Stop()) return TrainStatus::kInterrupted;
        work = 0;
      }
      CopyLimited(x, dim, limited.data());
      const float* line = parameters->rotation.data() + begin * dim;
      for (size_t i = 0; i < width; ++i) out[i] = vector::Dot(line + i * dim, limited.data(), dim);
    }
    KMeans kmeans(slice.data(), rows, width, spec.centroids, &random);
    kmeans.Seed();
    if (!kmeans.Run(kRounds, poll)) return TrainStatus::kInterrupted;
    kmeans.WriteCodebook(parameters->codebooks.data() + begin * stride);
  }
  return TrainStatus::kOk;
}

}  // namespace helios::hnsw
