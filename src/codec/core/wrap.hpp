// Wraps: a body, compressed by lz4 or zstd in frames that are decompressed one by one.
//
//   wrapped body | body bytes u32 | frame bytes u32 | end of each frame u32 … | frames            |
//   frame        one lz4 block or zstd frame of `frame bytes` bytes of the body (the last may be
//                shorter), or those bytes themselves where that is not longer
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codec/core/codec.hpp"

struct ZSTD_DCtx_s;  // zstd's decompressor, whose header only wrap.cpp needs

namespace helios::codec {

// A frame of this size is decompressed in 0.1 ms, and compresses nearly as well as a whole segment.
constexpr size_t kFrameBytes = size_t{64} * 1024;
// A frame size that makes one frame of every body.
constexpr size_t kWholeBody = UINT32_MAX;

// Appends the wrapped body; polls `stop` between frames.
Status WrapBody(Wrap wrap, std::span<const uint8_t> body, int zstd_level, size_t frame_bytes,
                Stop stop, std::vector<uint8_t> *out);

// The body of an opened segment. Its bytes stay where they are until it is opened anew; those of a
// wrapped body are there once they were needed.
class Body {
 public:
  // Checks the head of a wrapped body; `limit` is the length of the longest body that may be.
  Status Open(Wrap wrap, std::span<const uint8_t> stored, size_t limit);

  size_t size() const { return size_; }
  // Makes bytes [at, at + length) readable behind data() + at; kCorrupted if the body is shorter or a
  // frame is damaged.
  Status Need(size_t at, size_t length);
  const uint8_t *data() const { return data_; }

 private:
  struct FreeDecompressor {
    void operator()(ZSTD_DCtx_s *decompressor) const;
  };

  Status Unwrap(size_t frame);
  bool Decompress(std::span<const uint8_t> in, std::span<uint8_t> out);

  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
  Wrap wrap_ = Wrap::kNone;
  size_t frame_bytes_ = 0;
  std::span<const uint8_t> ends_, frames_;
  std::unique_ptr<uint8_t[]> buffer_;  // not initialized: only frames that are needed are touched
  size_t capacity_ = 0;
  std::vector<bool> present_;                                    // by frame
  std::unique_ptr<ZSTD_DCtx_s, FreeDecompressor> decompressor_;  // made when first needed
};

}  // namespace helios::codec
