// Takes our options out of CREATE and ALTER MATERIALIZED VIEW before PostgreSQL sees them, and keeps positions right
// where REFRESH computes a maintained view anew.
//
// REFRESH … INCREMENTALLY comes as ALTER MATERIALIZED VIEW … SET (heliosdb.refresh = 'incrementally').
#include "mview/statements.hpp"

#include <cstring>

#include "changelog/changelog.hpp"
#include "mview/catalog.hpp"
#include "mview/delta.hpp"
#include "mview/immediate.hpp"
#include "mview/options.hpp"
#include "mview/refresh.hpp"
#include "pg/names.hpp"
#include "pg/pg.hpp"
#include "pg/utility.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/matview.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> chain;

constexpr const char *kCarrierSpace = "heliosdb";
constexpr const char *kCarrierName = "refresh";

// The view that the present statement refreshes. It stays set after an error, but then every further REFRESH of the
// session comes through here too.
constinit Oid being_refreshed = InvalidOid;

using Call = pg::UtilityCall;

// Looks for options of ours among those of a statement.
bool HasOurs(const List *options) {
  ListCell *cell;
  foreach (cell, options) {
    const auto *option = lfirst_node(DefElem, cell);
    if (option->defnamespace == nullptr && IsOurOption(option->defname)) return true;
  }
  return false;
}

// Raises an error where the extension is not created, so that its catalogs are missing.
void CheckExtension(const char *view) {
  if (OidIsValid(get_extension_oid("heliosdb", true))) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("materialized view \"%s\" has options of extension heliosdb, which is not "
                         "created in this database",
                         view),
                  errhint("Run CREATE EXTENSION heliosdb.")));
}

bool IsMaintained(Oid view) {
  if (get_rel_relkind(view) != RELKIND_MATVIEW || !OidIsValid(get_extension_oid("heliosdb", true)))
    return false;
  Record record;
  SPI_connect();
  const bool found = FindRecord(view, false, &record);
  SPI_finish();
  return found;
}

// Computes a view by PostgreSQL's own REFRESH, which keeps readers out, and notes the position that goes with it.
// Returns how many rows it has.
uint64 RefreshBySwap(Oid view, const char *trigger, const Call *call,
                     RefreshMatViewStmt *statement) {
  Refresh *refresh = BeginRefresh(view, trigger);
  QueryCompletion done;
  InitializeQueryCompletion(&done);
  if (call != nullptr) {
    Call counted = *call;
    counted.completion = &done;
    being_refreshed = view;
    counted.GoOn(chain);
    being_refreshed = InvalidOid;
    if (call->completion != nullptr) CopyQueryCompletion(call->completion, &done);
  } else {
    (void)ExecRefreshMatView(statement, "", nullptr, &done);
  }
  changelog::TrackedTable tracked;
  if (changelog::FindTracked(view, &tracked)) changelog::RestartHistory(view);
  if (statement->skipData) {
    FinishEmpty(refresh);
  } else {
    FinishFull(refresh, {static_cast<int64>(done.nprocessed), 0},
               trigger == kCreated ? "it was created" : "it was asked for");
  }
  return done.nprocessed;
}

// Creates a view without data, and then computes it at a position. Changes of its tables are recorded before that.
void Create(const Call &call, const CreateTableAsStmt *original) {
  auto *statement =
      static_cast<CreateTableAsStmt *>(copyObjectImpl(const_cast<CreateTableAsStmt *>(original)));
  RangeVar *name = statement->into->rel;
  List *ours = NIL, *stock = NIL;
  SplitOptions(name->relname, statement->into->options, false, &ours, &stock);
  if (auto_refresh_by_default) {
    ListCell *cell;
    bool is_said = false;
    foreach (cell, ours)
      is_said = is_said || strcmp(lfirst_node(DefElem, cell)->defname, "auto_refresh") == 0;
    if (!is_said)
      ours = lappend(ours, makeDefElem(pstrdup("auto_refresh"),
                                       reinterpret_cast<Node *>(makeString(pstrdup("true"))), -1));
  }
  CheckExtension(name->relname);
  Oid existing;
  const Oid schema = RangeVarGetAndCheckCreationNamespace(name, NoLock, &existing);
  const bool has_data = !statement->into->skipData;
  statement->into->options = stock;
  statement->into->skipData = true;
  call.With(reinterpret_cast<Node *>(statement)).GoOn(chain);
  if (OidIsValid(existing)) return;
  const Oid view = get_relname_relid(name->relname, schema);
  if (!OidIsValid(view)) elog(ERROR, "materialized view \"%s\" was not created", name->relname);
  CommandCounterIncrement();
  PutOptions(view, 0, ours, NIL);
  SPI_connect();
  CreateRecord(view, "it has no data");
  SPI_finish();
  if (!has_data) return;
  (void)LockRefresh(view, true);
  RefreshMatViewStmt *refresh = makeNode(RefreshMatViewStmt);
  refresh->relation = makeRangeVar(get_namespace_name(schema), pstrdup(name->relname), -1);
  const uint64 rows = RefreshBySwap(view, kCreated, nullptr, refresh);
  if (call.completion != nullptr) SetQueryCompletion(call.completion, CMDTAG_SELECT, rows);
}

