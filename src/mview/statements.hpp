// Statements about materialized views: CREATE, ALTER and REFRESH.
#pragma once

namespace helios::mview {

void InitStatements();

}  // namespace helios::mview
