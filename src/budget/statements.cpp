#include "budget/statements.hpp"

#include "budget/shared.hpp"
#include "pg/hooks.hpp"

#include <signal.h>

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

// Workers leave within milliseconds; the server itself waits five seconds more for whoever is connected.
constexpr double kPatienceSeconds = 5;
constexpr long kPollMilliseconds = 5;

constinit pg::HookChain<ProcessUtility_hook_type> chain;
// What the transaction under way has done.
constinit bool has_barred = false;
constinit bool databases_changed = false;
constinit bool extension_came = false;

Oid *MyBar() { return &shared->barred[MyProc - ProcGlobal->allProcs]; }

void Unbar() { *MyBar() = InvalidOid; }

void UnbarAtExit(int, Datum) {
  if (MyProc != nullptr) Unbar();
}

bool MayCreateDatabases() {
  if (superuser()) return true;
  HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool may = reinterpret_cast<Form_pg_authid>(GETSTRUCT(tuple))->rolcreatedb;
  ReleaseSysCache(tuple);
  return may;
}

bool IsTemplate(Oid database) {
  HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is_template = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple))->datistemplate;
  ReleaseSysCache(tuple);
  return is_template;
}

// Finds the database that a statement needs for itself; invalid if there is none, or if the statement is going to
// fail because the user may not do that.
Oid NeededBy(Node *statement) {
  const char *name = nullptr;
  bool is_copied = false;
  switch (nodeTag(statement)) {
    case T_DropdbStmt:
      name = castNode(DropdbStmt, statement)->dbname;
      break;
    case T_RenameStmt:
      if (castNode(RenameStmt, statement)->renameType == OBJECT_DATABASE)
        name = castNode(RenameStmt, statement)->subname;
      break;
    case T_AlterDatabaseStmt: {
      ListCell *cell;
      foreach (cell, castNode(AlterDatabaseStmt, statement)->options) {
        if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
          name = castNode(AlterDatabaseStmt, statement)->dbname;
      }
      break;
    }
    case T_CreatedbStmt: {
      name = "template1";
      is_copied = true;
      ListCell *cell;
      foreach (cell, castNode(CreatedbStmt, statement)->options) {
        auto *option = lfirst_node(DefElem, cell);
        if (strcmp(option->defname, "template") == 0 && option->arg != nullptr)
          name = defGetString(option);
      }
      break;
    }
    default:
      break;
  }
  if (name == nullptr || !IsTransactionState()) return InvalidOid;
  const Oid database = get_database_oid(name, true);
  if (!OidIsValid(database)) return InvalidOid;
  const bool is_owner = pg_database_ownercheck(database, GetUserId());
  if (is_copied) {
    if (!MayCreateDatabases() || !(is_owner || IsTemplate(database))) return InvalidOid;
  } else if (!is_owner) {
    return InvalidOid;
  }
  return database;
}

// Keeps new workers out of a database and asks those that are there to leave.
void Bar(Oid database) {
  static bool is_registered = false;
  if (!is_registered) before_shmem_exit(UnbarAtExit, 0);
  is_registered = true;
  has_barred = true;
  Locked locked;
  *MyBar() = database;
  for (Slot &slot : shared->slots) {
    if (slot.database != database) continue;
    slot.must_leave = true;
    if (slot.latch != nullptr) SetLatch(slot.latch);
    // Ends a statement of a slice; between slices it does nothing.
    if (slot.pid != 0 && slot.task != nullptr) kill(slot.pid, SIGINT);
  }
}

bool IsServed(Oid database) {
  Locked locked;
  return std::any_of(shared->slots, shared->slots + kMaxWorkers,
                     [database](const Slot &slot) { return slot.database == database; });
}

// Waits until the workers of a database have left.
void AwaitLeave(Oid database) {
  const double patience = Now() + kPatienceSeconds;
  while (IsServed(database) && Now() < patience) {
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMilliseconds,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

// Remembers what the launcher has to know once the transaction is over.
void Remember(Node *statement, bool is_barred) {
  if (is_barred || IsA(statement, DropdbStmt) || IsA(statement, CreatedbStmt) ||
      IsA(statement, AlterDatabaseStmt))
    databases_changed = true;
  if (IsA(statement, CreateExtensionStmt) &&
      strcmp(castNode(CreateExtensionStmt, statement)->extname, "heliosdb") == 0)
    extension_came = true;
}

void ProcessUtility(PlannedStmt *planned, const char *query, bool read_only_tree,
                    ProcessUtilityContext context, ParamListInfo params,
                    QueryEnvironment *environment, DestReceiver *dest,
                    QueryCompletion *completion) {
  const Oid database = NeededBy(planned->utilityStmt);
  if (OidIsValid(database)) {
    Bar(database);
    AwaitLeave(database);
  }
  Remember(planned->utilityStmt, OidIsValid(database));
  chain.next(standard_ProcessUtility)(planned, query, read_only_tree, context, params, environment,
                                      dest, completion);
}

// Lets workers in again, and the launcher know what has become visible to it.
void WatchEnd(XactEvent event, void *) {
  if (!has_barred && !databases_changed && !extension_came) return;
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
    return;
  Locked locked;
  if (has_barred) Unbar();
  if (databases_changed) shared->databases_changed = true;
  if (extension_came && event != XACT_EVENT_ABORT) {
    Database *database = FindDatabase(MyDatabaseId);
    if (database == nullptr) {
      shared->databases_changed = true;
    } else {
      database->extension = Extension::kUnknown;
      database->changes++;
      database->look_at = 0;
      database->is_awake = true;
    }
    for (const Slot &slot : shared->slots) {
      if (slot.database == MyDatabaseId && slot.latch != nullptr) SetLatch(slot.latch);
    }
  }
  has_barred = databases_changed = extension_came = false;
  WakeLauncher();
}

}  // namespace

void InitDatabaseStatements() {
  chain.Install(&ProcessUtility_hook, ProcessUtility);
  RegisterXactCallback(WatchEnd, nullptr);
}

}  // namespace helios::budget
