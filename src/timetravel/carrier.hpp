// The carriers of AS OF in the stock grammar: TABLESAMPLE as_of(instant) and as_of_transaction(number).
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Queries between the one with the clause and the one that computes its instant: what replaces the table, the
// union, a branch, and that one itself.
inline constexpr int kMomentDepth = 4;

// The moment that a clause names.
struct Past {
  Node *moment;  // timestamptz, or the number of a transaction as bigint
  bool by_transaction;
};

// Reads the clause of a range table entry; false if it has none of ours.
bool FindPast(const RangeTblEntry *entry, Past *past);

}  // namespace helios::timetravel
