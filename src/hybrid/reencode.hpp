// Makes the bytes of a chunk anew from those that are there.
#pragma once

#include "hybrid/chunk_reader.hpp"
#include "hybrid/chunk_writer.hpp"

namespace helios::hybrid {

// Gathers all rows of the chunk that the reader has open, at their places, but those whose bits are set in
// `dead` (null: none), of which only the places remain. `writer` is empty before.
void GatherChunk(ChunkReader *reader, TupleDesc tupdesc, const uint64 *dead, ChunkWriter *writer);

}  // namespace helios::hybrid
