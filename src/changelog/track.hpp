// Beginning, restarting and ending the history of a table.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::changelog {

// Names of the triggers, to which PostgreSQL appends their OIDs: of rows, and of TRUNCATE.
inline constexpr const char *kTriggerNames[] = {"heliosdb_capture", "heliosdb_truncate"};

// Tells why a table cannot be tracked, or null.
const char *Obstacle(Relation table);

// Begins the history of a table, or of a partitioned table and all its partitions; the caller has
// checked the right to do so. `root` is the partitioned table that it belongs to, if any.
void Track(Oid relation, Oid root);

// Ends the history of a table or of a partitioned table: triggers, log and row go.
void Untrack(Oid relation);

// Lets the history of a table, and of the partitioned tables above it, start with this transaction;
// does nothing if the table is not tracked.
void Restart(Oid relation, const char *reason);

// The same for one row of heliosdb.tracked, without touching a log.
void RestartRow(Oid relation, const char *reason);

// Has the callback in place that forgets what an ended transaction has written; notes what this one writes.
void InitWritten();
void NoteWritten(Oid relation);

// Brings the log of a table in line with the table after DDL; a partition of a tracked table is
// tracked from now on.
void Reconcile(Oid relation);

// How the triggers of a tracked table are.
enum class Triggers { kInPlace, kNotAlways, kDisabled, kMissing };
Triggers InspectTriggers(Oid relation);

// Creates the triggers that are missing and lets all fire always.
void RepairTriggers(Oid relation);

// Returns the trigger function.
Oid CaptureFunction();

}  // namespace helios::changelog
