// Keys in texts: comparisons where nulls are equal and an index can still serve.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pg_list.h"
#include "utils/queryenvironment.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Writes a number with a bit for each key that is null; `column` is the name of the keys without their number.
char *NullPattern(int key_count, const char *column);

// Lists which numbers (int64) the column "pattern" of named rows has.
List *NullPatterns(const char *rows, QueryEnvironment *names);

// Writes the condition that the keys (`letter`1, `letter`2, …) of two aliases are equal, for rows of the right one
// with one of the patterns. Where that is the only one, nothing is asked of it: the planner would think that few rows
// have it.
char *SameKeys(List *equality, const char *left, const char *right, const char *letter,
               const List *patterns, int64 pattern);

}  // namespace helios::mview
