#include "budget/slice.hpp"

#include "budget/core/backoff.hpp"
#include "budget/meter.hpp"

#include <cstring>

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

// Looks a relation up; false if it is gone.
bool FindRelation(Oid relation, Oid *owner, char *name, Size room) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return false;
  const auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
  *owner = form->relowner;
  strlcpy(
      name,
      quote_qualified_identifier(get_namespace_name(form->relnamespace), NameStr(form->relname)),
      room);
  ReleaseSysCache(tuple);
  return true;
}

bool MustLeave(int slot) {
  Locked locked;
  return shared->slots[slot].must_leave;
}

// Works as a user to whom nothing but the objects at hand is open.
void WorkAs(Oid owner, const JobKind *kind, Slice *slice) {
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
  const int settings = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  kind->Work(slice);
  AtEOXact_GUC(false, settings);
  SetUserIdAndSecContext(user, context);
}

}  // namespace

Oid FindExtension() { return get_extension_oid("heliosdb", true); }

bool HasExtensionChanged(MemoryContext context, Oid before, Oid *now) {
  return RunGuarded(context, [now] { *now = FindExtension(); }) == nullptr && *now != before;
}

void BeginWork() {
  QueryCancelPending = false;
  QueryCancelHoldoffCount = 0;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
}

void EndWork() {
  PopActiveSnapshot();
  CommitTransactionCommand();
  QueryCancelHoldoffCount = 1;
  pgstat_report_stat(true);
}

void AbortWork() {
  AbortCurrentTransaction();
  QueryCancelHoldoffCount = 1;
  pgstat_report_stat(true);
}

ErrorData *DescribeException(const char *what) {
  static ErrorData data;
  data = {};
  data.elevel = ERROR;
  data.sqlerrcode = ERRCODE_OUT_OF_MEMORY;
  static char text[64];
  strlcpy(text, what, sizeof(text));
  data.message = text;
  return &data;
}

SliceEnd RunSlice(const SliceContexts &contexts, Oid extension, int slot, const JobKind *kind,
                  Task *task, Slice *slice) {
  SliceOutcome outcome = SliceOutcome::kDone;
  BeginSlice(slot, kind->budget(), task);
  ErrorData *error = RunGuarded(contexts.work, [&] {
    if (MustLeave(slot)) {
      // The cancel that comes with that may have been before this transaction.
      outcome = SliceOutcome::kBusy;
      return;
    }
    if (FindExtension() != extension) {
      outcome = SliceOutcome::kGone;
      return;
    }
    Oid owner = GetUserId();
    if (OidIsValid(slice->object)) {
      char name[sizeof(task->name)];
      if (kind->lock() != NoLock && !ConditionalLockRelationOid(slice->object, kind->lock())) {
        outcome = SliceOutcome::kBusy;
        return;
      }
      if (!FindRelation(slice->object, &owner, name, sizeof(name))) {
        outcome = SliceOutcome::kGone;
        return;
      }
      Locked locked;
      strlcpy(task->name, name, sizeof(task->name));
    }
    WorkAs(owner, kind, slice);
  });
  EndSlice();
  if (error == nullptr && slice->failure != nullptr) return {SliceOutcome::kFailed, slice->failure};
  if (error == nullptr) return {outcome, nullptr};
  if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE) return {SliceOutcome::kBusy, nullptr};
  Oid present;
  if (HasExtensionChanged(contexts.later, extension, &present))
    return {SliceOutcome::kGone, nullptr};
  return {SliceOutcome::kFailed, error};
}

void LogFailure(const char *kind, const char *object, const ErrorData *error) {
  ereport(LOG, (errcode(error->sqlerrcode),
                errmsg("background job %s%s%s failed: %s", kind, object[0] != '\0' ? " of " : "",
                       object, error->message != nullptr ? error->message : "unknown error"),
                error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0,
                error->context != nullptr ? errcontext_msg("%s", error->context) : 0));
}

void NoteFailure(Task *task, const ErrorData *error) {
  task->failures++;
  task->ready_at = Now() + BackOffSeconds(task->failures);
  task->sqlstate = error->sqlerrcode;
  task->failed_at = GetCurrentTimestamp();
  const char *text = error->message != nullptr ? error->message : "unknown error";
  const int bytes = static_cast<int>(strlen(text));
  const int kept = pg_mbcliplen(text, bytes, static_cast<int>(sizeof(task->error)) - 1);
  memcpy(task->error, text, kept);
  task->error[kept] = '\0';
}

}  // namespace helios::budget
