// Columns of a query's tables: which are used, and moving them to another entry of the range table.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Lists the columns of entries (as Vars of the query's own level) that a part of a query uses; `level` says how many
// levels above the part the entries stand.
List *UsedColumns(const Node *part, const Bitmapset *entries, int level);

// The same for a whole query and its own entries.
List *UsedColumns(const Query *query, const Bitmapset *entries);

// Replaces columns of entries: the one that stands at place n of `columns` (from 1) becomes column n + offset of
// `entry`. Works on a copy of the part.
Node *MoveColumns(const Node *part, const Bitmapset *entries, List *columns, int entry, int offset,
                  int level);

// The same for all of a query, in place.
void MoveColumns(Query *query, const Bitmapset *entries, List *columns, int entry, int offset);

// Replaces expressions that are equal to one by another; works on a copy, inside of subqueries nothing is replaced.
Node *ReplaceEqual(const Node *part, const Node *old, const Node *replacement);

// Makes entries that FROM does not use any more harmless.
void Blank(Query *query, const Bitmapset *entries);

// The same for the entries of joins.
void BlankJoins(Query *query);

// Lists the entries that a part of FROM uses.
Bitmapset *SourcesOf(const Node *from);

// Makes a query of columns of some of a query's tables.
Query *Part(const Query *query, List *from, Node *condition, List *columns);

// Makes the sources of inner joins, outside of outer joins, and their conditions those of the query.
void FlattenInnerJoins(Query *query);

}  // namespace helios::mview
