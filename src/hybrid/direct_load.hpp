// Loads large batches straight into chunks (hybrid_storage = column).
//
// The first rows of a statement become hot, so that no statement of a few rows makes a chunk. For the rows
// that follow, numbers are reserved and the chunk's entry is made before there is a chunk: their index entries
// lead to it, and whoever finds one waits for this transaction. The chunk is written when it is full,
// when the statement ends, or when this session is about to read the table.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Installs what ends loads with their statements and transactions.
void InitDirectLoad();

// Tells whether this session loads anything as columns; cheap.
bool MayLoadColumns();
// Tells whether it does so with large batches of a table.
bool LoadsColumns(Relation rel);

// Takes a row that is inserted, and gives it its identifier; false: it is to become hot.
bool LoadRow(Relation rel, TupleTableSlot *slot, CommandId cid, int options);

// Writes what this transaction has gathered for a table, or for all.
void FlushLoad(Oid table);
void FlushLoads();

// Says whether anything is gathered; cheap.
bool HasLoads();

}  // namespace helios::hybrid
