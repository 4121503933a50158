// Tables that a branch has from the branch that it comes from, and has not changed.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// True for an inherited table of the session's branch whose rows are not in it: they are read where it has them from.
// Also for one that was filled after a transaction with one snapshot began.
bool ReadsSource(Oid local);

// Lets an entry of a range table, whose privileges are asked for elsewhere, read the rows of an inherited table.
void ReadSource(RangeTblEntry *entry, int index, Oid local);

// Gives an inherited table its rows, before it is changed; does nothing for others.
void Fill(Oid local);

// The same for all tables that foreign keys connect it to.
void FillConnected(Oid local);

// Lets a snapshot see the rows that tables are filled with while a statement is planned that runs with it; returns the
// one of which that was said before.
Snapshot SeeFills(Snapshot snapshot);

// Raises an error if a statement cannot see the rows of a table of the branch, which was filled after the snapshot was
// taken.
void CheckFilled(Oid local, Snapshot snapshot);

// Raises an error if a statement that reads where the rows came from would miss what the table has been filled with.
void CheckNotFilled(Oid local);

// Notes that a branch has changed the definition of what it has inherited without rows: a view.
void NoteAltered(Oid local);

}  // namespace helios::branch
