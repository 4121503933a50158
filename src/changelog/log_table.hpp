// Log relations: heliosdb_log.log_<oid of the table>.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

extern "C" {
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// Reads the columns of the primary key; none if it is missing or deferrable.
void ReadKey(Relation table, TrackedTable *tracked);

// Names the column of a log for one of the table, counted from 0.
char *ColumnName(int index);

// Creates the log of a table as a member of the extension, with its indexes.
Oid CreateLog(Relation table);

// Drops a log.
void DropLog(Oid log);

// Tells whether a log still fits the columns of its table, and which columns are to be added.
enum class LogFit { kFits, kLacksColumns, kDiffers };
LogFit CompareLog(Relation table, Relation log);

// Adds the columns at the end that the table has and the log has not.
void AddColumns(Relation table, Oid log);

// Drops the columns that the table has dropped, so that their types can be dropped.
void DropColumns(Relation table, Oid log);

}  // namespace helios::changelog
