// Materialized views on a branch: each branch computes its own, with the query of main's, when it first needs it.
#pragma once

#include "branch/ddl.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Gives the session's branch a materialized view in place of one of main, and computes its rows if they are wanted;
// returns it. Does nothing if there is one.
Oid CopyMatview(Oid main, bool with_rows);

// The same for several of main; those that others are made from come first.
void CopyMatviews(List *matviews);

// Leads REFRESH.
Ddl LeadRefresh(RefreshMatViewStmt *refresh);

// Drops what branches have in place of materialized views that main has dropped.
void DropLeftMatviews();

}  // namespace helios::branch
