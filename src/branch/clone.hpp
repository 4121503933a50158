// Making a table like another one, in another schema and with the same column numbers.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/attnum.h"
#include "nodes/pg_list.h"
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

// Copies the rows of `model` as of the past, without indexes; `carrier` is what TABLESAMPLE takes. Frozen: so that every
// snapshot sees them, into a table that nobody knows yet.
void CloneRows(Oid model, Oid clone, const char *carrier, bool frozen);

// Creates the indexes with primary key, unique and exclusion constraints, and copies what the planner knows.
void CloneIndexes(Oid model, Oid clone);

// Makes the clones of partitions those of the clones of their parents.
void ClonePartitions(List *models, MapRelation map_table);

// Creates the indexes of the clones of partitioned tables, behind those of their partitions.
void CloneWholeIndexes(List *models, MapRelation map_table);

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
