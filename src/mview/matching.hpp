// Conditions between the two sides of a step: columns of the left side are of entry 1, those of the right of entry 2.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

namespace helios::mview {

// Makes a condition one for a subquery over one side as entry 1, in a query over the other, `outer`, as entry 1.
Node *OneLevelUp(const Node *match, int outer);

// Makes the right side the left one.
Node *Swapped(const Node *match);

// Where a condition only compares expressions of both sides for equality, and many right rows may have the same: lets
// it compare with the distinct values that the right side has, of which fewer change.
bool CompareByKeys(Compiler *compiler, Query **right, const Node **match);

// Adds a step of two sides; `combined` reads them.
Query *AddApplied(Compiler *compiler, Query *left, Query *right, const Node *match,
                  Query *combined);

// Adds a step of the left rows that no right row matches.
Query *Unmatched(Compiler *compiler, Query *left, Query *right, const Node *match);

// Makes a subquery of the right rows that match the row of the outer query.
Query *MatchingRows(const Query *right, const Node *match);

// Tells whether a subquery has rows as soon as rows match.
bool DependsOnMatchOnly(const Query *subquery);

}  // namespace helios::mview
