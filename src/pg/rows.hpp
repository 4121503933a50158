// Rows of queries, stored: later statements of the same SPI connection read them by a name. For code that holds
// nothing with a destructor.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "utils/tuplestore.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

struct StoredRows {
  Tuplestorestate *store;  // null before the first query
  TupleDesc desc;
};

// Runs a query through SPI and adds its rows; all queries of one StoredRows have the same columns. Read-only: in
// the caller's snapshot, else in a new one.
void StoreRows(const char *query, bool read_only, StoredRows *rows);

// Lets statements read stored rows as a table; the name must live as long.
void NameRows(const char *name, const StoredRows &rows);

// Takes the name away and frees the rows.
void DropRows(const char *name, StoredRows *rows);

}  // namespace helios::pg
