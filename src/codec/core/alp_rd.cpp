// Real doubles (Afroozeh et al. 2023, section 3.4, "ALP_rd"): the front bits of values, which vary
// little, by a dictionary of eight; the rest as it is, packed.
//
//   body     | rest bits u8 | entries u8: 1 to 8 | their front bits u16 … | table of vectors |
//   vector   | exceptions u16 | rests, packed | codes, packed | positions of the exceptions, 10 bits
//            | each | their front bits u16 … |
#include <algorithm>
#include <bit>

#include "codec/core/bitpack.hpp"
#include "codec/core/block.hpp"
#include "codec/core/scheme.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

constexpr unsigned kMaxFrontBits = 16;
constexpr size_t kMaxEntries = 8;
constexpr size_t kSampledValues = 2048;

template <typename T>
using WordOf = std::conditional_t<sizeof(T) == sizeof(uint64_t), uint64_t, uint32_t>;
template <typename T>
constexpr unsigned kBits = 8 * sizeof(T);

// Where values are cut, and the front bits that are coded.
struct Cut {
  unsigned rest_bits = 0;
  std::vector<uint16_t> entries;

  unsigned code_bits() const { return static_cast<unsigned>(std::bit_width(entries.size() - 1)); }
};

// Takes the most frequent front bits of a sample for a cut; gives the bits that the sample would take.
template <typename T>
size_t MakeCut(std::span<const uint64_t> sample, unsigned rest_bits, Cut *cut) {
  std::vector<uint16_t> fronts;
  for (const uint64_t word : sample) fronts.push_back(static_cast<uint16_t>(word >> rest_bits));
  std::sort(fronts.begin(), fronts.end());
  std::vector<std::pair<size_t, uint16_t>> uses;
  for (size_t i = 0; i < fronts.size(); ++i) {
    if (i == 0 || fronts[i] != fronts[i - 1]) uses.push_back({0, fronts[i]});
    ++uses.back().first;
  }
  std::sort(uses.rbegin(), uses.rend());
  cut->rest_bits = rest_bits;
  cut->entries.clear();
  size_t coded = 0;
  for (size_t i = 0; i < std::min(uses.size(), kMaxEntries); ++i) {
    cut->entries.push_back(uses[i].second);
    coded += uses[i].first;
  }
  return sample.size() * (rest_bits + cut->code_bits()) +
         (sample.size() - coded) * (kMaxFrontBits + kPositionBits);
}

template <typename T>
Cut BestCut(const Column &column) {
  const size_t sampled = std::min(column.count, kSampledValues);
  std::vector<uint64_t> sample(sampled);
  for (size_t i = 0; i < sampled; ++i) {
    sample[i] = std::bit_cast<WordOf<T>>(ArrayOf<T>(column)[i * column.count / sampled]);
  }
  Cut best, cut;
  size_t best_bits = SIZE_MAX;
  for (unsigned front_bits = 1; front_bits <= kMaxFrontBits; ++front_bits) {
    const size_t bits = MakeCut<T>(sample, kBits<T> - front_bits, &cut);
    if (bits >= best_bits) continue;
    best_bits = bits;
    best = cut;
  }
  return best;
}

void AppendPacked(const uint64_t *values, size_t count, unsigned width, std::vector<uint8_t> *out) {
  const size_t at = out->size();
  out->resize(at + PackedBytes(count, width));
  Pack(values, count, width, 0, out->data() + at);
}