// Finds a maintained view by its name, without a lock: who refreshes others must not hold one already.
bool FindMaintained(const RangeVar *name) {
  const Oid view = RangeVarGetRelid(name, NoLock, true);
  return OidIsValid(view) && IsMaintained(view);
}

// Computes a maintained view anew: as PostgreSQL does, or beside readers.
void RefreshFully(const Call &call, RefreshMatViewStmt *statement) {
  if (!FindMaintained(statement->relation)) return call.GoOn(chain);
  PreventCommandIfReadOnly("REFRESH MATERIALIZED VIEW");
  const LOCKMODE lock = statement->concurrent ? RowExclusiveLock : AccessExclusiveLock;
  const Oid view =
      RangeVarGetRelidExtended(statement->relation, lock, 0, RangeVarCallbackOwnsTable, nullptr);
  (void)LockRefresh(view, true);
  if (!statement->concurrent) {
    (void)RefreshBySwap(view, kManual, &call, statement);
  } else if (statement->skipData || !IsPopulated(view)) {
    call.GoOn(chain);  // for its error
  } else {
    (void)RefreshInPlace(BeginRefresh(view, kManual), Wanted::kFull);
  }
}

// Tells why a view cannot be refreshed by its changes before looking at them, or null; without a lock.
const char *WhyNotByChanges(const RangeVar *name) {
  if (!FindMaintained(name)) return "it is not maintained";
  Relation view = table_openrv(name, AccessShareLock);
  const bool is_populated = RelationIsPopulated(view);
  table_close(view, AccessShareLock);
  return is_populated ? nullptr : "it has no data";
}

// REFRESH … INCREMENTALLY: applies what has changed if that is possible, else computes the view anew and says so.
void RefreshByChanges(const Call &call, RangeVar *name) {
  PreventCommandIfReadOnly("REFRESH MATERIALIZED VIEW");
  const char *why = WhyNotByChanges(name);
  if (why == nullptr) {
    const Oid view =
        RangeVarGetRelidExtended(name, RowExclusiveLock, 0, RangeVarCallbackOwnsTable, nullptr);
    (void)LockRefresh(view, true);
    why = RefreshInPlace(BeginRefresh(view, kManual), Wanted::kIncremental);
  } else {
    RefreshMatViewStmt *statement = makeNode(RefreshMatViewStmt);
    statement->relation = name;
    RefreshFully(call.With(reinterpret_cast<Node *>(statement)), statement);
  }
  if (why != nullptr) {
    ereport(WARNING, (errmsg("materialized view \"%s\" was refreshed in full", name->relname),
                      errdetail("An incremental refresh was not possible: %s.", why)));
  }
  if (call.completion != nullptr)
    SetQueryCompletion(call.completion, CMDTAG_REFRESH_MATERIALIZED_VIEW, 0);
}

// Finds the carrier of REFRESH … INCREMENTALLY.
bool IsCarrier(const AlterTableStmt *alter) {
  if (list_length(alter->cmds) != 1) return false;
  const auto *command = linitial_node(AlterTableCmd, alter->cmds);
  if (command->subtype != AT_SetRelOptions) return false;
  const List *options = castNode(List, command->def);
  if (list_length(options) != 1) return false;
  auto *option = linitial_node(DefElem, options);
  if (option->defnamespace == nullptr || strcmp(option->defnamespace, kCarrierSpace) != 0 ||
      strcmp(option->defname, kCarrierName) != 0)
    return false;
  const char *value = option->arg != nullptr ? defGetString(option) : "";
  if (strcmp(value, "incrementally") == 0) return true;
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
           errmsg("invalid value \"%s\" for option \"%s.%s\"", value, kCarrierSpace, kCarrierName),
           errhint("Use REFRESH MATERIALIZED VIEW … INCREMENTALLY.")));
}

