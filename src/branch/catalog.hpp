// The catalogs of the room: heliosdb.branches and heliosdb.branch_relations.
#pragma once

#include "branch/scope.hpp"
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

// The branch of main that a branch comes from, itself if it is one: it says as of when main's tables are read.
Branch RootOf(const Branch &branch);

// The same for the branch of the session.
const Branch &CurrentRoot();

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

// Counts the columns of a relation, dropped ones too; 0 without one.
int16 ColumnCount(Oid relation);

// Tells that the branches, or what a branch has in place of `main`, have changed.
void BranchesChanged();
void LocalChanged(Oid main);

// Notes what a branch has in place of `main` (0: nothing, it was created on the branch); `deleted` as in Local.
void AddLocal(int64 branch, Oid main, Oid local, Oid schema, Oid deleted = InvalidOid);

// Notes that a copy that was made row by row has all rows from now on; SPI need not be connected.
void NoteWhole(int64 branch, Oid main, Oid local);

// What a branch has from the branch that it comes from.
struct Inheritance {
  Oid origin;     // relation of the branch that created it; 0: main did
  int16 columns;  // see Local
  int16 shared;   // columns that it has in common with the parent's
  Oid source;  // where its rows are read until it is filled; 0 for what has no rows or is its own
  int64 source_fork;  // the branch as of whose fork they are
};

// Notes the same for what it has inherited.
void AddInherited(int64 branch, Oid main, Oid local, Oid schema, const Inheritance &inheritance);

// Where the rows of a relation of a branch came from.
struct Source {
  Oid relation;            // 0: they are its own from the beginning
  int64 fork;              // the branch as of whose fork they are read
  FullTransactionId made;  // transaction that gave it rows of its own; invalid: it has none yet
};
Source LoadSource(Oid local);

// Lets one transaction at a time give a branch rows of a relation.
void LockCopy(int64 branch, Oid relation);

// Lists the branches that exist, main left out.
List *LiveBranches();

// Serializes those who copy a table up, and keeps the branch from being dropped until the end of the transaction.
void LockBranch(int64 branch, bool exclusive);

// Lets one session at a time copy a row into a copy that is made row by row; not kept to the end of the transaction.
void LockRows(Oid copy);
void UnlockRows(Oid copy);

}  // namespace helios::branch
