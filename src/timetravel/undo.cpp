// undo_transaction() and transaction_changes(): what one transaction did, and its reverse.
//
// Only the log is read as the owner of the extension, in the room changelog; everything else, above all what
// calls operators, casts or triggers of users, runs as the caller.
#include "timetravel/undo.hpp"

#include "timetravel/session.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// ---- What it did ----

// Stores the net changes of a table under their name.
void StoreChanges(Target *target, const Request &request) {
  pg::StoredRows versions = {};
  Relation table = table_open(target->relation, NoLock);
  ListCell *cell;
  foreach (cell, target->leaves) {
    changelog::ReadVersions(*static_cast<changelog::TrackedTable *>(lfirst(cell)), table,
                            request.effects, request.only_listing, &versions);
  }
  table_close(table, NoLock);
  pg::NameRows(target->versions, versions);
  pg::StoreRows(ChangesQuery(*target, request.effects.creators), request.only_listing,
                &target->plan);
  pg::DropRows(target->versions, &versions);
  pg::NameRows(target->changes, target->plan);
}

// Finds what a transaction did, table by table.
List *FindChanges(const Request &request) {
  List *targets = LockTargets(request);
  ListCell *cell;
  foreach (cell, targets) {
    auto *target = static_cast<Target *>(lfirst(cell));
    DescribeTarget(target, foreach_current_index(cell));
    StoreChanges(target, request);
  }
  return targets;
}

// Frees what FindChanges has stored.
void DropChanges(const List *targets) {
  const ListCell *cell;
  foreach (cell, targets) {
    auto *target = static_cast<Target *>(lfirst(cell));
    pg::DropRows(target->changes, &target->plan);
  }
}

void Select(const char *query) {
  if (SPI_execute(query, true, 0) != SPI_OK_SELECT) elog(ERROR, "cannot run: %s", query);
}

Datum ValueAt(uint64 row, int column) {
  bool is_null;
  return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
}

// Counts the changes of a table.
Counts Count(const Target &target) {
  Select(CountQuery(target));
  Counts counts = {};
  for (uint64 row = 0; row < SPI_processed; row++) {
    const char op = DatumGetChar(ValueAt(row, 1));
    const int64 number = DatumGetInt64(ValueAt(row, 3));
    int64 *kind = op == changelog::kOpInsert   ? &counts.inserted
                  : op == changelog::kOpUpdate ? &counts.updated
                                               : &counts.deleted;
    *kind += number;
    if (DatumGetBool(ValueAt(row, 2))) counts.conflicts += number;
  }
  return counts;
}

// ---- Undoing ----

