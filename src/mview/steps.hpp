// Steps of a shape: what they put out now, and how that changes.
#pragma once

#include "pg/pg.hpp"

#include "mview/linear.hpp"
#include "mview/shape.hpp"

namespace helios::mview {

// Finds a step by its number.
const Step *StepAt(const Shape *shape, int number);

// Makes a query of what a step puts out now; with weights where rows may come several times.
Query *PresentOutput(const Shape *shape, Oid view, const Step *step, bool *is_weighted);

// Computes how the output of a step changes: its columns and a weight. With `keys` that become the keys which are
// touched, and `output` all that there is of them now.
void ChangeStep(Changes *changes, const Step *step, pg::StoredRows *output, pg::StoredRows *keys);

// Finds out whether a view's rows can be replaced by key; see Shape::keyed.
void FindKeyed(Shape *shape);

}  // namespace helios::mview
