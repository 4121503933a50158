// Which chunks a scan need not read: those whose zones say that no row fits its conditions.
#pragma once

#include "hybrid/core/chunk.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/execnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// What can be asked of zones, of the conditions of a scan: comparisons of columns with values that are the same for
// all rows, = ANY, IS [NOT] NULL, and AND and OR of these.
struct ChunkFilter;

// Takes from a plan node's conditions what zones can answer; null if that is nothing. It lies in the current memory
// context, which must be the query's.
ChunkFilter *MakeChunkFilter(ScanState *state);

// Computes the values that columns are compared with, which may be others in each scan.
void ComputeValues(ChunkFilter *filter);

// Says whether no row of the open chunk can fit.
bool CanSkip(const ChunkFilter &filter, const ChunkMeta &chunk);

}  // namespace helios::hybrid
