// Whether the rows of a materialized view answer a query, and the query that reads them instead.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Tells whether what a statement computes, LIMIT aside, depends on the order in which it reads rows: sums of floating
// point, string_agg without ORDER BY, numbers of rows. A walker.
bool DependsOnOrder(Node *node, void *context);

// Lists the tables that FROM of a query reads if it is one that a view may answer: tables and joins of them; else NIL.
List *RewritableTables(const Query *query);

// Tells whether a view's query has one result only, whatever the order of rows and settings of the session, and nothing
// that can be replaced behind its back; `query` is normalized.
bool IsExact(const Query *query);

// Returns the query with the view in place of its tables, or null. The tables stay in the range table, where their
// privileges are asked for. `definition` is the view's query, normalized.
Query *AnswerFromView(const Query *query, Oid view, const Query *definition);

}  // namespace helios::mview
