// Making a table like another one, in another schema and with the same column numbers.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/attnum.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Maps a relation that a default or trigger of the model refers to; returns the relation itself to keep it.
using MapRelation = Oid (*)(Oid relation);

// Creates an empty table: columns with their numbers, also dropped ones, defaults, generated and identity columns,
// checks, storage, owner, privileges, row-level security and comments. Sequences in defaults are mapped.
Oid CloneTable(Oid model, Oid schema, MapRelation map_sequence);

// Creates a sequence like another one, with its present state. SPI must be connected.
Oid CloneSequence(Oid model, Oid schema);

// Copies the rows of `model` as of a fork, so that every snapshot sees them; `carrier` is what TABLESAMPLE takes.
void CloneRows(Oid model, Oid clone, const char *carrier);

// Copies rows of `model` as of a fork into a table that has rows already, and whose indexes are made anew behind it.
void CloneRest(Oid model, Oid clone, const char *carrier);

// Creates the indexes with primary key, unique and exclusion constraints, and copies what the planner knows.
void CloneIndexes(Oid model, Oid clone);

// Creates the triggers of users, and policies.
void CloneTriggers(Oid model, Oid clone, MapRelation map_table);
void ClonePolicies(Oid model, Oid clone);

// Creates the foreign keys of a table; referenced tables are mapped. SPI must be connected.
void CloneForeignKeys(Oid model, Oid clone, MapRelation map_table);

// Tells whether a catalog has a row with a value in the first column of one of its indexes.
bool HasRows(Oid catalog, Oid index, AttrNumber column, Oid value);

// Gives a relation the privileges of another one, of columns too, and whether it has row-level security.
void CopySecurity(Oid model, Oid clone);

}  // namespace helios::branch
