// The door of the change log: which tables are tracked, and where their dead row versions are.
//
// A log relation holds one row for each version that a transaction ended, and one for each insert:
//
//   xid xid8      transaction (top level) that ended the version; of op 'I': that created the row
//   creator xid8  raw xmin of the version, widened to 64 bits; null for 'I'
//   op "char"     'U', 'D': pre-image of an update or delete; 'I': key of a new row (keyless: the row)
//   place tid     where the new row was written, which may have moved since; of 'D' no valid one
//   c1, c2, …     column n of the table is column n + kLogColumns here
//
// With C a set of committed transactions, the table at C is: current rows whose creator is in C, and
// versions of the log whose creator is in C and whose ender is not.
#pragma once

#include "pg/pg.hpp"
#include "pg/rows.hpp"

#include <initializer_list>

extern "C" {
#include "access/attnum.h"
#include "access/htup.h"
#include "access/transam.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

inline constexpr int kLogColumns = 4;
inline constexpr AttrNumber kLogXid = 1;
inline constexpr AttrNumber kLogCreator = 2;
inline constexpr AttrNumber kLogOp = 3;
inline constexpr AttrNumber kLogPlace = 4;

inline constexpr char kOpUpdate = 'U';
inline constexpr char kOpDelete = 'D';
inline constexpr char kOpInsert = 'I';

struct TrackedTable {
  Oid relation;
  Oid log;                  // invalid for a partitioned table: its leaves have theirs
  Oid root;                 // the partitioned table that a leaf is tracked through, or invalid
  FullTransactionId since;  // history holds for instants at or after the commit of this transaction
  FullTransactionId floor;  // every transaction below it had ended when history started
  TimestampTz since_at;     // the clock when that was written
  int64 since_scn;          // of a trimmed log: history holds for this SCN and later ones; else 0
  const char *reason;       // why history starts there; lives forever
  TimestampTz started_at;   // when recording began or began anew; trimming leaves it
  bool is_automatic;        // for consumers only: nobody has asked for the history
  int key_count;            // columns of the primary key; 0: the table is a bag
  AttrNumber key[INDEX_MAX_KEYS];
};

// Registers the settings and the transaction callbacks.
void InitChangelog();

// Looks a table up among the tracked ones; cached in this backend.
bool FindTracked(Oid relation, TrackedTable *tracked);

// Raises an error if the triggers of a tracked table are not in place, so that changes are missed.
void CheckCapture(Oid relation);

// Returns the top-level transaction of a subtransaction that wrote a tracked table, any other
// transaction unchanged.
FullTransactionId TopOf(FullTransactionId xid);

// A state of the database that has a number; see snapshots.hpp.
struct RecordedSnapshot {
  int64 scn;
  TimestampTz at;
  FullTransactionId xmin;  // every transaction below it had ended
  FullTransactionId xmax;  // none at or above it had
  Datum seen;              // pg_snapshot, in the memory context of the caller
  FullTransactionId own;   // counts as ended too, with its subtransactions, once it has; or invalid
};

// Records the snapshot of the statement under a new SCN, or the present one if a later one than that was recorded
// meanwhile; the transaction counts as running in it.
RecordedSnapshot RecordSnapshot(const char *description);

// Records the present state with all that the transaction does, before and after, under a new SCN: it can be read once
// the transaction has committed.
RecordedSnapshot RecordWithOwn();

// Returns the last subtransaction of a transaction that has ended, of those that wrote tracked tables; 0 without one.
FullTransactionId LastSubtransactionOf(FullTransactionId top);

// Finds a recorded snapshot by its number.
bool FindSnapshot(int64 scn, RecordedSnapshot *found);

// Finds the first recorded snapshot in which a top-level transaction had ended.
bool FindFirstSeeing(FullTransactionId xid, RecordedSnapshot *found);

// Tells whether a top-level transaction had ended in a snapshot.
bool IsSeen(const RecordedSnapshot &snapshot, FullTransactionId xid);

// Tells whether a snapshot sees all that a recorded one does.
bool Reaches(Snapshot snapshot, const RecordedSnapshot &recorded);

// Keeps the logs of all tables back to an instant, or back to a recorded snapshot, until it is released.
void HoldHistory(const char *holder, TimestampTz at);
void HoldSnapshot(const char *holder, int64 scn);
void ReleaseHistory(const char *holder);

// Tells whether the clock was set back so that an instant names no single state, and for which instants.
bool IsAmbiguous(TimestampTz at, TimestampTz *low, TimestampTz *high);

// Why the history of a table starts where it does, if that is because its log was trimmed.
inline constexpr const char *kTrimmed = "trimmed";

// Returns a transaction below which all had ended at an instant of the table's history.
FullTransactionId FloorAt(const TrackedTable &tracked, TimestampTz at);

// Widens the raw xmin of a row version to 64 bits.
FullTransactionId WidenXmin(TransactionId xmin);

// Writes the qualified name of the log of a table that holds rows.
char *LogName(const TrackedTable &tracked);

// Finds the table of a log; invalid if the relation is no log.
Oid TableOfLog(Oid relation);

// Writes the operator by which the primary key of a table compares its column number `column`, counted from 0.
char *KeyOperator(Oid relation, int column);

// A committed transaction whose changes are asked for.
struct Effects {
  FullTransactionId xid;
  TimestampTz committed;
  const char *creators;  // raw xmins of the versions that it made, as an array literal
};

// What a version that ReadVersions finds is to the transaction.
inline constexpr char kVersionFormer = 'o';  // made by another one, ended by it
inline constexpr char kVersionLeft = 'l';    // made by it, ended by another one
inline constexpr char kVersionKey = 'k';     // key of a row that it inserted; keyless: the row

// Lists the tracked tables that hold rows themselves, by OID.
List *TrackedLeaves();

// True if the table was not tracked before its history begins, and has not been trimmed.
bool BeganWithTracking(const TrackedTable &tracked);

// Lists the raw xmins of versions that a transaction made: its own number, and those of its subtransactions.
// This and what follows needs a connection to SPI; read-only: in the caller's snapshot, else in a new one.
char *CreatorsOf(FullTransactionId xid, bool read_only);

// True if a transaction has changed a leaf.
bool HasRecords(const TrackedTable &leaf, FullTransactionId xid, bool read_only);

// Reads what the log of a leaf knows of a transaction: (kind "char", c1, c2, …), column n of `shape`, the leaf or
// a table that it is a partition of, as cn. Nothing checks here whether the user may see that.
void ReadVersions(const TrackedTable &leaf, Relation shape, const Effects &effects, bool read_only,
                  pg::StoredRows *versions);

// For rooms that keep positions of their own in heliosdb.consumers; with SPI connected where rows are read.
//
// Writes a snapshot as type pg_snapshot does, with this transaction as one in progress.
char *PositionOf(Snapshot snapshot);

// Writes it with this transaction as one that has ended: for its end, when it changes nothing any more.
char *FinalPositionOf(Snapshot snapshot);

// Tells whether a final position misses no change that is older than the history of the table.
bool CanEnd(Oid relation, const char *position);

// Lists the tables and materialized views whose rows this transaction has changed or whose history it has begun anew;
// perhaps some more. Partitions stand for themselves.
const List *WrittenRelations();

// Begins the history of a table, or of a partitioned table and all its partitions, if it has none. Writers are kept
// out until the end of the transaction, also where it had one already.
void TrackForConsumers(Oid relation);

// Ends a history that nobody but consumers has asked for, when there is none any more and the lock is to be had at
// once. Needs SPI.
void UntrackUnused(Oid relation);

// Records changes of a tracked materialized view, which has no triggers: a row as it was inserted, with its place, and as it
// was before it was deleted. A change of all rows at once lets the history begin anew.
void RecordInserted(Relation relation, HeapTuple row);
void RecordDeleted(Relation relation, TupleTableSlot *row);
void RestartHistory(Oid relation);

// Tells why a table or materialized view cannot be tracked, or null.
const char *WhyNotTrackable(Oid relation);

// Tells whether the triggers of a tracked table, or of all its partitions, record what happens.
bool IsRecorded(Oid relation);

// Tells whether all changes of a table that are visible now and were not in a position are in its log, where the
// position was taken when the table's recording had begun at `started_at`.
bool KnowsChanges(Oid relation, TimestampTz started_at);

// Tells whether a position of this transaction holds: it misses no change that is older than the history of the table, and
// this transaction has not changed the table.
bool CanBegin(Oid relation, const char *position);

// Tells whether this transaction has changed a tracked table, or may have.
bool HasOwnChanges(Oid relation);

// Stores the net changes of a table between a position and the active snapshot: columns c1, c2, … of the table (those
// that were dropped are null), and a bigint that says how many of these rows came, or went if it is negative. Returns
// how many rows have changed.
int64 StoreChanges(Oid relation, const char *position, pg::StoredRows *rows);

// Counts records after a position, up to a limit, and tells when the first of their transactions committed, as far as
// commit timestamps tell; 0: nobody knows.
int64 CountRecords(Oid relation, const char *position, int64 limit, TimestampTz *since = nullptr);

// Works as the owner of the extension, with nothing of the user's on the search path, until Leave; the
// abort of the transaction ends it as well.
class OwnerScope {
 public:
  void Enter();
  void Leave();

 private:
  Oid user_;
  int context_;
  int settings_;
};

// Runs a statement as the owner of the extension; the result is in SPI. Up to `limit` rows, 0: all.
void RunAsOwner(const char *sql, bool read_only, int expected, long limit = 0);

// A parameter of a statement; texts may be null, and an instant is null if it is 0.
struct Argument {
  Oid type;
  Datum value;
  bool is_null;
};
Argument OidArgument(Oid value);
Argument OidsArgument(const List *values);
Argument IntArgument(int64 value);
Argument FloatArgument(double value);
Argument TextArgument(const char *value);
Argument InstantArgument(TimestampTz value);

// Runs a statement with parameters as RunAsOwner does, with a plan that this session keeps under the address of the
// text, which must stay.
void RunKeptAsOwner(const char *sql, std::initializer_list<Argument> arguments, bool read_only,
                    int expected);

// Microseconds that history is kept where a table says nothing else.
int64 DefaultRetention();

}  // namespace helios::changelog
