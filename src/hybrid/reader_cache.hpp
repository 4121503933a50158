// Readers of chunks that a session keeps: what single rows are read from stays decoded from statement to
// statement, within heliosdb.chunk_cache.
#pragma once

#include "hybrid/chunk_reader.hpp"

namespace helios::hybrid {

// Registers the setting, and what ends loans with their transactions.
void InitReaderCache();

// Lends a reader that has the chunk open to one borrower (a slot) at a time; `rel` is open.
ChunkReader *BorrowReader(Relation rel, const ChunkEntry &chunk, const void *borrower);

// How much of readers a session keeps.
Size ReaderCacheBytes();

// Takes it back. Nothing happens if the loan has ended with its transaction.
void ReturnReader(ChunkReader *reader, const void *borrower);

}  // namespace helios::hybrid
