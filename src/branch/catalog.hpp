// The catalogs of the room: heliosdb.branches and heliosdb.branch_relations.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/transam.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

inline constexpr const char *kAdminSchema = "heliosdb";

// A branch. Its fork (fork.hpp) is a recorded snapshot or an instant.
struct Branch {
  int64 id;
  NameData name;
  int64 parent;
  Oid owner;
  TimestampTz fork_at;         // 0: fork_scn says it
  FullTransactionId fork_xid;  // invalid: the branch began in the past
  int64 fork_scn;              // 0: fork_at says it
};

// Looks a branch up; false if there is none, or no extension here.
bool FindBranch(const char *name, Branch *branch);
bool FindBranchById(int64 id, Branch *branch);

// The branch of the session, which must not be main; an error if it has gone.
const Branch &CurrentBranch();

// What a branch has in place of a relation of main.
struct Local {
  bool exists;    // there is a row
  Oid relation;   // 0: dropped on the branch
  int16 columns;  // the first ones are those of main, dropped ones too
  Oid deleted;  // of a copy that was made row by row: the table of the keys deleted on the branch; else 0
  FullTransactionId whole_xid;  // the transaction that made it whole since; invalid: it is not

  // Tells whether the copy has only some rows: the others are main's as of the fork.
  bool IsPartial() const { return OidIsValid(deleted) && !FullTransactionIdIsValid(whole_xid); }
};
Local FindLocal(int64 branch, Oid main);

// The table of main, and the branch, that a copy belongs to which was made row by row; 0 for all other relations.
struct CopyOf {
  Oid main;
  int64 branch;
};
CopyOf FindCopyOf(Oid local);

// The same as a Local if the copy is of the session's branch and has only some rows; one that does not exist otherwise.
Local FindPartial(Oid local);

// Tells that the branches, or what a branch has in place of `main`, have changed.
void BranchesChanged();
void LocalChanged(Oid main);

// Notes what a branch has in place of `main` (0: nothing, it was created on the branch); `deleted` as in Local.
void AddLocal(int64 branch, Oid main, Oid local, Oid schema, Oid deleted = InvalidOid);

// Notes that a copy that was made row by row has all rows from now on; SPI need not be connected.
void NoteWhole(int64 branch, Oid main, Oid local);

// Lists the branches that exist, main left out.
List *LiveBranches();

// Serializes those who copy a table up, and keeps the branch from being dropped until the end of the transaction.
void LockBranch(int64 branch, bool exclusive);

// Lets one session at a time copy a row into a copy that is made row by row; not kept to the end of the transaction.
void LockRows(Oid copy);
void UnlockRows(Oid copy);

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

// Tells whether a scope is being entered.
bool InSystemScope();

// Runs one SQL statement with SPI connected; an error unless it gives `expected`.
void RunSql(const char *sql, int expected);

// The same for the statements that a query returns in its first column.
void RunEach(const char *query);

// Runs a query within a SystemScope, with SPI connected, and lists the OIDs in its first column in the
// memory context `context`.
List *QueryOids(const char *sql, MemoryContext context);

// The same outside of such a scope, in the current context.
List *QueryOids(const char *sql);

}  // namespace helios::branch
