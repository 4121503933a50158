// Writing segments by a given encoding, and reading their headers.
#include "codec/core/segment.hpp"

#include "codec/core/bytes.hpp"

namespace helios::codec {
namespace {

constexpr uint16_t kMagic = 0x5343;  // 'CS'
constexpr uint8_t kVersion = 1;
// What a raw body may have beside its values.
constexpr size_t kRawHeadBytes = 16;

}  // namespace

void WriteHeader(const Shape &shape, Encoding encoding, std::vector<uint8_t> *out) {
  Append(out, kMagic);
  Append(out, kVersion);
  Append(out, shape.kind);
  Append(out, encoding.codec);
  Append(out, encoding.wrap);
  Append(out, uint16_t{0});
  Append(out, static_cast<uint32_t>(shape.count));
  Append(out, static_cast<uint32_t>(shape.value_bytes));
}

Status ReadHeader(std::span<const uint8_t> segment, Header *header) {
  Cursor cursor(segment);
  uint16_t magic, zero;
  uint8_t version, kind, codec, wrap;
  uint32_t count, value_bytes;
  if (!cursor.Take(&magic) || !cursor.Take(&version) || magic != kMagic) return Status::kCorrupted;
  if (version != kVersion) return Status::kUnknown;
  if (!cursor.Take(&kind) || !cursor.Take(&codec) || !cursor.Take(&wrap) || !cursor.Take(&zero) ||
      !cursor.Take(&count) || !cursor.Take(&value_bytes)) {
    return Status::kCorrupted;
  }
  if (zero != 0 || count > kMaxSegmentValues || kind < static_cast<uint8_t>(Kind::kInt) ||
      kind > static_cast<uint8_t>(Kind::kBytes)) {
    return Status::kCorrupted;
  }
  header->shape = {static_cast<Kind>(kind), count, value_bytes};
  header->encoding = {static_cast<Codec>(codec), static_cast<Wrap>(wrap)};
  header->scheme = FindScheme(header->encoding.codec, header->shape.kind);
  if (header->scheme == nullptr || header->encoding.wrap > Wrap::kZstd) return Status::kUnknown;
  if (header->shape.kind == Kind::kBytes) {
    const size_t least = count * sizeof(uint32_t);
    if (value_bytes < least || value_bytes - least > kMaxSegmentBytes) return Status::kCorrupted;
  } else if (value_bytes != ShapeOf({.kind = header->shape.kind, .count = count}).value_bytes) {
    return Status::kCorrupted;
  }
  return Status::kOk;
}

size_t LongestBody(const Shape &shape) { return shape.value_bytes + kRawHeadBytes; }

bool HasOwnForm(Codec codec, Kind kind) {
  const Scheme *scheme = FindScheme(codec, kind);
  return scheme != nullptr && scheme->encode_for_wrap != nullptr;
}

Status EncodeBody(const Column &column, Encoding encoding, Stop stop, std::vector<uint8_t> *body) {
  if (stop.requested()) return Status::kInterrupted;
  const Scheme *scheme = FindScheme(encoding.codec, column.kind);
  if (scheme == nullptr) return Status::kUnfit;
  const bool own_form = encoding.wrap != Wrap::kNone && scheme->encode_for_wrap != nullptr;
  body->clear();
  const Status status = (own_form ? scheme->encode_for_wrap : scheme->encode)(column, stop, body);
  if (status != Status::kOk) return status;
  const bool short_enough = encoding.codec == Codec::kRaw || body->size() < RawBytes(column);
  return short_enough ? Status::kOk : Status::kUnfit;
}

Status AppendSegment(const Shape &shape, Encoding encoding, std::span<const uint8_t> body,
                     int zstd_level, size_t frame_bytes, Stop stop, std::vector<uint8_t> *out) {
  const size_t at = out->size();
  WriteHeader(shape, encoding, out);
  if (encoding.wrap == Wrap::kNone) {
    AppendArray(out, body.data(), body.size());
    return Status::kOk;
  }
  Status status = WrapBody(encoding.wrap, body, zstd_level, frame_bytes, stop, out);
  if (status == Status::kOk && out->size() - at - kHeaderBytes >= body.size()) {
    status = Status::kUnfit;
  }
  if (status != Status::kOk) out->resize(at);
  return status;
}

Status EncodeFramed(const Column &column, Encoding encoding, int zstd_level, size_t frame_bytes,
                    Stop stop, std::vector<uint8_t> *out) {
  std::vector<uint8_t> body;
  const Status status = EncodeBody(column, encoding, stop, &body);
  if (status != Status::kOk) return status;
  return AppendSegment(ShapeOf(column), encoding, body, zstd_level, frame_bytes, stop, out);
}

Status EncodeAs(const Column &column, Encoding encoding, int zstd_level, Stop stop,
                std::vector<uint8_t> *out) {
  return EncodeFramed(column, encoding, zstd_level, kFrameBytes, stop, out);
}

Status Inspect(std::span<const uint8_t> segment, SegmentInfo *info) {
  Header header;
  if (const Status status = ReadHeader(segment, &header); status != Status::kOk) return status;
  *info = {header.shape.kind, header.encoding, header.shape.count, header.shape.value_bytes};
  return Status::kOk;
}

}  // namespace helios::codec
