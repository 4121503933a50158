// How a view's query is kept up to date: parts whose changes add up, groups with counters, keys of affected rows.
#pragma once

#include "pg/pg.hpp"

#include "mview/delta.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/primnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// What the state of a group keeps of an aggregate's argument.
enum class MeasureKind {
  kCount,    // values that are not null
  kSum,      // of integers up to 4 bytes
  kBigSum,   // of other exact numbers
  kSquares,  // sum of squares
  kMin,
  kMax,
  kWhole,  // the result itself, computed anew whenever the group changes
};

// A column of the state of groups.
struct Measure {
  MeasureKind kind;
  int argument;         // column of the source, counted from 1; 0 for kWhole
  const Aggref *whole;  // of kWhole: over columns of the source
};

// Groups of rows with counters: the state of GROUP BY, DISTINCT, UNION, INTERSECT and EXCEPT.
struct Counted {
  int number;
  int key_count;
  int argument_count;
  List *equality;   // OIDs of the operators by which keys are equal
  Query *source;    // linear: keys g1…, arguments a1…
  List *measures;   // of Measure
  TupleDesc state;  // h, g1…, n, m1…
  Query
      *projection;  // from rows of the state, called kStateRows, to rows of the output with weights
  bool is_always_there;  // without keys there is always one row
  bool is_multiple;      // rows of the output may come several times
};

// A view of which every changed row has a key that can be found from the changes.
struct Keyed;

struct Shape {
  Explanation explanation;
  Query *query;     // views and WITH expanded, names of joined columns resolved
  Query *linear;    // over tables and rows named by CountedName; null if the shape is not linear
  List *counted;    // of Counted: each reads those before it only
  List *relations;  // OIDs of the tables whose changes are read
  const Keyed *keyed;
};

inline constexpr const char *kStateRows = "state_rows";

// Names the rows of a group node in the queries that read them.
char *CountedName(int number);

// Why a query cannot be taken apart.
struct Compiler {
  const View *view;
  List *counted;
  const char *why_not;
  const char *remedy;
};

// Takes a normalized query apart into a linear one over tables and group nodes; null with a reason if it cannot.
Query *Compile(Compiler *compiler, const Query *query);

// The same for a query with groups, which must have no other feature that is not linear.
Query *CompileGroups(Compiler *compiler, const Query *query);

// The same for the sides of a set operation, which have the same columns; `op` is not UNION ALL.
Query *CompileSetOperation(Compiler *compiler, SetOperation op, bool all, Query *left,
                           Query *right);

// Notes why a query cannot be taken apart; returns null.
Query *Refuse(Compiler *compiler, const char *why_not, const char *remedy);

// Expands views and WITH, resolves names of joined columns, drops orders that nothing depends on.
Query *Normalize(const Query *query);

}  // namespace helios::mview
