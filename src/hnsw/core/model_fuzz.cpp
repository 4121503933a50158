// Feeds model blobs, as they are and resealed with a valid checksum, and hostile codes to every
// codec; the corpus is regress/fuzz/model.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "hnsw/core/model.hpp"

namespace {

using helios::hnsw::Codec;
using helios::hnsw::CodecKind;

// Encodes, decodes and scores with an opened model; input bytes serve as code.
void Use(const Codec& codec, const uint8_t* data, size_t size) {
  const size_t dim = codec.spec().dim;
  std::vector<float> x(dim), coded(codec.coded_dim()), scratch(codec.scratch_floats());
  for (size_t i = 0; i < dim; ++i) x[i] = static_cast<float>(data[i % size]) - 100;
  std::vector<uint8_t> honest(codec.code_bytes()), hostile(codec.code_bytes());
  for (size_t i = 0; i < hostile.size(); ++i) hostile[i] = data[size - 1 - i % size];
  codec.Encode(x.data(), honest.data(), scratch.data());
  helios::hnsw::QueryScorer scorer;
  scorer.Prepare(codec, x.data());
  for (const std::vector<uint8_t>& code : {honest, hostile}) {
    scorer.Distance(code.data());
    const helios::hnsw::Estimate estimate = scorer.Bound(code.data());
    if (!(estimate.error >= 0)) std::abort();
    codec.Decode(code.data(), x.data(), scratch.data());
    codec.DecodeCoded(code.data(), coded.data());
    if (codec.spec().kind == CodecKind::kScalar) {
      helios::hnsw::ScalarPairDistance(codec, honest.data(), code.data());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeaderBytes = 64, kBytesAt = 8;
  if (size == 0) return 0;
  // operator new aligns to 16 bytes.
  std::vector<uint8_t> blob(data, data + size);
  Codec codec;
  const char* why = nullptr;
  if (Codec::Open(blob.data(), blob.size(), &codec, &why)) {
    Use(codec, data, size);
  } else if (why == nullptr) {
    std::abort();
  }
  if (size < kHeaderBytes) return 0;
  const uint64_t bytes = size;
  std::memcpy(blob.data() + kBytesAt, &bytes, sizeof bytes);
  helios::hnsw::Seal(blob.data(), blob.size());
  if (Codec::Open(blob.data(), blob.size(), &codec, &why)) Use(codec, data, size);
  return 0;
}
