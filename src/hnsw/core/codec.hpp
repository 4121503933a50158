// Vector codecs of the HNSW index: 8-bit scalar (LVQ), product quantization and RaBitQ.
// Pure kernels: no PostgreSQL here; nothing throws except std::bad_alloc (Train, Prepare).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace helios::hnsw {

// Working distances, smaller is nearer: squared L2; -<q,x>; 1-<q,x> of vectors the caller has
// scaled to unit length; sum |q-x|.
enum class Metric : uint8_t { kL2 = 1, kInnerProduct, kCosine, kL1 };
enum class CodecKind : uint8_t { kScalar = 1, kProduct, kRabitq };

constexpr uint32_t kMaxDim = 16000;
constexpr uint32_t kMaxCentroids = 256;
constexpr uint32_t kMaxLearnedRotationDim = 2000;

struct CodecSpec {
  Metric metric = Metric::kL2;
  CodecKind kind = CodecKind::kScalar;
  uint32_t dim = 0;           // 1..kMaxDim
  uint32_t subquantizers = 0; // product: 1..dim, otherwise ignored
  uint32_t centroids = 0;     // product: 1..kMaxCentroids per subquantizer, otherwise ignored
  uint8_t bits = 0;           // rabitq: 1 or 4 per dimension, otherwise ignored
  bool rotate = false;        // product: learned (OPQ), dim <= kMaxLearnedRotationDim; scalar:
                              // random, Train may switch it on; rabitq: ignored; never with L1
  uint64_t seed = 0;          // same seed, sample and spec give the same model
};

// Says whether a spec is in range and its combination supported; *why gets a static text.
bool CheckSpec(const CodecSpec& spec, const char** why);

// Rows that Train needs: 0 scalar, 100 rabitq, max(256, 10 * centroids) product.
constexpr size_t MinimumTrainingRows(const CodecSpec& spec) {
  if (spec.kind == CodecKind::kScalar) return 0;
  if (spec.kind == CodecKind::kRabitq) return 100;
  return spec.centroids > 25 ? size_t{10} * spec.centroids : size_t{256};
}

// Rows beyond this number do not change a model: the caller need not sample more.
size_t UsefulTrainingRows(const CodecSpec& spec);

// Polled every few milliseconds of work; true stops the work.
using Interrupted = bool (*)(void* arg);

enum class TrainStatus { kOk, kInterrupted, kTooFewRows, kUnsupported };

// Makes the self-describing model blob from n x dim row-major finite floats (unit rows for cosine).
// The sample is thinned until the work space fits memory_limit_bytes, but never below
// MinimumTrainingRows. Deterministic on one kind of CPU (SIMD targets round differently);
// `interrupted` may be null; *model is valid only for kOk.
TrainStatus Train(const CodecSpec& spec, const float* sample, size_t n, size_t memory_limit_bytes,
                  Interrupted interrupted, void* arg, std::vector<uint8_t>* model);

// A checked view of a model blob (16-byte aligned, must outlive the view). Trivially destructible.
class Codec {
 public:
  // Checks everything, hostile bytes included; on failure *why gets a static text.
  static bool Open(const void* blob, size_t bytes, Codec* out, const char** why);
  // Bytes of one code.
  static size_t CodeBytes(const CodecSpec& spec);

  const CodecSpec& spec() const { return spec_; }
  size_t code_bytes() const { return code_bytes_; }
  // Floats of the caller's scratch buffer for Encode and Decode (may be 0: then null is fine).
  size_t scratch_floats() const { return scratch_floats_; }

  // Writes code_bytes() bytes for x[dim]; any finite floats are safe.
  void Encode(const float* x, uint8_t* code, float* scratch) const;
  // Reconstructs x[dim] in the original space; any code bytes are memory-safe.
  void Decode(const uint8_t* code, float* x, float* scratch) const;
  // Reconstructs x[coded_dim()] in the rotated space of the codes: cheap, and distances between two
  // of these are those between the originals decoded (rabitq: also those of the dimensions that pad
  // to a multiple of 64, a share of the error of both).
  void DecodeCoded(const uint8_t* code, float* x) const;
  size_t coded_dim() const { return coded_dim_; }

  // Parameters inside the blob, for the kernels; null where the kind has none.
  const float* rotation() const { return rotation_; }    // product: dim x dim, row-major
  const float* codebooks() const { return codebooks_; }  // product: see product.cpp
  const float* mean() const { return mean_; }            // rabitq: coded_dim, rotated
  float bias() const { return bias_; }                   // product: weight of the residual
  float spread() const { return spread_; }               // product, rabitq: width of Bound

 private:
  CodecSpec spec_;
  size_t code_bytes_ = 0;
  size_t scratch_floats_ = 0;
  size_t coded_dim_ = 0;
  const float* rotation_ = nullptr;
  const float* codebooks_ = nullptr;
  const float* mean_ = nullptr;
  float bias_ = 0;
  float spread_ = 0;
};

// The exact working distance lies in distance +- error: surely (scalar) or very probably.
struct Estimate {
  float distance;
  float error;  // >= 0, infinity when unknown
};

// One query against many codes; the codec's blob must outlive it. Codes may be unaligned.
class QueryScorer {
 public:
  void Prepare(const Codec& codec, const float* query);
  // The hot loop: working distance of the query to a code.
  float Distance(const uint8_t* code) const;
  // Scalar: certain, by the triangle inequality, for the distance in float kernels; the distance is
  // the middle of the interval. Product and rabitq: what covered 99.95 % of the near and of all
  // pairs of sample rows, plus 25 %.
  Estimate Bound(const uint8_t* code) const;

 private:
  void PrepareScalar();
  void PrepareProduct();
  void PrepareRabitq();
  float ScalarDistance(const uint8_t* code) const;
  float ProductDistance(const uint8_t* code) const;
  float RabitqDistance(const uint8_t* code) const;
  Estimate ScalarBound(const uint8_t* code) const;
  Estimate ProductBound(const uint8_t* code) const;
  Estimate RabitqBound(const uint8_t* code) const;

  Codec codec_;
  std::vector<float> query_;     // in the space of the codes
  std::vector<int16_t> rounded_; // scalar, rabitq 4 bits: query_ in integers
  std::vector<float> table_;     // product: 256 entries per code byte or subquantizer
  std::vector<uint64_t> planes_; // rabitq 1 bit: signs and magnitudes of query_ in bit planes
  double sum_ = 0, norm2_ = 0, step_ = 0, offset_ = 0;
};

// Working distance between two scalar codes of one codec, by integer arithmetic except L1.
float ScalarPairDistance(const Codec& codec, const uint8_t* a, const uint8_t* b);

}  // namespace helios::hnsw
