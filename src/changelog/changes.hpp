// The statement that reads the net changes of a table between two snapshots, for consumers.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::changelog {

// Builds a query of (op "char", old row, new row) for a table, or for all partitions of it, between
// `position` (a pg_snapshot as text) and the snapshot that runs the query.
char *BuildChangesQuery(const TrackedTable &tracked, const char *position);

// Builds a query that returns a row if this transaction has written the table.
char *BuildOwnWritesQuery(const TrackedTable &tracked, FullTransactionId own);

}  // namespace helios::changelog
