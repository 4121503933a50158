#include "mview/keys.hpp"

#include "mview/trees.hpp"
#include "pg/names.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

char *NullPattern(int key_count, const char *column) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "(0::int8");
  for (int i = 1; i <= key_count; i++)
    appendStringInfo(&sql, " + CASE WHEN %s%d IS NULL THEN %lld ELSE 0 END", column, i,
                     1LL << (i - 1));
  appendStringInfoString(&sql, ")");
  return sql.data;
}

List *NullPatterns(const char *rows, QueryEnvironment *names) {
  pg::StoredRows patterns = {};
  StoreText(psprintf("SELECT DISTINCT pattern FROM %s", rows), names, &patterns);
  TupleTableSlot *slot = MakeSingleTupleTableSlot(patterns.desc, &TTSOpsMinimalTuple);
  List *found = NIL;
  while (tuplestore_gettupleslot(patterns.store, true, false, slot)) {
    bool is_null;
    auto *pattern = static_cast<int64 *>(palloc(sizeof(int64)));
    *pattern = DatumGetInt64(slot_getattr(slot, 1, &is_null));
    found = lappend(found, pattern);
  }
  ExecDropSingleTupleTableSlot(slot);
  tuplestore_end(patterns.store);
  return found;
}

char *SameKeys(List *equality, const char *left, const char *right, const char *letter,
               const List *patterns, int64 pattern) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "true");
  if (list_length(patterns) > 1)
    appendStringInfo(&sql, " AND %s.pattern = " INT64_FORMAT, right, pattern);
  for (int i = 1; i <= list_length(equality); i++) {
    if ((pattern >> (i - 1)) & 1) {
      appendStringInfo(&sql, " AND %s.%s%d IS NULL", left, letter, i);
    } else {
      appendStringInfo(&sql, " AND %s.%s%d %s %s.%s%d", left, letter, i,
                       pg::QualifiedOperator(list_nth_oid(equality, i - 1)), right, letter, i);
    }
  }
  return sql.data;
}

}  // namespace helios::mview
