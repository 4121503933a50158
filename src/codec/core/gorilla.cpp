// XOR with the value before (Pelkonen et al. 2015, "Gorilla", section 4.1.2), each vector by itself.
//
//   body, a vector   | bits: the first value, then for each further one, of its XOR with the one before:
//     0                                          it is zero
//     1 0 | bits of the window                   its set bits lie in the window of the one before
//     1 1 | leading zeros 5 | length - 1 6 | bits   a new window; 5 bits of length for kFloat
#include <bit>

#include "codec/core/bitpack_scalar.hpp"
#include "codec/core/bytes.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

constexpr unsigned kLeadingBits = 5;
constexpr unsigned kMostLeading = (1u << kLeadingBits) - 1;

// The unsigned integer as wide as T, and what depends on the width.
template <typename T>
using WordOf = std::conditional_t<sizeof(T) == sizeof(uint64_t), uint64_t, uint32_t>;
template <typename T>
constexpr unsigned kBits = 8 * sizeof(T);
template <typename T>
constexpr unsigned kLengthBits = std::countr_zero(kBits<T>);

// Which bits of a XOR are stored.
struct Window {
  unsigned leading = 0, length = 0;  // 0: none yet
};

// Writes bits behind each other.
class BitWriter {
 public:
  explicit BitWriter(std::vector<uint8_t> *out) : out_(out), begin_(out->size()) {}

  void Put(uint64_t value, unsigned width) {
    const size_t bytes = PackedBytes(bits_ + width, 1);
    out_->resize(begin_ + bytes);
    scalar::SetBitsAt(out_->data() + begin_, bytes, bits_, width, value);
    bits_ += width;
  }

 private:
  std::vector<uint8_t> *out_;
  size_t begin_, bits_ = 0;
};

// Reads bits; false when too few are left.
class BitReader {
 public:
  explicit BitReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool Get(unsigned width, uint64_t *value) {
    if (width > bytes_.size() * 8 - bit_) return false;
    *value = scalar::BitsAt(bytes_.data(), bytes_.size(), bit_, width);
    bit_ += width;
    return true;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t bit_ = 0;
};

template <typename T>
void PutXor(WordOf<T> word, Window *window, BitWriter *writer) {
  if (word == 0) return writer->Put(0, 1);
  writer->Put(1, 1);
  const unsigned leading = std::min<unsigned>(std::countl_zero(word), kMostLeading);
  const unsigned length = kBits<T> - leading - std::countr_zero(word);
  const unsigned below = kBits<T> - window->leading - window->length;
  if (window->length > 0 && leading >= window->leading &&
      static_cast<unsigned>(std::countr_zero(word)) >= below) {
    writer->Put(0, 1);
    return writer->Put(word >> below, window->length);
  }
  *window = {leading, length};
  writer->Put(1, 1);
  writer->Put(leading, kLeadingBits);
  writer->Put(length - 1, kLengthBits<T>);
  writer->Put(word >> (kBits<T> - leading - length), length);
}

template <typename T>
bool GetXor(Window *window, BitReader *reader, WordOf<T> *word) {
  uint64_t differs, fresh, leading, length, bits;
  *word = 0;
  if (!reader->Get(1, &differs)) return false;
  if (differs == 0) return true;
  if (!reader->Get(1, &fresh)) return false;
  if (fresh != 0) {
    if (!reader->Get(kLeadingBits, &leading) || !reader->Get(kLengthBits<T>, &length)) return false;
    *window = {static_cast<unsigned>(leading), static_cast<unsigned>(length) + 1};
  }
  if (window->length == 0 || window->leading + window->length > kBits<T>) return false;
  if (!reader->Get(window->length, &bits)) return false;
  *word = static_cast<WordOf<T>>(bits << (kBits<T> - window->leading - window->length));
  return true;
}

template <typename T>
Status Encode(const Column &column, Stop, std::vector<uint8_t> *out) {
  const Shape shape = ShapeOf(column);
  VectorWriter vectors(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const T *values = ArrayOf<T>(column) + index * kVectorValues;
    BitWriter writer(out);
    Window window;
    WordOf<T> before = std::bit_cast<WordOf<T>>(values[0]);
    writer.Put(before, kBits<T>);
    for (size_t i = 1; i < shape.values_of(index); ++i) {
      const WordOf<T> word = std::bit_cast<WordOf<T>>(values[i]);
      PutXor<T>(word ^ before, &window, &writer);
      before = word;
    }
    vectors.End();
  }
  return Status::kOk;
}

template <typename T>
class GorillaDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    return table_.Open(shape, body);
  }

  Status Read(size_t index, const Target &target) override {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    BitReader reader(bytes);
    Window window;
    uint64_t first;
    if (!reader.Get(kBits<T>, &first)) return Status::kCorrupted;
    WordOf<T> word = static_cast<WordOf<T>>(first);
    T *places = PlacesOf<T>(target);
    places[0] = std::bit_cast<T>(word);
    for (size_t i = 1; i < shape_.values_of(index); ++i) {
      WordOf<T> difference;
      if (!GetXor<T>(&window, &reader, &difference)) return Status::kCorrupted;
      word ^= difference;
      places[i] = std::bit_cast<T>(word);
    }
    return Status::kOk;
  }

 private:
  Shape shape_;
  VectorTable table_;
};

constexpr double kXorNanoseconds = 6;

constexpr Scheme kSchemes[] = {
    {Codec::kGorilla, Kind::kFloat, Encode<float>, MakeDecoder<GorillaDecoder<float>>,
     kXorNanoseconds},
    {Codec::kGorilla, Kind::kDouble, Encode<double>, MakeDecoder<GorillaDecoder<double>>,
     kXorNanoseconds},
};

}  // namespace

std::span<const Scheme> GorillaSchemes() { return kSchemes; }

}  // namespace helios::codec
