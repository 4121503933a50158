// The carriers of time travel in the stock grammar:
//
//   t TABLESAMPLE as_of(instant), as_of_transaction(number), as_of_scn(scn)
//   t TABLESAMPLE as_of_overlaid(instant, scn, local, deleted, part)         one of the first two is null; overlay.hpp
//   t TABLESAMPLE versions(low instant, low scn, high instant, high scn)     one of each pair is null
//   (SELECT v.* FROM v, (SELECT view_as_of(instant)) moment)                 a view; also _transaction, _scn
#pragma once

#include "pg/pg.hpp"
#include "timetravel/overlay.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Queries between the one with the clause and the one that computes its moment: what replaces the table, the
// union, a branch, and that one itself.
inline constexpr int kMomentDepth = 4;

// The moment that a clause names.
struct Past {
  enum class Kind { kInstant, kTransaction, kScn };
  Kind kind;
  Node *moment;  // timestamptz, or a number as bigint
  OverlayTables overlay;
};

// The bounds of VERSIONS BETWEEN, both included.
struct Versions {
  List *bounds;  // the four arguments of the carrier
};

enum class Clause { kNone, kPast, kVersions };

// Reads the clause of a range table entry.
Clause ReadClause(const RangeTblEntry *entry, Past *past, Versions *versions);

// Tells whether an entry is the subquery that carries the moment of the views beside it.
bool FindViewMoment(const RangeTblEntry *entry, Past *past);

// True if an expression costs nothing to evaluate again: a constant or a parameter of the statement.
bool IsSimple(const Node *node);

}  // namespace helios::timetravel
