// Triggers of the extension's own on tables of users.
#pragma once

#include "pg/pg.hpp"

namespace helios::pg {

// Creates an internal trigger that fires in every replication role: owners see it in no dump and cannot drop it, and
// DROP EXTENSION takes it along with its function, without CASCADE. `timing` and `events` are TRIGGER_TYPE_…
void CreateInternalTrigger(Oid relation, const char *name, bool row, int16 timing, int16 events,
                           Oid function);

}  // namespace helios::pg
