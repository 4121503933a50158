// The query of a materialized view, and what it reads.
#pragma once

#include "mview/catalog.hpp"
#include "mview/delta.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// What the query of a view reads, with the views in it expanded.
struct Reads {
  Query *query;           // a copy, as the view's rule has it
  Query *expanded;        // the same as the rewriter leaves it
  List *relations;        // OIDs in ascending order
  bool has_row_security;  // for the view's owner
};

// Finds out what a view reads; takes the locks that reading it takes. The user is the view's owner.
Reads FindReads(Oid view);

// Describes the view for what computes its changes.
View DescribeView(Oid view, const Reads &reads, List *bases, const char *position);

// Finds out for everything that a view reads how its changes come to be known: a list of Base. Where `may_track` is set,
// tables of the view's owner are tracked from now on, and writers of those that get a new consumer are kept out. `known`
// is what ReadBases says.
List *ResolveBases(Oid view, const List *known, const Reads &reads, bool may_track);

// Tells in words why changes of a relation are not known to a view.
const char *WhyUnknown(Oid relation, Oid owner);

}  // namespace helios::mview
