// Which transaction is to be undone, and which tables it has changed; refuses what cannot be told.
#include "timetravel/cut.hpp"
#include "timetravel/moment.hpp"
#include "timetravel/undo.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

using changelog::TrackedTable;

namespace {

// ---- Which transaction ----

// Refuses a transaction that cannot be undone, and tells why.
[[noreturn]] void RefuseTransaction(int64 number, const char *why, const char *hint) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("transaction %lld %s", static_cast<long long>(number), why),
                  hint != nullptr ? errhint("%s", hint) : 0));
}

// Asks the server what became of a transaction: "committed", "aborted", "in progress", or null if that is
// forgotten.
const char *StatusOf(FullTransactionId xid) {
  LOCAL_FCINFO(call, 1);
  InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
  call->args[0].value = FullTransactionIdGetDatum(xid);
  call->args[0].isnull = false;
  const Datum status = pg_xact_status(call);
  return call->isnull ? nullptr : TextDatumGetCString(status);
}

}  // namespace

changelog::Effects FindEffects(int64 number, bool read_only) {
  RequireCommitTimestamps();
  RequireFirstEpoch();
  const FullTransactionId xid = FullTransactionIdFromU64(static_cast<uint64>(number));
  if (number < FirstNormalTransactionId ||
      !FullTransactionIdPrecedes(xid, ReadNextFullTransactionId()))
    RefuseTransaction(number, "does not exist", nullptr);
  const char *status = StatusOf(xid);
  if (status == nullptr) RefuseTransaction(number, "is too long ago", nullptr);
  if (pg_strcasecmp(status, "aborted") == 0)
    RefuseTransaction(number, "was rolled back", "There is nothing to undo.");
  if (pg_strcasecmp(status, "committed") != 0 ||
      (read_only && XidInMVCCSnapshot(XidFromFullTransactionId(xid), GetActiveSnapshot())))
    RefuseTransaction(number, "has not committed yet", nullptr);
  const FullTransactionId top = changelog::TopOf(xid);
  if (!FullTransactionIdEquals(top, xid)) {
    RefuseTransaction(number, "is a subtransaction",
                      psprintf("It is part of transaction %llu.", NumberOf(top)));
  }
  changelog::Effects effects = {xid, 0, nullptr};
  if (!FindCommitTime(xid, &effects.committed)) {
    RefuseTransaction(number, "committed at a time that is not known",
                      "Commit times are recorded while track_commit_timestamp is on, and cleaned "
                      "up with the oldest transactions.");
  }
  effects.creators = changelog::CreatorsOf(xid, read_only);
  return effects;
}

namespace {

// ---- Which tables ----

// Returns the topmost tracked table that a leaf is part of.
Oid TargetOf(Oid leaf) {
  Oid target = leaf;
  if (!get_rel_relispartition(leaf)) return target;
  ListCell *cell;
  foreach (cell, get_partition_ancestors(leaf)) {
    TrackedTable ancestor;
    if (changelog::FindTracked(lfirst_oid(cell), &ancestor)) target = ancestor.relation;
  }
  return target;
}

}  // namespace

List *ReadTables(ArrayType *array) {
  Datum *values;
  bool *nulls;
  int count;
  deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &values, &nulls, &count);
  List *tables = NIL;
  for (int i = 0; i < count; i++) {
    if (nulls[i]) {
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                      errmsg("the tables must not contain null")));
    }
    const Oid relation = DatumGetObjectId(values[i]);
    if (get_rel_name(relation) == nullptr) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("table with OID %u does not exist", relation)));
    }
    TrackedOrError(relation);
    const Oid whole = TargetOf(relation);
    if (whole != relation) {
      ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                      errmsg("table \"%s\" is tracked as a partition of table \"%s\"",
                             get_rel_name(relation), get_rel_name(whole)),
                      errhint("Name that one.")));
    }
    tables = list_append_unique_oid(tables, relation);
  }
  return tables;
}

namespace {

// Refuses a table whose log does not tell, or may not tell, all that the transaction did.
void RequireHistory(const TrackedTable &table, const changelog::Effects &effects, bool changed) {
  const char *hint =
      "heliosdb.undo_transaction(transaction, tables) undoes what it did in the tables named.";
  if (FullTransactionIdEquals(table.since, effects.xid)) {
    if (!changed && changelog::BeganWithTracking(table)) return;
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("transaction %llu cannot be undone: it began the history of table \"%s\"",
                    NumberOf(effects.xid), get_rel_name(table.relation)),
             errdetail("What it did to the table before that is not recorded (%s).", table.reason),
             errhint("%s", hint)));
  }
  const TimestampTz since = HistorySince(table);
  if (since <= effects.committed) return;
  // What was not tracked then is no part of what is undone.
  if (!changed && changelog::BeganWithTracking(table)) return;
  ereport(ERROR, (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
                  errmsg("history of table \"%s\" does not reach back to transaction %llu",
                         get_rel_name(table.relation), NumberOf(effects.xid)),
                  errdetail("The transaction committed at %s, the history begins at %s (%s).",
                            pstrdup(timestamptz_to_str(effects.committed)),
                            pstrdup(timestamptz_to_str(since)), table.reason),
                  errhint("%s", hint)));
}

