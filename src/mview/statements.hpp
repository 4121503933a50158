// Statements about materialized views: CREATE, ALTER and REFRESH.
#pragma once

#include "pg/pg.hpp"

namespace helios::mview {

// Tells whether a statement of ours is computing a view anew, and will note the position.
bool IsBeingRefreshed(Oid view);

// True if the session is in the past or on a branch: whoever looks after that refuses statements of ours.
bool IsElsewhere();

void InitStatements();

}  // namespace helios::mview
