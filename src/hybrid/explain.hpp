// What EXPLAIN (ANALYZE) tells about hybrid tables.
#pragma once

namespace helios::hybrid {

// Installs the hooks of EXPLAIN and of the end of a plan.
void InitExplain();

}  // namespace helios::hybrid
