// Writing segments by a given encoding, and reading their headers.
#include "codec/core/segment.hpp"

#include "codec/core/bytes.hpp"

namespace helios::codec {
namespace {

constexpr uint16_t kMagic = 0x5343;  // 'CS'
constexpr uint8_t kVersion = 1;
// What a raw body may have beside its values.
constexpr size_t kRawHeadBytes = 16;

// Encodes behind what is in *out; on failure leaves what was appended.
Status EncodeBehind(const Column &column, Encoding encoding, int zstd_level, size_t frame_bytes,
                    Stop stop, std::vector<uint8_t> *out) {
  const Scheme *scheme = FindScheme(encoding.codec, column.kind);
  if (scheme == nullptr) return Status::kUnfit;
  WriteHeader(ShapeOf(column), encoding, out);
  std::vector<uint8_t> unwrapped;
  const bool wrapped = encoding.wrap != Wrap::kNone;
  std::vector<uint8_t> *body = wrapped ? &unwrapped : out;
  const size_t body_at = body->size();
  const auto encode =
      wrapped && scheme->encode_for_wrap != nullptr ? scheme->encode_for_wrap : scheme->encode;
  if (const Status status = encode(column, stop, body); status != Status::kOk) {
    return status;
  }
  const size_t body_bytes = body->size() - body_at;
  if (encoding.codec != Codec::kRaw && body_bytes >= RawBytes(column)) return Status::kUnfit;
  if (!wrapped) return Status::kOk;
  const size_t wrapped_at = out->size();
  const Status status = WrapBody(encoding.wrap, unwrapped, zstd_level, frame_bytes, stop, out);
  if (status != Status::kOk) return status;
  return out->size() - wrapped_at < body_bytes ? Status::kOk : Status::kUnfit;
}

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

Status EncodeFramed(const Column &column, Encoding encoding, int zstd_level, size_t frame_bytes,
                    Stop stop, std::vector<uint8_t> *out) {
  if (stop.requested()) return Status::kInterrupted;
  const size_t at = out->size();
  const Status status = EncodeBehind(column, encoding, zstd_level, frame_bytes, stop, out);
  if (status != Status::kOk) out->resize(at);
  return status;
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
