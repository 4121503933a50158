// What a branch of a branch has from the beginning.
#pragma once

#include "branch/catalog.hpp"
#include "branch/clone.hpp"

namespace helios::branch {

// Raises an error unless a branch can begin with the state of another one at an instant, 0 for the present; keeps
// others from changing definitions there, and from making copies, until the end of the transaction.
void CheckFork(const Branch &parent, TimestampTz at);

// Makes the relations of a new branch for those that its parent has had then in place of relations of main. SPI must
// be connected, in a SystemScope.
void Inherit(const Branch &parent, int64 child, TimestampTz at);

// Makes a view of a branch for one of its parent; `map` gives the branch's relations in place of the parent's.
Oid InheritView(Oid model, Oid schema, MapRelation map);

// Notes that a transaction changes definitions on the session's branch, which waits for forks that are being made.
void NoteDefinitions();

}  // namespace helios::branch
