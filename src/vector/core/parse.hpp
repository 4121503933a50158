// Parsers of the text forms of the vector types: "[1,2,3]" (dense) and "{1:1,3:2}/5" (sparse).
//
// Numbers are read as strtof and strtol read them in the C locale: a leading '+', hexadecimal
// floats, "inf" and "nan" are understood. Whitespace (space, \t \n \v \f \r) may stand around every
// token. Nothing is allocated, thrown or kept; the text need not end with a NUL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace helios::vector {

enum class ParseStatus {
  kOk,
  kSyntax,       // any other violation of the form
  kNoOpening,    // the text does not begin with the opening bracket
  kJunk,         // something follows the end of the value
  kNoDimension,  // sparse: no "/" after the closing brace
  kEmpty,        // dense: no element
  kTooMany,      // more elements than the output has room for
  kOutOfRange,   // a number that the element type cannot hold; ParseResult::number shows it
  kNan,          // an element is not a number
  kInfinite,     // an element is spelt as infinity
};

struct ParseResult {
  ParseStatus status;
  size_t count;             // elements written to the output
  int32_t dim;              // sparse: dimension as written, saturated to int32, not checked
  std::string_view number;  // kOutOfRange: the part of the text that is the offending number
};

// An element of a sparse vector; `index` counts from 0 and is not checked against the dimension.
struct SparseElement {
  int32_t index;
  float value;
};

// Upper bound of the number of elements in a text of either form, at least 1.
size_t MaxElements(std::string_view text);

// Reads a dense vector into `out`, whose size is the largest number of elements accepted. A finite
// number of magnitude `limit` or more is out of range; one too small for a float becomes zero.
ParseResult ParseDense(std::string_view text, float limit, std::span<float> out);

// Reads a sparse vector into `out` without its zero elements, sorted by index; duplicates remain.
// Any number that a float cannot hold, large or small, is out of range.
ParseResult ParseSparse(std::string_view text, std::span<SparseElement> out);

}  // namespace helios::vector