// Refuses to undo what later transactions have built upon.
void RefuseConflicts(const List *targets, const Counts *counts, FullTransactionId xid) {
  const Target *first = nullptr;
  int64 conflicts = 0;
  StringInfoData others;
  initStringInfo(&others);
  const ListCell *cell;
  foreach (cell, targets) {
    const auto *target = static_cast<const Target *>(lfirst(cell));
    const int64 here = counts[foreach_current_index(cell)].conflicts;
    if (here == 0) continue;
    if (first == nullptr) {
      first = target;
      conflicts = here;
    } else {
      appendStringInfo(&others, " In table \"%s\" too: " INT64_FORMAT ".",
                       get_rel_name(target->relation), here);
    }
  }
  if (first == nullptr) return;
  Select(ConflictQuery(*first));
  StringInfoData rows;
  initStringInfo(&rows);
  for (uint64 row = 0; row < SPI_processed; row++)
    appendStringInfo(&rows, "%s%s", row == 0 ? "" : ", ",
                     SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
  if (static_cast<uint64>(conflicts) > SPI_processed) appendStringInfoString(&rows, " and more");
  ereport(ERROR,
          (errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
           errmsg("transaction %llu cannot be undone: rows of table \"%s\" have been changed since "
                  "(%lld)",
                  NumberOf(xid), get_rel_name(first->relation), static_cast<long long>(conflicts)),
           errdetail("%s: %s.%s", first->key_count > 0 ? "Their keys" : "They were", rows.data,
                     others.data),
           errhint("Undo the later transactions first, or bring the table back with "
                   "heliosdb.flashback_table(). heliosdb.transaction_changes(%llu) lists all "
                   "changes.",
                   NumberOf(xid))));
}

// Runs the statement that undoes, and adds a row for each table to the result.
void Undo(const List *targets, const Counts *counts, ReturnSetInfo *result) {
  bool empty = true;
  for (int i = 0; i < list_length(targets); i++)
    empty = empty && counts[i].inserted + counts[i].updated + counts[i].deleted == 0;
  if (empty) return;
  const char *statement = UndoStatement(targets, counts);
  if (SPI_execute(statement, false, 0) != SPI_OK_SELECT) elog(ERROR, "cannot run: %s", statement);
  for (uint64 row = 0; row < SPI_processed; row++) {
    const int index = DatumGetInt32(ValueAt(row, 1));
    const auto *target = static_cast<const Target *>(list_nth(targets, index));
    const Counts &wanted = counts[index];
    Datum values[] = {ObjectIdGetDatum(target->relation), ValueAt(row, 2), ValueAt(row, 3),
                      ValueAt(row, 4)};
    const int64 left = wanted.deleted - DatumGetInt64(values[1]) + wanted.updated -
                       DatumGetInt64(values[2]) + wanted.inserted - DatumGetInt64(values[3]);
    if (left != 0) {
      ereport(
          ERROR,
          (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
           errmsg("not all rows of table \"%s\" could be undone", get_rel_name(target->relation)),
           errdetail("Triggers of the table left out %lld of %lld.", static_cast<long long>(left),
                     static_cast<long long>(wanted.inserted + wanted.updated + wanted.deleted))));
    }
    bool nulls[] = {false, false, false, false};
    if (wanted.inserted + wanted.updated + wanted.deleted > 0)
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
}

// Reads the arguments (transaction, tables).
Request ReadRequest(FunctionCallInfo fcinfo, bool only_listing) {
  Request request = {{}, NIL, only_listing ? AccessShareLock : ShareRowExclusiveLock, only_listing};
  if (PG_ARGISNULL(0)) {
    ereport(ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the transaction must not be null")));
  }
  if (SessionReadsPast()) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("heliosdb.as_of is set, and the present is needed"),
                    errdetail("Whether rows have been changed since shows in the present only."),
                    errhint("RESET heliosdb.as_of.")));
  }
  if (!PG_ARGISNULL(1)) {
    request.only = ReadTables(PG_GETARG_ARRAYTYPE_P(1));
    if (request.only == NIL) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("the tables must not be none at all"),
                      errhint("Null, which is the default, means all tables.")));
    }
  }
  request.effects = FindEffects(PG_GETARG_INT64(0), only_listing);
  return request;
}

}  // namespace

}  // namespace helios::timetravel

// undo_transaction(transaction bigint, tables regclass[]): (relation, inserted, updated, deleted)
HELIOS_FUNCTION(undo_transaction) {
  using namespace helios::timetravel;
  PreventCommandIfReadOnly("heliosdb.undo_transaction()");
  if (IsolationUsesXactSnapshot()) {
    ereport(
        ERROR,
        (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
         errmsg("transactions cannot be undone in a transaction with one snapshot"),
         errdetail("Its snapshot may lack changes that were committed before tables were locked."),
         errhint("Use a READ COMMITTED transaction.")));
  }
  InitMaterializedSRF(fcinfo, 0);
  SPI_connect();
  const Request request = ReadRequest(fcinfo, false);
  const List *targets = FindChanges(request);
  auto *counts = static_cast<Counts *>(palloc0((list_length(targets) + 1) * sizeof(Counts)));
  const ListCell *cell;
  foreach (cell, targets)
    counts[foreach_current_index(cell)] = Count(*static_cast<const Target *>(lfirst(cell)));
  RefuseConflicts(targets, counts, request.effects.xid);
  Undo(targets, counts, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
  DropChanges(targets);
  SPI_finish();
  PG_RETURN_NULL();
}

// transaction_changes(transaction bigint, tables regclass[]): (relation, op, key, old, new, conflict)
HELIOS_FUNCTION(transaction_changes) {
  using namespace helios::timetravel;
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  helios::pg::StoredRows rows = {result->setResult, result->setDesc};
  SPI_connect();
  const Request request = ReadRequest(fcinfo, true);
  const List *targets = FindChanges(request);
  const ListCell *cell;
  foreach (cell, targets)
    helios::pg::StoreRows(ListQuery(*static_cast<const Target *>(lfirst(cell))), true, &rows);
  DropChanges(targets);
  SPI_finish();
  PG_RETURN_NULL();
}
