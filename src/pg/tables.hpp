// The size of tables, whatever their access method.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "storage/block.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Counts the pages of an open table, and as an estimate what its access method keeps elsewhere; 0: there are no rows.
BlockNumber PagesOf(Relation table);

}  // namespace helios::pg
