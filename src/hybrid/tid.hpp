// Row identifiers of hybrid tables. Index access methods and bitmaps see one kind only:
//
//   block < 2^31            a heap page and a line pointer: a hot row
//   block = 2^31 + row / n  offset = 1 + row % n, n = MaxHeapTuplesPerPage: a cold row
//
// Rows of chunks are numbered once, from 0 on, and never again: an index entry that outlives its row
// leads to nothing, never to another row.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/htup_details.h"
#include "storage/itemptr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

using RowNumber = uint64;

constexpr BlockNumber kFirstColdBlock = BlockNumber{1} << 31;
constexpr uint32 kRowsPerBlock = MaxHeapTuplesPerPage;  // tidbitmap.c takes no higher offset
constexpr RowNumber kMaxRows = RowNumber{MaxBlockNumber - kFirstColdBlock + 1} * kRowsPerBlock;

inline bool IsCold(BlockNumber block) { return block >= kFirstColdBlock; }
inline bool IsCold(const ItemPointerData &tid) {
  return IsCold(ItemPointerGetBlockNumberNoCheck(&tid));
}

inline RowNumber FirstRowOf(BlockNumber cold_block) {
  return RowNumber{cold_block - kFirstColdBlock} * kRowsPerBlock;
}

// The row of a cold identifier.
inline RowNumber RowOf(const ItemPointerData &tid) {
  return FirstRowOf(ItemPointerGetBlockNumberNoCheck(&tid)) +
         ItemPointerGetOffsetNumberNoCheck(&tid) - FirstOffsetNumber;
}

inline BlockNumber BlockOf(RowNumber row) {
  return kFirstColdBlock + static_cast<BlockNumber>(row / kRowsPerBlock);
}

inline ItemPointerData TidOf(RowNumber row) {
  ItemPointerData tid;
  ItemPointerSet(&tid, BlockOf(row),
                 static_cast<OffsetNumber>(FirstOffsetNumber + row % kRowsPerBlock));
  return tid;
}

}  // namespace helios::hybrid
