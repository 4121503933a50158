// How tables want their cold rows to be kept: rows of heliosdb.hybrid_options.
//
// A row is of a table (attribute 0) or of a column. The number tells which column it is, and stays when the column is
// renamed; its name is what dumps carry.
#pragma once

#include "hybrid/chunk_writer.hpp"

#include <optional>

namespace helios::hybrid {

constexpr AttrNumber kWholeTable = 0;
constexpr AttrNumber kEveryColumn = -1;

struct Options {
  char *compression;  // null: the default
  std::optional<int> level;
  bool IsEmpty() const { return compression == nullptr && !level; }
};

// How a table's columns are encoded, in the current memory context.
ColumnPolicies PoliciesOf(Relation rel);

// Reads what is stored for a table or one of its columns.
Options ReadOptions(Relation rel, AttrNumber attribute);
// Stores it after validation; nothing is kept where all is left to the defaults. The table is locked against others
// who do.
void StoreOptions(Relation rel, AttrNumber attribute, const Options &options);
// Forgets the options of a column, or of a table with its columns (kEveryColumn).
void ForgetOptions(Oid relation, AttrNumber attribute);
// Brings the names up to date that columns have in the rows.
void RenameColumns();

}  // namespace helios::hybrid
