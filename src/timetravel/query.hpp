// Pieces of query trees, as the parser would have made them.
#pragma once

#include "pg/pg.hpp"

#include <initializer_list>

extern "C" {
#include "access/attmap.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Finds a function of schema heliosdb.
Oid FunctionOf(const char *name, std::initializer_list<Oid> arguments);

// A call of a function of schema heliosdb.
Expr *Call(const char *name, std::initializer_list<Oid> types, Oid result, List *arguments);

Const *OidConst(Oid value);

// left `name` right, of a type without collation.
Expr *Comparison(const char *name, Oid type, Expr *left, Expr *right);

// An empty SELECT over the first `used` entries of a range table.
Query *MakeQuery(List *range_table, int used);

// (SELECT value): evaluated once, unless the value depends on other tables.
Expr *Once(Expr *value);

// The entry of a subquery whose columns are those of `query`.
RangeTblEntry *MakeSubqueryEntry(Query *query, const char *name);

// Columns that pass on the first `count` columns of a subquery, the first entry of its range table.
List *PassColumns(const Query *query, int count);

// Turns the entry of a table into that of a subquery in its place. As for a view, relid stays, so that whole rows
// keep the table's row type.
void ReplaceBySubquery(RangeTblEntry *entry, Query *subquery, bool lateral);

// Keeps the planner from taking a subquery apart; quals still go into it.
void KeepApart(Query *subquery);

// Quals of row-level security of a table, number `index` of its range table, for what stands in its place as the first
// of another: its columns, mapped by `attributes` where given, stand `offset` columns further on.
List *MapPolicies(const RangeTblEntry *original, int index, const AttrMap *attributes, int offset);

}  // namespace helios::timetravel
