// Undoing one transaction, as net changes:
//
//   former  versions of others that it ended                          records of the transaction
//   kept    versions of its making that were there when it committed  current rows with its xmin, and records of
//                                                                     later transactions with it as creator
//
// By primary key, a former version without a kept one was deleted, a kept one without a former one inserted, a
// pair of different images updated. It is a conflict if the row is not what the transaction left: another image
// than the kept version, or any row where it left none. So a row that was changed and changed back is none, and
// undoing later transactions clears the way. Of a bag only the numbers of equal images count: it is a conflict if
// fewer copies are left than are to be deleted.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

extern "C" {
#include "storage/lockdefs.h"
#include "utils/array.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// What a call asks for.
struct Request {
  changelog::Effects effects;
  List *only;         // tables, or NIL: all
  LOCKMODE lock;      // on every table concerned
  bool only_listing;  // in the caller's snapshot, without the tables that the caller may not read
};

// Looks up a transaction that has committed; an error for any other number.
changelog::Effects FindEffects(int64 number, bool read_only);

// Reads an array of tables, each of which is undone as a whole.
List *ReadTables(ArrayType *array);

// Finds the tables that the transaction has changed, by OID, and locks them and their partitions; an error if that
// cannot be told, or the caller may not undo.
List *LockTargets(const Request &request);

inline unsigned long long NumberOf(FullTransactionId xid) { return U64FromFullTransactionId(xid); }

struct Column {
  AttrNumber number;
  const char *name;  // quoted
  Oid type;
  bool generated;
  bool always_identity;
};

// A table that the transaction changed: one that holds rows, or the topmost tracked table above it.
struct Target {
  Oid relation;
  List *leaves;  // of changelog::TrackedTable *: those with records of the transaction
  // Known once it is locked:
  const char *name;  // qualified
  Column *columns;
  int column_count;
  int key_count;  // 0: a bag
  int key[INDEX_MAX_KEYS];
  Oid key_equality[INDEX_MAX_KEYS];
  // Names of stored rows: versions of the log, and
  // (op "char", conflict boolean, leaf oid, place tid, o1, o2, … before, n1, n2, … after) in `changes`; op is
  // what the transaction did.
  const char *versions;
  const char *changes;
  pg::StoredRows plan;
};

// Looks up the columns and the key of a table.
void DescribeTarget(Target *target, int index);

// Builds the query for the changes of a target, from its versions in the log.
char *ChangesQuery(const Target &target, const char *creators);

// Builds the query (op, conflict, number of changes) over the changes of a target.
char *CountQuery(const Target &target);

// Builds the query that shows, as text, the first rows in conflict.
char *ConflictQuery(const Target &target);

// Builds the query (relation, op, key, old, new, conflict) over the changes of a target.
char *ListQuery(const Target &target);

// How many rows of each kind a transaction inserted, updated, deleted.
struct Counts {
  int64 inserted;
  int64 updated;
  int64 deleted;
  int64 conflicts;
};

// Builds one statement that undoes the changes of all targets, and returns a row for each with its number and
// the rows that it inserted, updated and deleted.
char *UndoStatement(const List *targets, const Counts *counts);

}  // namespace helios::timetravel