// True if the caller may read every row of a table, in its current and in former versions.
bool MayRead(Oid relation) {
  return pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
         pg_namespace_aclcheck(get_rel_namespace(relation), GetUserId(), ACL_USAGE) ==
             ACLCHECK_OK &&
         check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

// Appends a leaf to its target.
List *AddLeaf(List *targets, Oid relation, const TrackedTable &leaf) {
  auto *kept = static_cast<TrackedTable *>(palloc(sizeof(TrackedTable)));
  *kept = leaf;
  ListCell *cell;
  foreach (cell, targets) {
    auto *target = static_cast<Target *>(lfirst(cell));
    if (target->relation != relation) continue;
    target->leaves = lappend(target->leaves, kept);
    return targets;
  }
  auto *target = static_cast<Target *>(palloc0(sizeof(Target)));
  target->relation = relation;
  target->leaves = list_make1(kept);
  return lappend(targets, target);
}

// Adds a leaf if the transaction has changed it; an error if that cannot be told.
List *ExamineLeaf(List *targets, Oid relation, const Request &request) {
  TrackedTable leaf;
  if (get_rel_name(relation) == nullptr || !changelog::FindTracked(relation, &leaf)) return targets;
  const Oid target = TargetOf(relation);
  if (request.only != NIL && !list_member_oid(request.only, target)) return targets;
  if (request.only_listing && !MayRead(target)) return targets;
  const bool changed = changelog::HasRecords(leaf, request.effects.xid, request.only_listing);
  // Asked for after the snapshot that looked for records: trimming waits for nobody.
  if (!changelog::FindTracked(relation, &leaf)) return targets;
  RequireHistory(leaf, request.effects, changed);
  changelog::CheckCapture(relation);
  if (!changed) return targets;
  if (get_rel_relispartition(relation)) {
    ListCell *cell;
    foreach (cell, get_partition_ancestors(relation)) {
      TrackedTable ancestor;
      if (changelog::FindTracked(lfirst_oid(cell), &ancestor))
        RequireHistory(ancestor, request.effects, true);
    }
  }
  return AddLeaf(targets, target, leaf);
}

int ByRelation(const ListCell *a, const ListCell *b) {
  const Oid left = static_cast<const Target *>(lfirst(a))->relation;
  const Oid right = static_cast<const Target *>(lfirst(b))->relation;
  return left < right ? -1 : left > right ? 1 : 0;
}

// Finds the tables that the transaction has changed, by OID.
List *FindTargets(const Request &request) {
  List *targets = NIL;
  ListCell *cell;
  foreach (cell, changelog::TrackedLeaves()) {
    CHECK_FOR_INTERRUPTS();
    const Oid leaf = lfirst_oid(cell);
    LockRelationOid(leaf, AccessShareLock);
    targets = ExamineLeaf(targets, leaf, request);
    UnlockRelationOid(leaf, AccessShareLock);
  }
  list_sort(targets, ByRelation);
  return targets;
}

// Refuses callers that may not read, or not write, a table. What kinds of writes are needed, the statement that
// undoes asks for.
void RequirePrivileges(Oid relation) {
  const ObjectType type = get_relkind_objtype(get_rel_relkind(relation));
  const AclResult result = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT);
  if (result != ACLCHECK_OK) aclcheck_error(result, type, get_rel_name(relation));
  constexpr AclMode kWrites = ACL_INSERT | ACL_UPDATE | ACL_DELETE;
  if (pg_class_aclmask(relation, GetUserId(), kWrites, ACLMASK_ANY) == 0)
    aclcheck_error(ACLCHECK_NO_PRIV, type, get_rel_name(relation));
}

void RequireNoRowSecurity(Oid relation) {
  if (check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED) return;
  ereport(ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
           errmsg("table \"%s\" has row-level security for this role", get_rel_name(relation)),
           errdetail("A row that the role may not see would be taken for missing."),
           errhint("Let a role do it that bypasses row-level security.")));
}

bool SameTargets(const List *a, const List *b) {
  if (list_length(a) != list_length(b)) return false;
  const ListCell *left, *right;
  forboth(left, a, right, b) {
    if (static_cast<const Target *>(lfirst(left))->relation !=
        static_cast<const Target *>(lfirst(right))->relation)
      return false;
  }
  return true;
}

}  // namespace

List *LockTargets(const Request &request) {
  List *found = FindTargets(request);
  ListCell *cell;
  foreach (cell, found) {
    const Oid relation = static_cast<const Target *>(lfirst(cell))->relation;
    if (!request.only_listing) RequirePrivileges(relation);
    LockRelationOid(relation, request.lock);
    // It may have been dropped meanwhile.
    if (get_rel_name(relation) != nullptr) find_all_inheritors(relation, request.lock, nullptr);
  }
  List *targets = FindTargets(request);
  if (!SameTargets(found, targets)) {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("tables that transaction %llu has changed were altered meanwhile",
                           NumberOf(request.effects.xid)),
                    errhint("Run the statement again.")));
  }
  foreach (cell, targets) {
    const Oid relation = static_cast<const Target *>(lfirst(cell))->relation;
    if (request.only_listing) continue;
    RequirePrivileges(relation);
    RequireNoRowSecurity(relation);
  }
  return targets;
}

}  // namespace helios::timetravel
