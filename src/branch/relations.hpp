// Which relation a statement on a branch means.
#pragma once

#include "pg/pg.hpp"

namespace helios::branch {

// What a relation is to a session on a branch.
enum class Kind {
  kShared,    // catalogs, temporary tables, the extension's own: the same everywhere
  kOwn,       // of this branch
  kForeign,   // of another branch
  kTable,     // a table or partitioned table of main
  kSequence,  // a sequence of main
  kView,      // a view of main, which has no rows of its own
  kMatview,   // a materialized view of main, whose rows a branch computes for itself
  kOther      // what cannot be had on a branch: foreign tables
};
Kind Classify(Oid relation, int64 branch);

// Raises an error for a relation that does not exist for the session's branch.
[[noreturn]] void RaiseAbsent(Oid relation);

// Raises an error for a relation that cannot be had on a branch.
[[noreturn]] void RaiseUnsupported(Oid relation);

// Returns the relation of the branch in place of one of main: 0 if it has none. An error if it was dropped there.
Oid LocalOf(Oid main);

}  // namespace helios::branch
