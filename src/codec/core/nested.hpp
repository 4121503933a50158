// Segments inside of bodies: the values of runs and of dictionaries, encoded in turn.
//
//   nested   | bytes u32 | segment, without wrap |
//
// Runs may hold anything but runs, dictionaries neither: nesting ends after two levels.
#pragma once

#include <span>
#include <vector>

#include "codec/core/scheme.hpp"

namespace helios::codec {

// Appends a column by the encoding that takes the fewest bytes.
Status AppendNested(const Column &column, Codec outer, Stop stop, std::vector<uint8_t> *out);

// Finds a nested segment at byte *at of the body, moves *at behind it, and checks that it may be nested
// in `outer` and is of this kind.
Status FindNested(Body *body, size_t *at, Codec outer, Kind kind,
                  std::span<const uint8_t> *segment);

}  // namespace helios::codec
