#include "vector/core/parse.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace helios::vector {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A number as found in the text; `text` is empty when there is none. Out of range, the value is
// what strtof returns then: an infinity or a zero.
struct Number {
  float value = 0;
  bool in_range = true;
  std::string_view text;
};

// Tells the two ways of being out of range apart: whether the unsigned number is above 1.
bool IsLarge(std::string_view number, bool hex) {
  constexpr int64_t kFar = int64_t{1}
                           << 40;  // beyond any exponent that the length of a text could offset
  constexpr int64_t kBitsPerHexDigit = 4;
  int64_t scale = 0;
  bool fraction = false, significant = false;
  size_t at = 0;
  for (; at < number.size(); ++at) {
    const char c = number[at];
    if (c == '.') {
      fraction = true;
    } else if (hex ? c == 'p' || c == 'P' : c == 'e' || c == 'E') {
      break;
    } else {
      significant = significant || c != '0';
      if (significant && !fraction) ++scale;
      if (!significant && fraction) --scale;
    }
  }
  if (hex) scale *= kBitsPerHexDigit;
  int64_t exponent = 0;
  if (at < number.size()) {
    ++at;
    if (at < number.size() && number[at] == '+') ++at;
    const char *const end = number.data() + number.size();
    if (std::from_chars(number.data() + at, end, exponent).ec == std::errc::result_out_of_range) {
      exponent = number[at] == '-' ? -kFar : kFar;
    }
  }
  return scale + std::clamp(exponent, -kFar, kFar) > 0;
}

// The unread rest of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool AtEnd() const { return at_ == end_; }

  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || (*at_ >= '\t' && *at_ <= '\r'))) ++at_;
  }

  // Consumes `c` and any space before it, if it comes next.
  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  // Consumes a floating-point number and any space before it.
  Number TakeFloat() {
    SkipSpace();
    const char *const begin = at_;
    const bool negative = TakeSign();
    Number number;
    bool hex = end_ - at_ > 2 && at_[0] == '0' && (at_[1] == 'x' || at_[1] == 'X');
    const char *digits = hex ? at_ + 2 : at_;
    std::from_chars_result read = ReadFloat(digits, hex, &number.value);
    if (hex && read.ec == std::errc::invalid_argument) {
      hex = false;
      digits = at_;
      read = ReadFloat(digits, hex, &number.value);
    }
    if (read.ec == std::errc::invalid_argument) {
      at_ = begin;
      return number;
    }
    if (read.ec == std::errc::result_out_of_range) {
      number.in_range = false;
      const std::string_view unsigned_text(digits, static_cast<size_t>(read.ptr - digits));
      number.value = IsLarge(unsigned_text, hex) ? kInfinity : 0.0f;
    }
    if (negative) number.value = -number.value;
    number.text = std::string_view(begin, static_cast<size_t>(read.ptr - begin));
    at_ = read.ptr;
    return number;
  }

  // Consumes an integer and any space before it; saturates to int32. False if there is none.
  bool TakeInteger(int32_t *value) {
    SkipSpace();
    const char *const begin = at_;
    const bool negative = TakeSign();
    int64_t wide = 0;
    if (at_ == end_ || *at_ < '0' || *at_ > '9') {
      at_ = begin;
      return false;
    }
    const std::from_chars_result read = std::from_chars(at_, end_, wide);
    if (read.ec == std::errc::result_out_of_range) wide = std::numeric_limits<int64_t>::max();
    if (negative) wide = -wide;
    *value = static_cast<int32_t>(std::clamp<int64_t>(wide, std::numeric_limits<int32_t>::min(),
                                                      std::numeric_limits<int32_t>::max()));
    at_ = read.ptr;
    return true;
  }

 private:
  bool TakeSign() {
    if (at_ == end_ || (*at_ != '-' && *at_ != '+')) return false;
    return *at_++ == '-';
  }

  // from_chars takes a minus sign of its own, which would be a second one here.
  std::from_chars_result ReadFloat(const char *begin, bool hex, float *value) const {
    if (begin == end_ || *begin == '-') return {begin, std::errc::invalid_argument};
    return std::from_chars(begin, end_, *value,
                           hex ? std::chars_format::hex : std::chars_format::general);
  }

  const char *at_;
  const char *end_;
};

// Classifies an element that was read; kOk means it may be stored.
ParseStatus CheckElement(const Number &number, bool out_of_range) {
  if (number.text.empty()) return ParseStatus::kSyntax;
  if (out_of_range) return ParseStatus::kOutOfRange;
  if (std::isnan(number.value)) return ParseStatus::kNan;
  if (std::isinf(number.value)) return ParseStatus::kInfinite;
  return ParseStatus::kOk;
}

ParseResult Failed(ParseStatus status, std::string_view number = {}) {
  return {status, 0, 0, number};
}

}  // namespace

size_t MaxElements(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), ',')) + 1;
}

ParseResult ParseDense(std::string_view text, float limit, std::span<float> out) {
  Cursor in(text);
  if (!in.Take('[')) return Failed(ParseStatus::kNoOpening);
  if (in.Take(']')) return Failed(ParseStatus::kEmpty);
  size_t count = 0;
  do {
    if (count == out.size()) return Failed(ParseStatus::kTooMany);
    const Number number = in.TakeFloat();
    const float magnitude = std::fabs(number.value);
    const bool out_of_range =
        number.in_range ? magnitude >= limit && std::isfinite(magnitude) : std::isinf(magnitude);
    const ParseStatus status = CheckElement(number, out_of_range);
    if (status != ParseStatus::kOk) return Failed(status, number.text);
    out[count++] = number.value;
  } while (in.Take(','));
  if (!in.Take(']')) return Failed(ParseStatus::kSyntax);
  in.SkipSpace();
  if (!in.AtEnd()) return Failed(ParseStatus::kJunk);
  return {ParseStatus::kOk, count, 0, {}};
}

ParseResult ParseSparse(std::string_view text, std::span<SparseElement> out) {
  Cursor in(text);
  if (!in.Take('{')) return Failed(ParseStatus::kNoOpening);
  size_t count = 0;
  if (!in.Take('}')) {
    do {
      int32_t index;
      if (!in.TakeInteger(&index) || !in.Take(':')) return Failed(ParseStatus::kSyntax);
      const Number number = in.TakeFloat();
      const ParseStatus status = CheckElement(number, !number.in_range);
      if (status != ParseStatus::kOk) return Failed(status, number.text);
      if (number.value == 0) continue;
      if (count == out.size()) return Failed(ParseStatus::kTooMany);
      // The smallest index saturates once more: it is out of bounds either way.
      out[count++] = {std::max(index, std::numeric_limits<int32_t>::min() + 1) - 1, number.value};
    } while (in.Take(','));
    if (!in.Take('}')) return Failed(ParseStatus::kSyntax);
  }
  if (!in.Take('/')) return Failed(ParseStatus::kNoDimension);
  int32_t dim;
  if (!in.TakeInteger(&dim)) return Failed(ParseStatus::kSyntax);
  in.SkipSpace();
  if (!in.AtEnd()) return Failed(ParseStatus::kJunk);
  const std::span<SparseElement> elements = out.first(count);
  std::sort(elements.begin(), elements.end(),
            [](const SparseElement &a, const SparseElement &b) { return a.index < b.index; });
  return {ParseStatus::kOk, count, dim, {}};
}

}  // namespace helios::vector
