// Schemas of branches, and how names find them.
//
//   heliosdb_b<id>_<schema>   shadow of a schema: tables that were created or altered on the branch, its
//                             sequences and views. It stands before its schema in every search path.
//   heliosdb_c<id>_<schema>   copies of tables that still look as on main; statements are analysed with main's
//                             table and led to the copy when they are planned.
#pragma once

#include "pg/pg.hpp"

namespace helios::branch {

enum class Space : char { kShadow = 'b', kCopies = 'c' };

// Returns the name of a schema of a branch, palloc'ed.
char *SpaceName(int64 branch, Space space, const char *schema);

// Tells whether a schema, by its name, belongs to a branch; to any if `branch` is 0.
bool IsBranchSpace(const char *schema, int64 branch);

// Puts shadows into every search path that is set from now on; SHOW search_path stays as the user set it.
void InitPath();

// Works out the search path anew after the branch of the session has changed.
void RefreshPath();

}  // namespace helios::branch
