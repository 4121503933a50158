// What has changed in a view since its position: the meeting of what computes that (shape, delta) and what a refresh
// does with it (refresh, apply).
//
// A refresh has one snapshot. It is the active one while everything here runs, so that SPI with read_only = true reads
// in it; a statement that writes is run by SPI_execute_snapshot(…, GetActiveSnapshot(), …, read_only = false). SPI is
// connected, and what is returned lives until SPI_finish. The user is the view's owner, in a security-restricted
// operation, and the search path is pinned.
#pragma once

#include "pg/pg.hpp"
#include "pg/rows.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// What a refresh is about.
struct View {
  // Locked, and no other refresh of it runs.
  Oid relation;
  // A copy of the view's query as its rule has it: views in it are not expanded.
  Query *query;
  // OIDs of the tracked tables that it reads, also through views; without partitions of another one of them.
  List *bases;
  // pg_snapshot as text: what is visible in it is in the view.
  const char *position;
};

// How a view's query can be kept up to date; see shape.hpp.
struct Shape;

// What mv_explain says of a shape; texts live as long as the shape.
struct Explanation {
  bool is_incremental;
  // Of an incremental one, in a few words: "counters of groups", "affected groups", …
  const char *method;
  const char *why_not;
  // What would make it incremental; null: nothing.
  const char *remedy;
  // Of strings: CREATE INDEX statements that would help.
  List *missing;
};

// Finds out how changes of a view can be computed. In any transaction with a snapshot; SPI need not be connected.
const Shape *Classify(const View &view);
const Explanation &Explain(const Shape *shape);

// The difference between a view's rows and its query.
//
// By key (key_count > 0): `taken` has distinct values of the view's key columns, in the order of `key`: every group of
// rows that may have changed. `added` has all rows that the query has now in these groups.
// As a bag (key_count = 0): `taken` and `added` have rows of the view that are to go and to come.
// Rows have the view's columns (dropped ones do not occur in materialized views), and behind them a bigint that says
// how many of these there are (in `taken` by key: anything).
struct Delta {
  int key_count;
  const AttrNumber *key;
  pg::StoredRows taken;  // store may be null: none
  pg::StoredRows added;
  // Changed rows of the bases that were read.
  int64 changes;
  // Why a full refresh is necessary or cheaper: then this is no difference, and the state must be made anew. Else null.
  const char *why_full;
};

// Computes the difference between the position and the active snapshot, and brings the state that belongs to the shape
// up to date. Only for an incremental shape.
void ComputeDelta(const View &view, const Shape *shape, Delta *delta);

// Makes the state of a shape anew from the bases as the active snapshot sees them; after a full refresh.
void BuildState(const View &view, const Shape *shape);

// Drops the state of a view that is dropped, or no longer kept up to date; nothing if it has none.
void DropState(Oid view);

}  // namespace helios::mview
