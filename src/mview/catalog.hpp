// The catalogs of the room: heliosdb.mviews, mview_bases and mview_history, and the consumers of views. Everything
// here needs a connection to SPI.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pg_list.h"
#include "storage/lock.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// A row of heliosdb.mviews.
struct Record {
  const char *position;   // null: not known
  const char *recompute;  // null: the next refresh may be incremental
  int64 query_hash;       // of the query as it was rewritten for the last refresh
  int64 generation;
  int failures;
  TimestampTz refreshed_at;  // 0: never
};

// What a view reads from.
enum class BaseKind : char { kTable = 't', kView = 'm', kUnknown = 'u' };
struct Base {
  Oid relation;
  BaseKind kind;
  int64 generation;  // of a maintained view: which one was read
  TimestampTz
      started_at;  // of a table: the recording that the consumer belongs to; 0: there is no consumer
};

// One line of the history.
struct Event {
  TimestampTz started_at;
  const char *error;  // null: it went well
  const char *strategy;
  const char *trigger;
  const char *reason;
  int64 inserted, deleted, changes;
  double cpu_seconds;
};

// Finds a maintained view; `lock` also keeps its row from others until the end of the transaction.
bool FindRecord(Oid view, bool lock, Record *record);

// Begins and ends to maintain a view.
void CreateRecord(Oid view, const char *recompute);
void DropRecord(Oid view);

// Has the next refresh of a view be a full one.
void RequireRecompute(Oid view, const char *reason);

// Reads what a view has read at its last refresh: a list of Base.
List *ReadBases(Oid view);

// Replaces what is known of what a view reads (`known`: what ReadBases says), and ends consumers of other tables.
void SaveBases(Oid view, const List *known, List *bases);

// Names the consumer through which the log of a table is kept for a view.
char *ConsumerName(Oid view, Oid base);

// Lets the consumer of a view for a table begin or go on at a position.
void PutConsumer(Oid view, Oid base, const char *position);

// Takes the consumers of a view away from all tables but those of a list of Base.
void KeepConsumers(Oid view, List *bases);

// Notes that a view is now what it should be at a position (null: that is not known, for this reason), from these
// bases (`known`: those of the last refresh), and whether its rows have changed.
void SaveRefresh(Oid view, const char *position, TimestampTz at, const char *recompute,
                 const List *known, List *bases, int64 query_hash, bool has_changed);

// Writes the history; forgets what is older than the last thousand.
void AddEvent(Oid view, const Event &event);

// Notes that a refresh in the background has failed; returns how many did in a row.
int NoteFailure(Oid view, const char *error);

// Takes the lock that keeps two refreshes of a view apart until the end of the transaction; false if somebody has it
// and `wait` is not set.
bool LockRefresh(Oid view, bool wait);

// Tells whether there is a view, and has data.
bool IsPopulated(Oid view);

// Tells whether a refresh is under way.
bool IsRefreshing(Oid view);

}  // namespace helios::mview
