// The statement that reads the net changes of a table between two snapshots.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::changelog {

// Builds a query of (op "char", old row, new row) for a table, or for all partitions of it, between
// `position` (a pg_snapshot as text) and the snapshot that runs the query.
char *BuildChangesQuery(const TrackedTable &tracked, const char *position);

// Stores its rows, as of the active snapshot; needs a connection to SPI.
void StoreNetChanges(const TrackedTable &tracked, const char *position, pg::StoredRows *rows);

// Builds a query that returns a row if this transaction has written the table.
char *BuildOwnWritesQuery(const TrackedTable &tracked, FullTransactionId own);

// Builds a query that counts the records after a position, up to a limit.
char *BuildCountQuery(const TrackedTable &tracked, const char *position, int64 limit);

}  // namespace helios::changelog
