// Which indexes of tables incremental refreshes look for.
#pragma once

#include "pg/pg.hpp"

#include "mview/shape.hpp"

namespace helios::mview {

// Lists CREATE INDEX statements (strings) for tables in which rows are looked for by columns that no index begins with.
List *MissingIndexes(const Shape *shape);

}  // namespace helios::mview