template <typename T>
Status Encode(const Column &column, Stop, std::vector<uint8_t> *out) {
  if (column.count == 0) return Status::kUnfit;
  const Shape shape = ShapeOf(column);
  const Cut cut = BestCut<T>(column);
  Append(out, static_cast<uint8_t>(cut.rest_bits));
  Append(out, static_cast<uint8_t>(cut.entries.size()));
  AppendArray(out, cut.entries.data(), cut.entries.size());
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const T *values = ArrayOf<T>(column) + index * kVectorValues;
    const size_t count = shape.values_of(index);
    uint64_t rests[kVectorValues], codes[kVectorValues], positions[kVectorValues];
    uint16_t fronts[kVectorValues];
    size_t exceptions = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t word = std::bit_cast<WordOf<T>>(values[i]);
      const uint16_t front = static_cast<uint16_t>(word >> cut.rest_bits);
      const auto entry = std::find(cut.entries.begin(), cut.entries.end(), front);
      rests[i] = word;
      codes[i] = static_cast<uint64_t>(entry - cut.entries.begin());
      if (entry != cut.entries.end()) continue;
      codes[i] = 0;
      positions[exceptions] = i;
      fronts[exceptions++] = front;
    }
    Append(out, static_cast<uint16_t>(exceptions));
    AppendPacked(rests, count, cut.rest_bits, out);
    AppendPacked(codes, count, cut.code_bits(), out);
    AppendBits(out, positions, exceptions, kPositionBits);
    AppendArray(out, fronts, exceptions);
    writer.End();
  }
  return Status::kOk;
}

template <typename T>
class AlpRdDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    constexpr size_t kHead = 2 * sizeof(uint8_t);
    if (const Status status = body->Need(0, kHead); status != Status::kOk) return status;
    rest_bits_ = body->data()[0];
    const size_t entries = body->data()[1];
    if (rest_bits_ >= kBits<T> || rest_bits_ + kMaxFrontBits < kBits<T> || entries == 0 ||
        entries > kMaxEntries) {
      return Status::kCorrupted;
    }
    const size_t bytes = entries * sizeof(uint16_t);
    if (const Status status = body->Need(kHead, bytes); status != Status::kOk) return status;
    code_bits_ = static_cast<unsigned>(std::bit_width(entries - 1));
    std::fill_n(fronts_, kMaxEntries, 0);
    for (size_t i = 0; i < entries; ++i) fronts_[i] = Load<uint16_t>(body->data() + kHead, i);
    return table_.Open(shape, body, kHead + bytes);
  }

  Status Read(size_t index, const Target &target) override {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    const size_t count = shape_.values_of(index);
    Cursor cursor(bytes);
    uint16_t exceptions;
    const uint8_t *rests, *codes, *fronts;
    Bits positions;
    if (!cursor.Take(&exceptions) || exceptions > kVectorValues ||
        !cursor.TakeBytes(PackedBytes(count, rest_bits_), &rests) ||
        !cursor.TakeBytes(PackedBytes(count, code_bits_), &codes) ||
        !positions.Take(&cursor, exceptions, kPositionBits) ||
        !cursor.TakeBytes(exceptions * sizeof(uint16_t), &fronts) || cursor.left() != 0) {
      return Status::kCorrupted;
    }
    alignas(64) uint64_t words[kVectorValues];
    UnpackJoined(rests, codes, count, rest_bits_, code_bits_, fronts_, words);
    // Positions have as many bits as there is room for values: hostile ones stay inside, though maybe
    // behind the values that were decoded.
    for (size_t i = 0; i < exceptions; ++i) {
      const size_t at = positions.At(i);
      if (at >= count) return Status::kCorrupted;
      const uint64_t front = Load<uint16_t>(fronts, i);
      words[at] = (words[at] & LowBits(rest_bits_)) | front << rest_bits_;
    }
    T *places = PlacesOf<T>(target);
    for (size_t i = 0; i < count; ++i) {
      places[i] = std::bit_cast<T>(static_cast<WordOf<T>>(words[i]));
    }
    return Status::kOk;
  }

 private:
  Shape shape_;
  VectorTable table_;
  unsigned rest_bits_ = 0, code_bits_ = 0;
  uint64_t fronts_[kMaxEntries] = {};
};

constexpr Scheme kSchemes[] = {
    {Codec::kAlpRd, Kind::kFloat, Encode<float>, MakeDecoder<AlpRdDecoder<float>>, 1.0},
    {Codec::kAlpRd, Kind::kDouble, Encode<double>, MakeDecoder<AlpRdDecoder<double>>, 1.0},
};

}  // namespace

std::span<const Scheme> AlpRdSchemes() { return kSchemes; }

}  // namespace helios::codec
