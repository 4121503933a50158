// Writing and finding of nested segments.
#include "codec/core/nested.hpp"

#include "codec/core/bytes.hpp"

namespace helios::codec {
namespace {

bool MayNest(Codec outer, Codec inner) {
  if (inner == Codec::kDictionary) return outer == Codec::kRunLength;
  return inner != Codec::kRunLength;
}

}  // namespace

Status AppendNested(const Column &column, Codec outer, Stop stop, std::vector<uint8_t> *out) {
  std::vector<uint8_t> best, tried;
  for (const CodecInfo &info : Registry()) {
    if (!MayNest(outer, info.codec)) continue;
    tried.clear();
    const Status status = EncodeAs(column, {info.codec, Wrap::kNone}, 0, stop, &tried);
    if (status == Status::kInterrupted) return status;
    if (status == Status::kOk && (best.empty() || tried.size() < best.size())) best.swap(tried);
  }
  Append(out, static_cast<uint32_t>(best.size()));
  out->insert(out->end(), best.begin(), best.end());
  return Status::kOk;
}

Status FindNested(Body *body, size_t *at, Codec outer, Kind kind,
                  std::span<const uint8_t> *segment) {
  uint32_t bytes;
  if (const Status status = body->Need(*at, sizeof(bytes)); status != Status::kOk) return status;
  bytes = Load<uint32_t>(body->data() + *at);
  const size_t begin = *at + sizeof(bytes);
  if (const Status status = body->Need(begin, bytes); status != Status::kOk) return status;
  *segment = {body->data() + begin, bytes};
  *at = begin + bytes;
  SegmentInfo info;
  if (const Status status = Inspect(*segment, &info); status != Status::kOk) return status;
  const bool fits =
      info.kind == kind && info.encoding.wrap == Wrap::kNone && MayNest(outer, info.encoding.codec);
  return fits ? Status::kOk : Status::kCorrupted;
}

}  // namespace helios::codec
