// Groups with counters: their state, and how changes of their rows change it.
#pragma once

#include "pg/pg.hpp"

#include "mview/linear.hpp"
#include "mview/shape.hpp"

namespace helios::mview {

// Finds a group node by its number.
const Counted *CountedAt(const Shape *shape, int number);

// Makes a query of what a node puts out now, read from its state; with weights where rows may come several times.
Query *OutputOfState(Oid view, const Counted *node, bool *is_weighted);

// Computes how the output of a node changes (its columns and a weight), and brings its state up to date.
void ChangeGroups(Changes *changes, const Counted *node, pg::StoredRows *output);

// Makes the state of a node anew.
void BuildGroups(const View &view, const Shape *shape, const Counted *node);

// Drops the states of a view.
void DropGroups(Oid view);

}  // namespace helios::mview
