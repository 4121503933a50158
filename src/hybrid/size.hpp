// How large a table is, by what its relcache entry remembers of its chunks.
#pragma once

#include "hybrid/store.hpp"

namespace helios::hybrid {

struct ColdSize {
  uint64 rows;
  uint64 bytes;  // of chunks, without the overhead of pages
  uint32 chunks;
};

// Counts the chunks; what was counted is kept until ForgetColdSize, or any change of the table's definition.
ColdSize ColdSizeOf(Relation rel);

// Has all sessions count again, at the end of the transaction.
void ForgetColdSize(Relation rel);

}  // namespace helios::hybrid
