// Consumers of changes: who has read a table's log up to which snapshot.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

extern "C" {
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// Writes a snapshot as type pg_snapshot does, with this transaction as one in progress.
char *PositionOf(Snapshot snapshot);

// Drops the consumers of a table that is gone.
void DropConsumersOf(Oid relation);

// Raises an error unless the user owns the table; takes the lock that keeps writers out, if asked.
void CheckOwner(Oid relation);
void LockOwned(Oid relation);

}  // namespace helios::changelog
