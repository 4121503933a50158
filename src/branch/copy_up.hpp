// Copies of main's relations on a branch.
#pragma once

#include "branch/catalog.hpp"
#include "branch/path.hpp"
#include "pg/pg.hpp"

namespace helios::branch {

// Gives the session's branch a copy of a table of main as of the fork, with all tables that foreign keys connect
// it to; returns the copy. Does nothing if there is one.
Oid CopyUp(Oid main);

// Returns the sequence of the session's branch in place of one of main, which is made now if there is none; on
// main, and for a sequence of the branch, that one itself.
Oid LocalSequence(Oid sequence);

// Returns the sequence of a branch in place of one of main, which is made now if there is none. SPI must be connected, in
// a SystemScope.
Oid BranchSequence(int64 branch, Oid sequence);

// Tells whether the branch of the session has a table of main that it has not changed.
bool ExistedAtFork(Oid main);

// Raises an error if it has not.
void CheckExistedAtFork(Oid main);

// Lets one transaction at a time copy a relation for a branch.
void LockCopy(int64 branch, Oid relation);

// Returns a schema of a branch, which is made now if there is none.
Oid EnsureSpace(int64 branch, Space space, Oid schema);

}  // namespace helios::branch
