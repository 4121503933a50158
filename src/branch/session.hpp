// The branch of a session: heliosdb.branch.
#pragma once

#include "pg/pg.hpp"

namespace helios::branch {

inline constexpr int64 kMain = 1;
// A name from a role, database, connection or the start of the server that is no branch.
inline constexpr int64 kMissing = -1;

inline constexpr const char *kMainName = "main";

// Id of the session's branch, or one of the above.
extern int64 session_branch;

// Tells whether statements are led elsewhere than to the tables that they name.
inline bool OnBranch() { return session_branch != kMain; }

// The name that heliosdb.branch holds; "main" for an empty one.
const char *SessionBranchName();

// Tells whether a deferred constraint or trigger waits for the end of the transaction: it would then ask the tables
// of another branch.
bool HasPendingTriggers();

// Remembers that the transaction merges a branch.
void NoteMerge(int64 branch);

// Raises an error if it has merged that of the session: what the branch changes then would be taken for merged.
void CheckNotMerged();

// Remembers that the transaction makes a branch of another one.
void NoteFork(int64 parent);

// Raises an error if it has made one of that of the session, and is now to make more than rows there: the new branch has
// the tables of the moment, with the rows that there are in the end.
void CheckNotForked();

// Defines heliosdb.branch.
void InitSession();

}  // namespace helios::branch
