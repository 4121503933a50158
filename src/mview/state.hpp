// The tables that keep the state of groups; see counted.cpp for their columns.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

namespace helios::mview {

// Names the state of a step with its schema.
char *QualifiedState(Oid view, int step);

// Finds the state of a step; invalid if it is not there.
Oid FindState(Oid view, int step);
bool HasState(Oid view, int step);

// Makes the table of a state, empty.
Oid CreateState(Oid view, int step, const Counted *node);

// Makes the indexes of a state: by hash, and where other parts of the query join its groups by single keys too. Keys
// without a fixed length may be too long for a btree.
void IndexState(const View &view, const Shape *shape, int step, const Counted *node);

// Drops the states of all steps.
void DropStates(Oid view);

}  // namespace helios::mview
