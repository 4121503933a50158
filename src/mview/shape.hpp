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

// What the state of a group keeps of an aggregate's argument: how many values are not null, their sum (kSum: of integers
// up to 4 bytes, kBigSum: of other exact numbers), the sum of their squares, an extreme; kWhole is the result itself,
// computed anew whenever the group changes.
enum class MeasureKind { kCount, kSum, kBigSum, kSquares, kMin, kMax, kWhole };

// A column of the state of groups.
struct Measure {
  MeasureKind kind;
  int argument;         // column of the source, counted from 1; 0 for kWhole
  const Aggref *whole;  // of kWhole: over columns of the source
};

// Groups of rows with counters: the state of GROUP BY, DISTINCT, UNION, INTERSECT and EXCEPT.
struct Counted {
  int key_count;
  int argument_count;
  // OIDs of the operators by which keys are equal.
  List *equality;
  // A sum: keys g1…, arguments a1….
  Query *source;
  // Of Measure.
  List *measures;
  // h, g1…, n, m1….
  TupleDesc state;
  // From rows of the state, named kStateRows, to rows of the output with weights.
  Query *projection;
  // Without keys there is always one row.
  bool is_always_there;
  // Rows of the output may come several times.
  bool is_multiple;
};

// What a step does with the rows that it reads: kCounted groups them, with a state; kApplied puts to each left row what
// the right rows that match it make of it (outer joins, subqueries, LATERAL); kPartition computes something from all
// rows with the same key (window functions, DISTINCT ON).
enum class StepKind { kCounted, kApplied, kPartition };

// A part of a query that does not add up row by row. Queries above read its rows under StepName.
struct Step {
  StepKind kind;
  int number;
  TupleDesc output;
  // Of kCounted.
  const Counted *counted;
  // The sums that it reads; only kApplied has two.
  Query *left;
  Query *right;
  // kApplied: whether a left row (columns of entry 1) may depend on a right row (of entry 2).
  const Expr *match;
  // The output, from rows named kLeftRows and kRightRows.
  Query *combined;
  // kPartition: the first columns of what it reads, and the OIDs of the operators by which they are equal.
  int key_count;
  List *equality;
};

struct Shape {
  Explanation explanation;
  // Views and WITH expanded, names of joined columns resolved.
  Query *query;
  // A sum over tables and steps; null if changes cannot be computed.
  Query *linear;
  // Of Step: each reads those before it only.
  List *steps;
  // OIDs of the tables whose changes are read.
  List *relations;
  // A step whose rows of the same key come as the view's rows of the same key: what they were is read from the view.
  const Step *keyed;
  // Columns of the view, one for each key of that step.
  AttrNumber *key;
};

inline constexpr const char *kStateRows = "state_rows";
inline constexpr const char *kLeftRows = "left_rows";
inline constexpr const char *kRightRows = "right_rows";

// Names the rows of a step in the queries that read them, and finds the number in the name.
char *StepName(int number);
int StepNumber(const char *name);

// Why a query cannot be taken apart.
struct Compiler {
  const View *view;
  List *steps;
  const char *why_not;
  const char *remedy;
};

// Takes a normalized query apart into a linear one over tables and steps; null with a reason if it cannot.
Query *Compile(Compiler *compiler, const Query *query);

// The same for a query with groups.
Query *CompileGroups(Compiler *compiler, const Query *query);

// The same for a query with grouping sets.
Query *CompileGroupingSets(Compiler *compiler, const Query *query);

// The same for a query with window functions or DISTINCT ON.
Query *CompilePartitions(Compiler *compiler, const Query *query);

// The same for the sides of a set operation, which have the same columns; `op` is not UNION ALL.
Query *CompileSetOperation(Compiler *compiler, SetOperation op, bool all, Query *left,
                           Query *right);

// Makes a step of an outer join, a subquery in an expression, or a subquery that is computed for each row, which the
// query has at its own level; the rest reads the step. False if there is none, or with a reason if it cannot be done.
bool Detach(Compiler *compiler, Query *query);

// Adds a step, and makes a query that reads all of its output.
Query *AddStep(Compiler *compiler, Step *step);

// Notes why a query cannot be taken apart; returns null.
Query *Refuse(Compiler *compiler, const char *why_not, const char *remedy);

// Expands views and WITH, resolves names of joined columns, drops orders that nothing depends on.
Query *Normalize(const Query *query);

// Replaces names of joined columns, also where subqueries refer to them, by the columns.
void FlattenJoinAliases(Query *query);

}  // namespace helios::mview
