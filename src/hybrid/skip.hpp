// What a scan need not read: chunks whose zones say that no row fits its conditions, and of rows that do not fit a
// comparison of an integer the other columns.
#pragma once

#include "hybrid/chunk_reader.hpp"
#include "hybrid/core/chunk.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/execnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Says whether zones of a column can answer a comparison by an operator: of a column of this type on its left side.
bool CanAnswer(Oid type, Oid opno, Oid collation);

// What can be asked of zones, of the conditions of a scan: comparisons of columns with values that are the same for
// all rows, = ANY, IS [NOT] NULL, and AND and OR of these.
struct ScanFilter;

// Takes from a plan node's conditions what zones can answer, or of scans that do not go through all chunks what rows can;
// null if that is nothing. It lies in the current memory context, which must be the query's.
ScanFilter *MakeScanFilter(ScanState *state);

// Computes the values that columns are compared with.
void ComputeValues(ScanFilter *filter);

// Says whether no row of the open chunk can fit.
bool CanSkip(const ScanFilter &filter, const ChunkMeta &chunk);

// Says whether a row of the chunk that the reader has open cannot fit, and has EXPLAIN count it among those that the
// filter has removed.
bool CanSkipRow(ScanFilter *filter, ChunkReader *reader, uint32 position);

}  // namespace helios::hybrid
