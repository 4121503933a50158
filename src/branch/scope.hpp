// Working as somebody else: as the owner of the catalogs on main, or as the owner of a relation; and SQL while doing so.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pg_list.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Works as the owner of the catalogs on main with nothing of the user's on the search path, until Leave; an error
// ends it as well.
class SystemScope {
 public:
  void Enter();
  void Leave();

  // Tells whether the session works so, also if something else is nested in it.
  static bool IsEntered();

 private:
  Oid user_;
  int context_;
  int settings_;
};

// Within a SystemScope, has what may run code of users done as the owner of the relation that it is about.
class OwnerScope {
 public:
  explicit OwnerScope(Oid relation);
  void Leave();

 private:
  Oid user_;
  int context_;
};

// Tells whether a scope is being entered.
bool InSystemScope();

// Runs one SQL statement with SPI connected; an error unless it gives `expected`.
void RunSql(const char *sql, int expected);

// The same for the statements that a query returns in its first column; as the owner of a relation, if one is given.
void RunEach(const char *query, Oid as_owner_of = InvalidOid);

// Runs a query within a SystemScope, with SPI connected, and lists the OIDs in its first column in the
// memory context `context`.
List *QueryOids(const char *sql, MemoryContext context);

// The same outside of such a scope, in the current context.
List *QueryOids(const char *sql);

}  // namespace helios::branch
