// DDL on main while there are branches.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Raises an error if a role that is no superuser gives a schema a name that belongs to branches: what lies in it would
// be found before the tables and functions of others.
void CheckReserved(const Node *statement);

// Remembers the histories that branches read before a statement that may end one; null if there is nothing to
// watch.
List *BeforeMainDdl(const Node *statement);

// The same on a branch, for tables that other branches have inherited and not changed.
List *BeforeBranchDdl(const Node *statement);

// Raises an error if the statement took from a branch what it reads. Copies of altered tables become tables of
// their own, which main's definition has nothing to do with.
void AfterMainDdl(List *before);

}  // namespace helios::branch
