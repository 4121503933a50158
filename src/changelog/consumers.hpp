// Consumers of changes: who has read a table's log up to which snapshot.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::changelog {

// True if a transaction is visible in a position.
bool IsVisible(FullTransactionId xid, const char *position);

// True if this transaction has written a table or a partition of it, or may have.
bool HasWritten(Oid relation);

// Drops the consumers of a table that is gone.
void DropConsumersOf(Oid relation);

// Raises an error unless the user owns the table; takes the lock that keeps writers out, if asked.
void CheckOwner(Oid relation);
void LockOwned(Oid relation);

}  // namespace helios::changelog
