// Insertion of single rows, as the executor and the build beyond its memory do it.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "storage/itemptr.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

// Working memory for insertions into one index, owned by `context`.
void *MakeInserter(MemoryContext context);

// Inserts one value that is not null; zero vectors under cosine are left out.
void InsertValue(void *inserter, Relation index, Datum value, ItemPointerData tid);

}  // namespace helios::hnsw
