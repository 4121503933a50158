// Writing and reading the lengths that vectors.hpp draws.
#include "codec/core/vectors.hpp"

#include "codec/core/bytes.hpp"

namespace helios::codec {

VectorWriter::VectorWriter(size_t vectors, std::vector<uint8_t> *out)
    : out_(out), vectors_(vectors), lengths_at_(out->size()) {
  if (vectors > 1) out->resize(lengths_at_ + (vectors - 1) * sizeof(uint16_t));
  begin_ = out->size();
}

bool VectorWriter::End() {
  const size_t length = out_->size() - begin_;
  begin_ = out_->size();
  if (++done_ == vectors_) return true;
  if (length > UINT16_MAX) return false;
  const uint16_t stored = static_cast<uint16_t>(length);
  std::memcpy(out_->data() + lengths_at_ + (done_ - 1) * sizeof(stored), &stored, sizeof(stored));
  return true;
}

Status VectorTable::Open(const Shape &shape, Body *body, size_t at) {
  body_ = body;
  const size_t vectors = shape.vectors();
  ends_.resize(vectors);
  if (vectors == 0) return at == body->size() ? Status::kOk : Status::kCorrupted;
  const size_t lengths = (vectors - 1) * sizeof(uint16_t);
  if (const Status status = body->Need(at, lengths); status != Status::kOk) return status;
  begin_ = at + lengths;
  size_t end = begin_;
  for (size_t i = 0; i + 1 < vectors; ++i) {
    end += Load<uint16_t>(body->data() + at, i);
    ends_[i] = end;
  }
  ends_.back() = body->size();
  return end <= body->size() ? Status::kOk : Status::kCorrupted;
}

Status VectorTable::Find(size_t index, std::span<const uint8_t> *bytes) const {
  const size_t begin = index == 0 ? begin_ : ends_[index - 1];
  const Status status = body_->Need(begin, ends_[index] - begin);
  if (status == Status::kOk) *bytes = {body_->data() + begin, ends_[index] - begin};
  return status;
}

}  // namespace helios::codec
