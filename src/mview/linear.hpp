// Changes of queries that add up: with the changes of a table in its place, the query gives the change of its rows. Of
// several changed tables A * B changes by dA * B + A * dB - dA * dB, where A and B are as they are now.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

extern "C" {
#include "nodes/plannodes.h"
#include "utils/queryenvironment.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// What changed since the position: rows with weights, of tables and of steps.
struct Changes {
  const View *view;
  const Shape *shape;
  QueryEnvironment *names;
  List *parts;   // of ChangedPart
  int64 count;   // changed rows of tables
  double cost;   // of what has been computed from tables, as the planner estimates it
  double limit;  // what a full refresh costs; above it nothing is computed any more
  const char *why_full;  // see Delta; nothing is computed any more if it is set
};

// The changes of a table (columns c1, c2, …, dropped ones null, and the weight) or of a step.
struct ChangedPart {
  Oid relation;  // invalid: of a step
  int step;
  const char *name;
  pg::StoredRows rows;
};

// Reads the changes of the tables of a view.
void ReadChanges(Changes *changes);

// Adds the changes of a step.
void AddPart(Changes *changes, int step, const pg::StoredRows &rows);

// Finds the changes of a table, or of a step, or null if there are none.
const ChangedPart *FindPart(const Changes *changes, Oid relation, int step);

// Estimates what it costs to compute rows, keep and compare them.
double CostOfRows(const PlannedStmt *plan);

// Runs a query and adds its rows, unless all together costs more than a full refresh: then it adds none.
void StorePart(Changes *changes, const Query *query, pg::StoredRows *rows);

// Frees the changes of tables and steps.
void DropParts(Changes *changes);

// Adds the changes of a linear query to rows: its columns and a weight.
void StoreLinear(Changes *changes, const Query *linear, pg::StoredRows *rows);

// Makes a query of the present rows of a linear query: steps are computed, groups read from their state.
// Rows that come several times do.
Query *PresentRows(const Shape *shape, Oid view, const Query *linear);

// Describes the changes of a linear query without computing them.
TupleDesc DescribeChanges(const Query *linear);

}  // namespace helios::mview
