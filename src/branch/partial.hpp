// Copies that are made row by row.
//
//   copy                  rows that were changed or locked on the branch, and rows of its own
//   deleted_<oid of the copy>, beside it
//                         xid | k1 | k2 | …   keys, in the order of the primary key, of rows that were deleted or got
//                         another key; btree index on k1, k2, …
//   all other rows        main's as of the fork
//
// A key in both tables is that of a row which came back. The copy has a trigger before changes: it brings in the rows of
// main that the new row's unique keys would meet, and notes the keys that go.
#pragma once

#include "branch/catalog.hpp"
#include "pg/pg.hpp"

namespace helios::branch {

// Defines heliosdb.branch_row_copy_above.
void InitPartial();

// Tells whether a table of main is to be copied row by row: it is large, and whatever its unique keys could meet can be
// found by its indexes. SPI must be connected, in a SystemScope.
bool IsToBePartial(Oid table);

// Creates the table of deleted keys for the copy of a table of main. SPI must be connected, in a SystemScope.
Oid CreateDeleted(Oid main, Oid copy);

// Creates the trigger of such a copy.
void AddKeyTrigger(Oid copy);

// Copies the rest of the rows; does nothing for other copies.
void MakeWhole(const Branch &branch, Oid main);

// The same for all copies of a branch: others read them as they are.
void MakeAllWhole(const Branch &branch);

}  // namespace helios::branch
