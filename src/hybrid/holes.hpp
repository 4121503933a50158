// Rows of chunks of which nothing is kept but their places: chunks that were made anew have them.
#pragma once

#include "hybrid/store.hpp"

namespace helios::hybrid {

// Sets the bits of all rows of a chunk that are holes, and counts those that were not set.
uint32 MarkHoles(const Store &store, const ChunkEntry &chunk, uint64 *bits);

// Says whether a row is one.
bool IsHole(const Store &store, const ChunkEntry &chunk, RowNumber row);

}  // namespace helios::hybrid
