// The tables of the room: heliosdb.tracked and heliosdb_log.subxacts, read and written directly.
#pragma once

#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "catalog/pg_inherits.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

inline constexpr const char *kAdminSchema = "heliosdb";
inline constexpr const char *kLogSchema = "heliosdb_log";

// Why a history starts where it does.
inline constexpr const char *kTracked = "tracked";
inline constexpr const char *kTruncated = "truncated";
inline constexpr const char *kRewritten = "rewritten";
inline constexpr const char *kColumnTypeChanged = "column type changed";
inline constexpr const char *kKeyChanged = "primary key changed";
inline constexpr const char *kTriggerWasDisabled = "trigger was disabled";
inline constexpr const char *kComputedAnew = "materialized view computed anew";
inline constexpr const char *kPartitionsChanged = "partitions changed";

// Finds one of the extension's own relations; an error if the extension is not created here.
Oid OwnRelation(const char *schema, const char *name);

// Returns the extension and its owner.
Oid ExtensionOid();
Oid ExtensionOwner();

// Inserts or replaces the row of a tracked table, retention kept, and tells all backends.
void SaveTracked(const TrackedTable &tracked);

// Keeps others from changing the row of a tracked table until the end of the transaction.
void LockTracked(Oid relation);

// Lists the tables that are tracked through a partitioned table.
List *TrackedUnder(Oid root);

// Calls `visit` for a table, or for each of its leaves.
template <typename Visit>
void ForEachLeaf(const TrackedTable &tracked, Visit visit) {
  if (OidIsValid(tracked.log)) return visit(tracked);
  ListCell *cell;
  foreach (cell, find_all_inheritors(tracked.relation, AccessShareLock, nullptr)) {
    TrackedTable leaf;
    if (FindTracked(lfirst_oid(cell), &leaf) && OidIsValid(leaf.log)) visit(leaf);
  }
}

// Forgets a tracked table.
void ForgetTracked(Oid relation);

// Remembers which top-level transaction the current subtransaction belongs to, if it is one.
void RememberSubtransaction();

// The same for all subtransactions of the transaction so far, which may have written before a table was tracked.
void RememberSubtransactions();

// Runs a query as the owner of the extension, in the caller's snapshot, and stores its rows; needs SPI.
void StoreAsOwner(const char *sql, const ReturnSetInfo *result);

}  // namespace helios::changelog
