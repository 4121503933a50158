// The branch of a session: heliosdb.branch.
#pragma once

#include "pg/pg.hpp"

namespace helios::branch {

inline constexpr int64 kMain = 1;
inline constexpr int64 kMissing =
    -1;  // a name from a role, database or connection that is no branch
inline constexpr int64 kUnresolved = -2;  // a name that came before the catalogs could be asked

inline constexpr const char *kMainName = "main";

// Id of the session's branch, or one of the above.
extern int64 session_branch;

// Tells whether statements are led elsewhere than to the tables that they name.
inline bool OnBranch() { return session_branch != kMain; }

// The name that heliosdb.branch holds; "main" for an empty one.
const char *SessionBranchName();

// Defines heliosdb.branch.
void InitSession();

}  // namespace helios::branch
