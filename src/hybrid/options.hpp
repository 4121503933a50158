// How tables want their cold rows to be kept: rows of heliosdb.hybrid_options.
//
// A row is of a table (attribute 0) or of a column. Numbers tell which columns it is about, and stay when these are
// renamed; their names are what dumps carry.
#pragma once

#include "hybrid/chunk_writer.hpp"
#include "hybrid/order.hpp"

#include <optional>

namespace helios::hybrid {

constexpr AttrNumber kWholeTable = 0;
constexpr AttrNumber kEveryColumn = -1;

struct Options {
  char *compression;  // null: the default
  std::optional<int> level;
  Order order;             // of a table: in which chunks are made
  AttrNumber tier_column;  // of a table: tells the age of a row; invalid: none does
  bool IsEmpty() const {
    return compression == nullptr && !level && order.count == 0 && tier_column == InvalidAttrNumber;
  }
};

// How a table's columns are encoded, in the current memory context.
ColumnPolicies PoliciesOf(Relation rel);

// Reads what is stored for a table or one of its columns.
Options ReadOptions(Relation rel, AttrNumber attribute);
// Stores it after validation; nothing is kept where all is left to the defaults. The table is locked against others
// who do.
void StoreOptions(Relation rel, AttrNumber attribute, const Options &options);
// The column that tells the age of a table's rows; an error if none does.
AttrNumber TierColumnOf(Relation rel);
// Forgets what is stored for a column, or for a table with its columns (kEveryColumn).
void ForgetOptions(Oid relation, AttrNumber attribute);
// Brings the rows up to date with what columns have become: their names; what their types do not allow any more goes.
void FollowColumns();

}  // namespace helios::hybrid
