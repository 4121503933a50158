#include "branch/session.hpp"

#include "branch/catalog.hpp"
#include "branch/path.hpp"
#include "pg/guc.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/plancache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::branch {

constinit int64 session_branch = kMain;

namespace {

char *branch_text;

// The transaction that merged last, and the branch; 0 for several.
constinit uint64 merging_transaction = 0;
constinit int64 merged_branch = 0;

// The same for branches that were made.
constinit uint64 forking_transaction = 0;
constinit int64 forked_branch = 0;

// True while the catalogs can be asked for a name.
bool CanLookUp() { return IsTransactionState() && OidIsValid(MyDatabaseId); }

// Refuses to leave a branch for another one while something of its own is pending.
bool CanLeave(int64 id, GucSource source) {
  if (id == session_branch || source != PGC_S_SESSION || InSystemScope() || !IsTransactionState() ||
      !TransactionIdIsValid(GetTopTransactionIdIfAny()) || !HasPendingTriggers())
    return true;
  GUC_check_errcode(ERRCODE_ACTIVE_SQL_TRANSACTION);
  GUC_check_errmsg("the branch cannot be changed while deferred constraints are to be checked");
  GUC_check_errhint("SET CONSTRAINTS ALL IMMEDIATE checks them now.");
  return false;
}

bool CheckBranch(char **value, void **extra, GucSource source) {
  int64 id = kMain;
  if (**value != '\0' && strcmp(*value, kMainName) != 0) {
    Branch branch;
    if (CanLookUp() && FindBranch(*value, &branch)) {
      id = branch.id;
    } else if (source >= PGC_S_INTERACTIVE && !InitializingParallelWorker) {
      GUC_check_errcode(ERRCODE_UNDEFINED_OBJECT);
      GUC_check_errmsg("branch \"%s\" does not exist", *value);
      GUC_check_errhint("SHOW BRANCHES lists the branches of this database.");
      return false;
    } else {
      // Going on with main would change what was to be left alone; each statement will say so.
      id = kMissing;
    }
  }
  if (!CanLeave(id, source)) return false;
  *extra = pg::AllocateExtra(sizeof(id));
  if (*extra == nullptr) return false;
  memcpy(*extra, &id, sizeof(id));
  return true;
}

void AssignBranch(const char *, void *extra) {
  int64 id;
  memcpy(&id, extra, sizeof(id));
  if (id == session_branch) return;
  session_branch = id;
  // Plans were made for the tables of the other branch.
  ResetPlanCache();
  RefreshPath();
}

// Notes a branch for the rest of the transaction.
void Note(int64 branch, uint64 *transaction, int64 *noted) {
  const uint64 own = U64FromFullTransactionId(GetTopFullTransactionId());
  *noted = *transaction == own && *noted != branch ? 0 : branch;
  *transaction = own;
}

// Tells whether that of the session was noted in this transaction.
bool IsNoted(uint64 transaction, int64 noted) {
  return transaction != 0 &&
         transaction == U64FromFullTransactionId(GetTopFullTransactionIdIfAny()) &&
         (noted == 0 || noted == session_branch);
}

}  // namespace

bool HasPendingTriggers() {
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(triggers, InvalidOid, false, nullptr, 0, nullptr);
  bool pending = false;
  HeapTuple tuple;
  while (!pending && HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    pending = form->tgdeferrable && AfterTriggerPendingOnRel(form->tgrelid);
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
  return pending;
}

const char *SessionBranchName() {
  return branch_text == nullptr || *branch_text == '\0' ? kMainName : branch_text;
}

void NoteMerge(int64 branch) { Note(branch, &merging_transaction, &merged_branch); }

void NoteFork(int64 parent) { Note(parent, &forking_transaction, &forked_branch); }

void CheckNotForked() {
  if (!IsNoted(forking_transaction, forked_branch)) return;
  ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                  errmsg("tables of branch \"%s\" cannot be changed for the first time in a "
                         "transaction that has made a branch of it",
                         SessionBranchName()),
                  errhint("COMMIT first.")));
}

void CheckNotMerged() {
  if (likely(!IsNoted(merging_transaction, merged_branch))) return;
  ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                  errmsg("branch \"%s\" cannot be changed in a transaction that has merged it",
                         SessionBranchName()),
                  errhint("COMMIT first.")));
}

void InitSession() {
  pg::DefineString({.name = "heliosdb.branch",
                    .meaning = "Branch of the database that the session works on.",
                    .range = "The name of a branch; an empty string or main for none.",
                    .flags = GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE},
                   &branch_text, "", PGC_USERSET, {CheckBranch, AssignBranch});
}

}  // namespace helios::branch