bool ChangesOptions(const AlterTableStmt *alter) {
  ListCell *cell;
  foreach (cell, alter->cmds) {
    const AlterTableType type = lfirst_node(AlterTableCmd, cell)->subtype;
    if (type == AT_SetRelOptions || type == AT_ResetRelOptions) return true;
  }
  return false;
}

// Begins or ends to maintain a view whose options have changed.
void Adapt(Oid view) {
  if (!OidIsValid(get_extension_oid("heliosdb", true))) return;
  const bool is_to_be = ReadOptions(view).is_maintained;
  const bool is_maintained = IsMaintained(view);
  if (is_maintained == is_to_be) return;
  SPI_connect();
  if (is_to_be) {
    CreateRecord(view, "it was not computed since it is maintained");
  } else {
    DropState(view);
    DropRecord(view);
  }
  SPI_finish();
}

// Brings a view that becomes an immediate one up to date. Writers of what it reads are kept out first: those who have
// written already do not know that they are to maintain it.
void BecomeImmediate(Oid view) {
  RequireReadCommitted(view);
  LockRelationOid(view, RowExclusiveLock);
  if (!IsPopulated(view)) return;
  ViewOwnerScope owner;
  owner.Enter(view);
  const Reads reads = FindReads(view);
  owner.Leave();
  ListCell *cell;
  foreach (cell, reads.relations) {
    LockRelationOid(lfirst_oid(cell), ShareRowExclusiveLock);
    if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_PARTITIONED_TABLE)
      (void)find_all_inheritors(lfirst_oid(cell), ShareRowExclusiveLock, nullptr);
  }
  (void)LockRefresh(view, true);
  (void)RefreshInPlace(BeginRefresh(view, kManual), Wanted::kIncremental);
}

// ALTER … SET and RESET of options: ours are taken off the view while PostgreSQL validates the rest.
void Alter(const Call &call, const AlterTableStmt *original) {
  const Oid view = RangeVarGetRelidExtended(original->relation, ShareUpdateExclusiveLock,
                                            original->missing_ok ? RVR_MISSING_OK : 0,
                                            RangeVarCallbackOwnsRelation, nullptr);
  if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_MATVIEW) return call.GoOn(chain);
  auto *statement =
      static_cast<AlterTableStmt *>(copyObjectImpl(const_cast<AlterTableStmt *>(original)));
  List *set = NIL, *reset = NIL, *left = NIL;
  ListCell *cell;
  foreach (cell, statement->cmds) {
    auto *command = lfirst_node(AlterTableCmd, cell);
    if (command->subtype != AT_SetRelOptions && command->subtype != AT_ResetRelOptions) {
      left = lappend(left, command);
      continue;
    }
    const bool is_reset = command->subtype == AT_ResetRelOptions;
    List *stock = NIL;
    SplitOptions(original->relation->relname, castNode(List, command->def), is_reset,
                 is_reset ? &reset : &set, &stock);
    command->def = reinterpret_cast<Node *>(stock);
    if (stock != NIL) left = lappend(left, command);
  }
  statement->cmds = left;
  if (set == NIL && reset == NIL && !ReadOptions(view).is_maintained) return call.GoOn(chain);
  if (set != NIL) CheckExtension(original->relation->relname);
  const bool was_immediate = ReadOptions(view).is_immediate;
  const Datum taken = TakeOptions(view);
  if (left != NIL) call.With(reinterpret_cast<Node *>(statement)).GoOn(chain);
  CommandCounterIncrement();
  PutOptions(view, taken, set, reset);
  Adapt(view);
  const bool is_immediate = ReadOptions(view).is_immediate;
  if (is_immediate != was_immediate) NoteImmediate();
  if (is_immediate && !was_immediate) BecomeImmediate(view);
}

