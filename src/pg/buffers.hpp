// Reads of pages that are probably in shared buffers, without the mapping table.
//
// A graph walk touches pages in no order; finding each in the shared mapping table costs cache
// misses one after another. A small table of this backend remembers where pages were, and lets a
// walk fetch what it will read ahead of time into the processor's caches. A stale entry costs an
// ordinary lookup: the buffer's tag is always checked.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "storage/bufmgr.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Pins a page of the main fork like ReadBuffer.
Buffer ReadHinted(Relation rel, BlockNumber block);

// Asks the processor for the header, the trailer and `bytes` at `offset` of a page, if it was met
// before.
void PrefetchHinted(Relation rel, BlockNumber block, Size offset, Size bytes);

}  // namespace helios::pg
