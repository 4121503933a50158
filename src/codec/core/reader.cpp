// Opens segments, keeps the decoders and what was decoded last.
#include <array>
#include <cstring>

#include "codec/core/bitpack.hpp"
#include "codec/core/codec.hpp"
#include "codec/core/segment.hpp"

namespace helios::codec {
namespace {

constexpr size_t kKinds = static_cast<size_t>(Kind::kBytes) + 1;
constexpr size_t kCodecs = static_cast<size_t>(Codec::kLetters) + 1;
constexpr size_t kNone = SIZE_MAX;

}  // namespace

struct Reader::State {
  Header header = {};  // of a segment without values, if none is open
  Body body;
  Decoder *decoder = nullptr;                          // of the open segment
  std::unique_ptr<Decoder> decoders[kCodecs][kKinds];  // made when first needed
  std::unique_ptr<std::byte[]> room;                   // of kVectorValues of the widest kind
  size_t read = kNone;                                 // the vector that lies in `room`

  // The places of the open segment's kind.
  Target Places() {
    if (room == nullptr) room.reset(new std::byte[kVectorValues * sizeof(std::string_view)]);
    Target target;
    switch (header.shape.kind) {
      case Kind::kInt:
        target.ints = reinterpret_cast<int64_t *>(room.get());
        break;
      case Kind::kFloat:
        target.floats = reinterpret_cast<float *>(room.get());
        break;
      case Kind::kDouble:
        target.doubles = reinterpret_cast<double *>(room.get());
        break;
      case Kind::kBytes:
        target.strings = reinterpret_cast<std::string_view *>(room.get());
        break;
    }
    return target;
  }

  // Hands out `count` values from the place `first` on.
  void Give(const Target &target, size_t first, size_t count, Values *values) const {
    *values = {.count = count};
    if (target.ints != nullptr) values->ints = target.ints + first;
    if (target.floats != nullptr) values->floats = target.floats + first;
    if (target.doubles != nullptr) values->doubles = target.doubles + first;
    if (target.strings != nullptr) values->strings = target.strings + first;
  }
};

Reader::Reader() : state_(new State) {}
Reader::~Reader() { delete state_; }

Status Reader::Open(std::span<const uint8_t> segment) {
  State &state = *state_;
  state.header = {};
  state.read = kNone;
  Header header;
  if (const Status status = ReadHeader(segment, &header); status != Status::kOk) return status;
  auto &decoder = state.decoders[static_cast<size_t>(header.encoding.codec)]
                                [static_cast<size_t>(header.shape.kind)];
  if (decoder == nullptr) decoder = header.scheme->decoder();
  Status status = state.body.Open(header.encoding.wrap, segment.subspan(kHeaderBytes),
                                  LongestBody(header.shape));
  if (status == Status::kOk) status = decoder->Open(header.shape, &state.body);
  if (status != Status::kOk) return status;
  state.header = header;
  state.decoder = decoder.get();
  return Status::kOk;
}

Kind Reader::kind() const { return state_->header.shape.kind; }
Encoding Reader::encoding() const { return state_->header.encoding; }
size_t Reader::count() const { return state_->header.shape.count; }

Status Reader::Read(size_t index, Values *values) {
  State &state = *state_;
  if (index >= vectors()) return Status::kCorrupted;
  const Target target = state.Places();
  if (state.read != index) {
    state.read = kNone;
    const Status status = state.decoder->Read(index, target);
    if (status != Status::kOk) return status;
    state.read = index;
  }
  state.Give(target, 0, state.header.shape.values_of(index), values);
  return Status::kOk;
}

Status Reader::ReadOne(size_t position, Values *value) {
  State &state = *state_;
  if (position >= count()) return Status::kCorrupted;
  const Target target = state.Places();
  if (state.read != position / kVectorValues) {
    state.read = kNone;
    const Status status = state.decoder->ReadOne(position, target);
    if (status == Status::kOk) state.Give(target, 0, 1, value);
    if (status != Status::kUnfit) return status;
    Values values;
    if (const Status read = Read(position / kVectorValues, &values); read != Status::kOk)
      return read;
  }
  state.Give(target, position % kVectorValues, 1, value);
  return Status::kOk;
}

Status Reader::SelectEqual(size_t index, int64_t value, Selection *selection) {
  return SelectRange(index, value, value, selection);
}

Status Reader::SelectRange(size_t index, int64_t low, int64_t high, Selection *selection) {
  State &state = *state_;
  *selection = {};
  if (index >= vectors() || kind() != Kind::kInt) return Status::kCorrupted;
  if (low > high) return Status::kOk;
  if (state.read != index) {
    const Status status = state.decoder->SelectRange(index, low, high, selection);
    if (status != Status::kUnfit) return status;
  }
  Values values;
  if (const Status status = Read(index, &values); status != Status::kOk) return status;
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  SelectSpan(reinterpret_cast<const uint64_t *>(values.ints), values.count,
             static_cast<uint64_t>(low), span, selection->words);
  return Status::kOk;
}

Status Reader::SelectEqual(size_t index, std::string_view value, Selection *selection) {
  State &state = *state_;
  *selection = {};
  if (index >= vectors() || kind() != Kind::kBytes) return Status::kCorrupted;
  if (state.read != index) {
    const Status status = state.decoder->SelectEqual(index, value, selection);
    if (status != Status::kUnfit) return status;
  }
  Values values;
  if (const Status status = Read(index, &values); status != Status::kOk) return status;
  for (size_t i = 0; i < values.count; ++i) {
    const uint64_t fits = values.strings[i] == value;
    selection->words[i / 64] |= fits << (i % 64);
  }
  return Status::kOk;
}

}  // namespace helios::codec
