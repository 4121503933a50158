// Groups with counters: their state, and how changes of their rows change it.
#pragma once

#include "pg/pg.hpp"

#include "mview/linear.hpp"
#include "mview/shape.hpp"

namespace helios::mview {

// Makes a query of what groups put out now, read from their state; with weights where rows may come several times.
Query *OutputOfState(Oid view, int step, const Counted *node, bool *is_weighted);

// Computes how the output of groups changes (its columns and a weight), and brings their state up to date. With `keys`
// that become the keys which are touched, and `output` what there is of them now.
void ChangeGroups(Changes *changes, int step, const Counted *node, pg::StoredRows *output,
                  pg::StoredRows *keys);

// Makes the state of groups anew.
void BuildGroups(const View &view, const Shape *shape, int step, const Counted *node);

}  // namespace helios::mview
