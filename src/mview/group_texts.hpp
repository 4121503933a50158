// Statements about the state of groups, in text: how it is computed from rows, from changes, and put together.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

extern "C" {
#include "lib/stringinfo.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// A measure's column of the state.
struct Column {
  int number;
  const Measure *measure;
  const char *type;
  Oid type_oid;
  Oid argument_type;
};

// Lists the columns (of Column) of a node's measures.
List *MeasureColumns(const Counted *node);

// Calls `write` for each of them.
template <typename Write>
void ForEachMeasure(const Counted *node, Write write) {
  ListCell *cell;
  foreach (cell, MeasureColumns(node)) write(*static_cast<const Column *>(lfirst(cell)));
}

// Appends a format, that takes the number of a key twice, for each key.
void AppendKeys(StringInfo sql, const Counted *node, const char *format);

// Writes the hash of the keys of an alias.
char *HashText(const Counted *node, const char *alias);

// Appends the measures of rows "s" as PostgreSQL aggregates them.
void AppendFromRows(StringInfo sql, const Counted *node);

// Appends the measures of changed rows "d", and whether the group must be computed anew whatever its state is.
void AppendFromChanges(StringInfo sql, const Counted *node);

// Writes whether the state and the changes of a pair "p" do not tell a measure.
void AppendRedo(StringInfo sql, const Counted *node);

// Appends the measures of a pair "p" put together; of groups computed anew, if there are any, those of "f".
void AppendMerged(StringInfo sql, const Counted *node, bool has_fresh);

// Writes the condition that rows of two aliases have the same keys, where nulls are equal.
char *SameKeysOrNulls(const Counted *node, const char *left, const char *right);

}  // namespace helios::mview
