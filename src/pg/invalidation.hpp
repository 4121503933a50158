// Watching relations change. PostgreSQL has ten places for functions that it tells of it, those of its own and
// of all libraries together (inval.c, MAX_RELCACHE_CALLBACKS): the rooms share one.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/inval.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Has `function` called with 0 and the relation (InvalidOid: any of them) whenever the cache entry of a relation goes,
// to the end of the session. Nothing happens if it is called already.
void WatchRelations(RelcacheCallbackFunction function);

}  // namespace helios::pg