// Leads EXPLAIN of CREATE past our options; EXPLAIN ANALYZE, which would create the view, is refused.
void ExplainCreate(const Call &call, const ExplainStmt *original) {
  auto *statement = static_cast<ExplainStmt *>(copyObjectImpl(const_cast<ExplainStmt *>(original)));
  auto *create = reinterpret_cast<CreateTableAsStmt *>(
      reinterpret_cast<Query *>(statement->query)->utilityStmt);
  List *ours = NIL, *stock = NIL;
  SplitOptions(create->into->rel->relname, create->into->options, false, &ours, &stock);
  create->into->options = stock;
  ListCell *cell;
  foreach (cell, statement->options) {
    auto *option = lfirst_node(DefElem, cell);
    if (strcmp(option->defname, "analyze") == 0 && defGetBoolean(option))
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("EXPLAIN ANALYZE cannot create a maintained materialized view"),
                      errhint("Run EXPLAIN without ANALYZE, or EXPLAIN ANALYZE of the query.")));
  }
  call.With(reinterpret_cast<Node *>(statement)).GoOn(chain);
}

// Returns the CREATE MATERIALIZED VIEW that a statement explains, or null.
const CreateTableAsStmt *ExplainedCreate(const ExplainStmt *explain) {
  if (!IsA(explain->query, Query)) return nullptr;
  const Node *utility = reinterpret_cast<const Query *>(explain->query)->utilityStmt;
  if (utility == nullptr || !IsA(utility, CreateTableAsStmt)) return nullptr;
  const auto *create = reinterpret_cast<const CreateTableAsStmt *>(utility);
  return create->objtype == OBJECT_MATVIEW ? create : nullptr;
}

// True if a statement creates a view that is to be maintained.
bool Maintains(const CreateTableAsStmt *create) {
  return create->objtype == OBJECT_MATVIEW &&
         (HasOurs(create->into->options) ||
          (auto_refresh_by_default && OidIsValid(get_extension_oid("heliosdb", true))));
}

// True if a statement may be one of those that are handled here.
bool MayBeOurs(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_CreateTableAsStmt:
    case T_RefreshMatViewStmt:
    case T_AlterTableStmt:
    case T_ExplainStmt:
      return true;
    default:
      return false;
  }
}

void Dispatch(const Call &call) {
  Node *statement = call.statement->utilityStmt;
  if (!MayBeOurs(statement) || IsElsewhere()) return call.GoOn(chain);
  switch (nodeTag(statement)) {
    case T_CreateTableAsStmt: {
      const auto *create = reinterpret_cast<const CreateTableAsStmt *>(statement);
      return Maintains(create) ? Create(call, create) : call.GoOn(chain);
    }
    case T_RefreshMatViewStmt:
      return RefreshFully(call, reinterpret_cast<RefreshMatViewStmt *>(statement));
    case T_AlterTableStmt: {
      const auto *alter = reinterpret_cast<const AlterTableStmt *>(statement);
      if (IsCarrier(alter)) return RefreshByChanges(call, alter->relation);
      return ChangesOptions(alter) ? Alter(call, alter) : call.GoOn(chain);
    }
    case T_ExplainStmt: {
      const auto *explain = reinterpret_cast<const ExplainStmt *>(statement);
      const CreateTableAsStmt *create = ExplainedCreate(explain);
      return create != nullptr && HasOurs(create->into->options) ? ExplainCreate(call, explain)
                                                                 : call.GoOn(chain);
    }
    default:
      return call.GoOn(chain);
  }
}

void OnUtility(PlannedStmt *statement, const char *text, bool read_only,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
               DestReceiver *receiver, QueryCompletion *completion) {
  Dispatch({statement, text, read_only, context, params, environment, receiver, completion});
}

}  // namespace

bool IsElsewhere() {
  const char *as_of = GetConfigOption("heliosdb.as_of", true, false);
  const char *branch = GetConfigOption("heliosdb.branch", true, false);
  return (as_of != nullptr && as_of[0] != '\0') ||
         (branch != nullptr && branch[0] != '\0' && strcmp(branch, "main") != 0);
}

bool IsBeingRefreshed(Oid view) { return being_refreshed == view; }

void InitStatements() { chain.Install(&ProcessUtility_hook, OnUtility); }

}  // namespace helios::mview
