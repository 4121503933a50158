// Compressing and decompressing the frames that wrap.hpp draws.
#include "codec/core/wrap.hpp"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "codec/core/bytes.hpp"

namespace helios::codec {
namespace {

// The compressor's state is kept for the life of a wrapping: making one costs more than a frame.
struct FreeContext {
  void operator()(ZSTD_CCtx *context) const { ZSTD_freeCCtx(context); }
};

// Compresses into room for `in.size() - 1` bytes; 0 when it does not fit.
size_t Compress(Wrap wrap, std::span<const uint8_t> in, int zstd_level, ZSTD_CCtx *context,
                uint8_t *out) {
  if (in.size() < 2) return 0;
  if (wrap == Wrap::kLz4) {
    if (in.size() > LZ4_MAX_INPUT_SIZE) return 0;
    const int length = LZ4_compress_default(
        reinterpret_cast<const char *>(in.data()), reinterpret_cast<char *>(out),
        static_cast<int>(in.size()), static_cast<int>(in.size() - 1));
    return static_cast<size_t>(std::max(length, 0));
  }
  const size_t length =
      ZSTD_compressCCtx(context, out, in.size() - 1, in.data(), in.size(), zstd_level);
  return ZSTD_isError(length) ? 0 : length;
}

}  // namespace

Status WrapBody(Wrap wrap, std::span<const uint8_t> body, int zstd_level, size_t frame_bytes,
                Stop stop, std::vector<uint8_t> *out) {
  frame_bytes = std::max<size_t>(std::min(frame_bytes, body.size()), 1);
  const size_t frames = (body.size() + frame_bytes - 1) / frame_bytes;
  Append(out, static_cast<uint32_t>(body.size()));
  Append(out, static_cast<uint32_t>(frame_bytes));
  const size_t ends_at = out->size();
  out->resize(ends_at + frames * sizeof(uint32_t));
  const size_t frames_at = out->size();
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(wrap == Wrap::kZstd ? ZSTD_createCCtx()
                                                                            : nullptr);
  if (wrap == Wrap::kZstd && context == nullptr) throw std::bad_alloc();
  for (size_t frame = 0; frame < frames; ++frame) {
    if (stop.requested()) return Status::kInterrupted;
    const auto in =
        body.subspan(frame * frame_bytes, std::min(frame_bytes, body.size() - frame * frame_bytes));
    const size_t at = out->size();
    out->resize(at + in.size());
    size_t length = Compress(wrap, in, zstd_level, context.get(), out->data() + at);
    if (length == 0) {
      length = in.size();
      std::memcpy(out->data() + at, in.data(), length);
    }
    out->resize(at + length);
    const uint32_t end = static_cast<uint32_t>(out->size() - frames_at);
    std::memcpy(out->data() + ends_at + frame * sizeof(end), &end, sizeof(end));
  }
  return Status::kOk;
}

Status Body::Open(Wrap wrap, std::span<const uint8_t> stored, size_t limit) {
  wrap_ = wrap;
  if (wrap == Wrap::kNone) {
    if (stored.size() > limit) return Status::kCorrupted;
    data_ = stored.data();
    size_ = stored.size();
    return Status::kOk;
  }
  Cursor cursor(stored);
  uint32_t body_bytes, frame_bytes;
  if (!cursor.Take(&body_bytes) || !cursor.Take(&frame_bytes) || frame_bytes == 0 ||
      body_bytes > limit) {
    return Status::kCorrupted;
  }
  const size_t frames = (body_bytes + size_t{frame_bytes} - 1) / frame_bytes;
  const uint8_t *ends;
  if (!cursor.TakeBytes(frames * sizeof(uint32_t), &ends)) return Status::kCorrupted;
  ends_ = {ends, frames * sizeof(uint32_t)};
  frames_ = cursor.rest();
  frame_bytes_ = frame_bytes;
  size_ = body_bytes;
  if (capacity_ < size_) {
    buffer_.reset(new uint8_t[size_]);
    capacity_ = size_;
  }
  data_ = buffer_.get();
  present_.assign(frames, false);
  return Status::kOk;
}

Status Body::Need(size_t at, size_t length) {
  if (at > size_ || length > size_ - at) return Status::kCorrupted;
  if (wrap_ == Wrap::kNone || length == 0) return Status::kOk;
  for (size_t frame = at / frame_bytes_; frame <= (at + length - 1) / frame_bytes_; ++frame) {
    if (present_[frame]) continue;
    if (const Status status = Unwrap(frame); status != Status::kOk) return status;
  }
  return Status::kOk;
}

void Body::FreeDecompressor::operator()(ZSTD_DCtx_s *decompressor) const {
  ZSTD_freeDCtx(decompressor);
}

// Decompresses a frame to exactly out.size() bytes.
bool Body::Decompress(std::span<const uint8_t> in, std::span<uint8_t> out) {
  if (in.size() == out.size()) {
    std::memcpy(out.data(), in.data(), in.size());
    return true;
  }
  if (in.size() > out.size()) return false;
  if (wrap_ == Wrap::kLz4) {
    return LZ4_decompress_safe(reinterpret_cast<const char *>(in.data()),
                               reinterpret_cast<char *>(out.data()), static_cast<int>(in.size()),
                               static_cast<int>(out.size())) == static_cast<int>(out.size());
  }
  if (decompressor_ == nullptr) decompressor_.reset(ZSTD_createDCtx());
  if (decompressor_ == nullptr) throw std::bad_alloc();
  return ZSTD_decompressDCtx(decompressor_.get(), out.data(), out.size(), in.data(), in.size()) ==
         out.size();
}

// Decompresses a frame into its place in the buffer.
Status Body::Unwrap(size_t frame) {
  const size_t begin = frame == 0 ? 0 : Load<uint32_t>(ends_.data(), frame - 1);
  const size_t end = Load<uint32_t>(ends_.data(), frame);
  if (begin > end || end > frames_.size()) return Status::kCorrupted;
  const size_t at = frame * frame_bytes_;
  const std::span<uint8_t> out(buffer_.get() + at, std::min(frame_bytes_, size_ - at));
  if (!Decompress(frames_.subspan(begin, end - begin), out)) return Status::kCorrupted;
  present_[frame] = true;
  return Status::kOk;
}

}  // namespace helios::codec
