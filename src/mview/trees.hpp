// Query trees that are put together from parts and run: text around trees, named rows in place of tables.
#pragma once

#include "pg/pg.hpp"
#include "pg/rows.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/queryenvironment.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Lets queries read rows under a name; without a store only their shape.
void NameRows(QueryEnvironment *names, const char *name, const pg::StoredRows &rows);
void NameShape(QueryEnvironment *names, const char *name, TupleDesc desc);

// Analyzes a statement in text. What it calls tables are named rows, or tables with their schema.
Query *Parse(const char *text, QueryEnvironment *names);

// Makes an entry of a range table: of named rows, or of a subquery.
RangeTblEntry *RowsEntry(const char *name, TupleDesc desc, double rows);
RangeTblEntry *SubqueryEntry(Query *query);

// Puts an entry in the place of all named rows of this name, however deep in the query.
void Splice(Query *query, const char *name, const RangeTblEntry *entry);

// Adds the rows of two queries up.
Query *UnionAll(Query *one, Query *other);

// Appends an entry to the range table and, with `is_source`, to FROM; returns its number.
int AddEntry(Query *query, RangeTblEntry *entry, bool is_source);

// Describes the rows of a query.
TupleDesc DescribeRows(const Query *query);

// Lists the numbers of the range table that FROM uses.
Bitmapset *Sources(const Query *query);

// Plans a query, and tells what the planner thinks that it costs.
PlannedStmt *Plan(const Query *query);

// Runs a query in the active snapshot and adds its rows.
void Store(const Query *query, QueryEnvironment *names, pg::StoredRows *rows);
void StorePlanned(PlannedStmt *plan, TupleDesc desc, QueryEnvironment *names, pg::StoredRows *rows);

// The same for a text.
void StoreText(const char *text, QueryEnvironment *names, pg::StoredRows *rows);

// Runs a statement that writes, as the owner of the extension; later queries see what it has written.
void Write(const char *text, QueryEnvironment *names);

}  // namespace helios::mview
