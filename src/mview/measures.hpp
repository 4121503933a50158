// What the state of groups has to keep for a query: keys, and measures of which its aggregates are computed.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

namespace helios::mview {

// The taking apart of one query with groups.
struct Splitting {
  Compiler *compiler;
  List *keys;        // expressions
  List *equality;    // OIDs of operators
  List *arguments;   // expressions of the source
  List *measures;    // of Measure
  List *aggregates;  // of Aggref, as found
  List *results;     // of text: each aggregate from columns m1, m2, … of the state
  bool failed;
};

// Finds an expression in a list, counted from 1; 0 if it is not there.
int Find(List *list, const Node *node);

// The same, and adds a copy if it is not there.
int Enter(List **list, Node *node);

// Notes a key; false if its type cannot be one.
bool AddKey(Splitting *split, Node *expression);

// Notes a column of the state; returns its number.
int AddMeasure(Splitting *split, MeasureKind kind, int argument, const Aggref *whole);

// Makes a column of an entry of the range table, of the type of an expression.
Node *ColumnOf(const Node *expression, int rows, int column);

// Notes what an aggregate needs of the state, and how it is computed from that.
bool AddAggregate(Splitting *split, const Aggref *aggregate);

}  // namespace helios::mview
