// Creating and dropping branches.
#include "branch/manage.hpp"
#include "branch/catalog.hpp"
#include "branch/fork.hpp"
#include "branch/inherit.hpp"
#include "branch/path.hpp"
#include "branch/session.hpp"
#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::branch {

namespace {

constinit bool preloaded = false;

// Tables that a first branch begins to track: all that can be tracked and are not.
constexpr const char *kUntracked =
    "SELECT u.oid FROM (SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') AND "
    "c.relpersistence = 'p' AND NOT "
    "c.relispartition AND c.oid >= 16384 AND c.relnamespace NOT IN (SELECT n.oid FROM pg_namespace "
    "n WHERE n.nspname "
    "~ '^(pg_|heliosdb$|heliosdb_log$|heliosdb_[bc][0-9]+_|information_schema$)') EXCEPT SELECT "
    "t.relid FROM "
    "heliosdb.tracked t) u WHERE NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = u.oid) "
    "AND NOT EXISTS "
    "(SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE i.inhparent = u.oid "
    "AND c.relkind = 'r') "
    "ORDER BY u.oid";

// Raises an error unless sessions of this server can be led to a branch.
void RequireServer() {
  if (!preloaded) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("branches need the library in every session"),
                    errhint("Add to postgresql.conf: shared_preload_libraries = 'heliosdb' and "
                            "restart the server.")));
  }
  if (!track_commit_timestamp) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("branches need the times at which transactions committed"),
                    errhint("Set track_commit_timestamp = on and restart the server.")));
  }
}

// Raises an error unless the role may create branches.
void RequireCreate() {
  if (pg_database_aclcheck(MyDatabaseId, GetUserId(), ACL_CREATE) == ACLCHECK_OK) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("permission denied to create a branch of database \"%s\"",
                         get_database_name(MyDatabaseId)),
                  errhint("It takes the privilege CREATE on the database.")));
}

// Raises an error for a name that no branch can have.
void CheckName(const char *name) {
  const bool reserved = strcmp(name, kMainName) == 0 || strcmp(name, "current") == 0;
  if (*name != '\0' && strlen(name) < NAMEDATALEN && !reserved) return;
  ereport(ERROR,
          (errcode(reserved ? ERRCODE_RESERVED_NAME : ERRCODE_INVALID_NAME),
           errmsg("a branch cannot be named \"%s\"", name),
           errhint("A name has 1 to %d bytes and is neither main nor current.", NAMEDATALEN - 1)));
}

// Finds the branch that a new one comes from: named, or that of the session.
Branch FindParent(const char *name) {
  const char *wanted = name == nullptr || strcmp(name, "current") == 0 ? SessionBranchName() : name;
  Branch parent;
  if (!FindBranch(wanted, &parent)) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("branch \"%s\" does not exist", wanted),
             errhint("SHOW BRANCHES lists the branches of this database.")));
  }
  return parent;
}

// The instant right after a transaction committed.
TimestampTz InstantOf(int64 number) {
  const FullTransactionId xid = FullTransactionIdFromU64(static_cast<uint64>(number));
  TimestampTz at = 0;
  if (number <= 0 || !FullTransactionIdPrecedes(xid, ReadNextFullTransactionId()) ||
      !TransactionIdIsNormal(XidFromFullTransactionId(xid)) ||
      !TransactionIdGetCommitTsData(XidFromFullTransactionId(xid), &at, nullptr)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("transaction %lld is not known to have committed",
                           static_cast<long long>(number)),
                    errhint("It runs, was rolled back, or its commit time was cleaned up.")));
  }
  return at;
}

// Begins to track what is not tracked; the role must own it, or the database.
void TrackAll() {
  const Oid role = GetUserId();
  const bool all = superuser() || pg_database_ownercheck(MyDatabaseId, role);
  List *tables = QueryOids(kUntracked);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  ListCell *cell;
  foreach (cell, tables) {
    const Oid table = lfirst_oid(cell);
    if (!all && !pg_class_ownercheck(table, role)) {
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                      errmsg("table \"%s\" is not tracked and belongs to another role",
                             get_rel_name(table)),
                      errhint("Let its owner run heliosdb.track(), or the owner of the database "
                              "create a branch.")));
    }
    RunSql(psprintf("SELECT heliosdb.track(%u)", table), SPI_OK_SELECT);
  }
  SPI_finish();
  scope.Leave();
}

// Checks the options of a new branch; returns after how long it expires, null without a ttl.
Datum CheckOptions(Datum options, bool *is_null) {
  Oid types[] = {JSONBOID};
  Datum values[] = {options};
  constexpr const char *kCheck = "SELECT heliosdb.check_branch_options($1)";
  if (SPI_execute_with_args(kCheck, lengthof(types), types, values, nullptr, true, 1) !=
      SPI_OK_SELECT)
    elog(ERROR, "cannot check the options of a branch");
  return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, is_null);
}

// Lists the schemas of a branch.
List *SpacesOf(int64 branch) {
  RunSql("SELECT nspname FROM pg_namespace WHERE nspname ~ '^heliosdb_[bc][0-9]+_' ORDER BY 1",
         SPI_OK_SELECT);
  List *schemas = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    const char *schema = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
    if (IsBranchSpace(schema, branch)) schemas = lappend(schemas, pstrdup(schema));
  }
  return schemas;
}

// Takes an id for a new branch. Schemas of that number are left where a dump with tables of branches was restored.
int64 NextId() {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    RunSql("SELECT nextval('heliosdb.branch_ids')", SPI_OK_SELECT);
    bool is_null;
    const int64 id =
        DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    if (SpacesOf(id) == NIL) return id;
  }
}

// Notes where main's sequences are. What a sequence was in the past is not known: a branch of the past goes on from the
// present.
void NoteSequences(int64 branch) {
  constexpr const char *kSequences =
      "(SELECT q.oid, CASE WHEN q.relkind = 'S' THEN pg_sequence_last_value(q.oid) END AS "
      "last_value FROM pg_class q JOIN pg_namespace n ON n.oid = q.relnamespace WHERE q.relkind = "
      "'S' AND q.relpersistence = 'p' AND n.nspname !~ "
      "'^(pg_|heliosdb$|heliosdb_log$|heliosdb_[bc][0-9]+_)' OFFSET 0) v";
  const auto id = static_cast<long long>(branch);
  RunSql(psprintf("INSERT INTO heliosdb.branch_sequences SELECT %lld, v.oid, v.last_value FROM %s "
                  "WHERE v.last_value IS NOT NULL",
                  id, kSequences),
         SPI_OK_INSERT);
  // Those that gave no value yet need not stand at their start.
  RunSql(
      psprintf("SELECT string_agg(format('SELECT %lld, %%s, last_value, is_called FROM %%s WHERE "
               "is_called OR last_value <> %%s', v.oid, v.oid::regclass, s.seqstart), ' UNION "
               "ALL ') FROM %s JOIN pg_sequence s ON s.seqrelid = v.oid WHERE v.last_value IS "
               "NULL",
               id, kSequences),
      SPI_OK_SELECT);
  const char *others = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  if (others != nullptr)
    RunSql(psprintf("INSERT INTO heliosdb.branch_sequences %s", others), SPI_OK_INSERT);
}

// Inserts the row of a branch and returns its id.
int64 InsertBranch(const char *name, const Branch &parent, ForkPoint fork, bool begins_now,
                   Datum options) {
  const Oid owner = GetUserId();
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  bool no_ttl;
  const Datum ttl = CheckOptions(options, &no_ttl);
  const int64 id = NextId();
  Oid types[] = {NAMEOID,   INT8OID,     OIDOID,   TIMESTAMPTZOID, XID8OID,
                 PG_LSNOID, INTERVALOID, JSONBOID, INT8OID,        INT8OID};
  NameData branch_name;
  namestrcpy(&branch_name, name);
  Datum values[] = {NameGetDatum(&branch_name),
                    Int64GetDatum(parent.id),
                    ObjectIdGetDatum(owner),
                    TimestampTzGetDatum(fork.at),
                    FullTransactionIdGetDatum(GetTopFullTransactionId()),
                    LSNGetDatum(GetXLogInsertRecPtr()),
                    ttl,
                    options,
                    Int64GetDatum(id),
                    Int64GetDatum(fork.scn)};
  const char nulls[] = {' ',
                        ' ',
                        ' ',
                        fork.at == 0 ? 'n' : ' ',
                        begins_now ? ' ' : 'n',
                        ' ',
                        no_ttl ? 'n' : ' ',
                        ' ',
                        ' ',
                        fork.scn == 0 ? 'n' : ' ',
                        '\0'};
  constexpr const char *kInsert =
      "INSERT INTO heliosdb.branches (id, name, parent, owner, fork_at, fork_xid, fork_lsn, "
      "fork_scn, expires_at, options) VALUES ($9, $1, $2, $3, $4, $5, $6, $10, "
      "clock_timestamp() + $7, $8)";
  if (SPI_execute_with_args(kInsert, lengthof(types), types, values, nulls, false, 0) !=
      SPI_OK_INSERT)
    elog(ERROR, "cannot insert a branch");
  if (parent.id == kMain) {
    NoteSequences(id);
  } else {
    RunSql(psprintf("INSERT INTO heliosdb.branch_sequences SELECT %lld, sequence, last_value, "
                    "is_called FROM heliosdb.branch_sequences WHERE branch = %lld",
                    static_cast<long long>(id), static_cast<long long>(parent.id)),
           SPI_OK_INSERT);
    Inherit(parent, id, fork.at);
  }
  SPI_finish();
  scope.Leave();
  return id;
}

// Names a branch as one that needs the history of main's tables.
char *HolderOf(int64 branch) { return psprintf("branch %lld", static_cast<long long>(branch)); }

// Raises an error if a branch cannot be dropped now.
void CheckDroppable(const Branch &branch) {
  const char *name = NameStr(branch.name);
  if (branch.id == kMain) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("branch main cannot be dropped"), errdetail("It is the database itself.")));
  }
  if (branch.id == session_branch) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                    errmsg("cannot drop branch \"%s\", which this session is on", name),
                    errhint("USE BRANCH main first.")));
  }
  StringInfoData children;
  initStringInfo(&children);
  ListCell *cell;
  foreach (cell, LiveBranches()) {
    const auto *other = static_cast<const Branch *>(lfirst(cell));
    if (other->parent != branch.id) continue;
    appendStringInfo(&children, "%s\"%s\"", children.len == 0 ? "" : ", ", NameStr(other->name));
  }
  if (children.len == 0) return;
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("cannot drop branch \"%s\": other branches come from it", name),
                  errdetail("They are %s.", children.data), errhint("Drop those first.")));
}

// Drops the tables of a branch and its rows.
void DropBranch(const Branch &branch) {
  SystemScope scope;
  scope.Enter();
  // What goes along is no news.
  set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                    true, 0, false);
  SPI_connect();
  ListCell *cell;
  foreach (cell, SpacesOf(branch.id)) {
    RunSql(psprintf("DROP SCHEMA %s CASCADE",
                    quote_identifier(static_cast<const char *>(lfirst(cell)))),
           SPI_OK_UTILITY);
  }
  RunSql(psprintf("DELETE FROM heliosdb.branch_relations WHERE branch = %lld",
                  static_cast<long long>(branch.id)),
         SPI_OK_DELETE);
  RunSql(psprintf("DELETE FROM heliosdb.branch_ddl WHERE branch = %lld",
                  static_cast<long long>(branch.id)),
         SPI_OK_DELETE);
  RunSql(psprintf("DELETE FROM heliosdb.branch_sequences WHERE branch = %lld",
                  static_cast<long long>(branch.id)),
         SPI_OK_DELETE);
  RunSql(
      psprintf("DELETE FROM heliosdb.branches WHERE id = %lld", static_cast<long long>(branch.id)),
      SPI_OK_DELETE);
  SPI_finish();
  scope.Leave();
  changelog::ReleaseHistory(HolderOf(branch.id));
  BranchesChanged();
}

// Reads a text argument; null if it is null.
char *TextArgument(FunctionCallInfo fcinfo, int number) {
  return PG_ARGISNULL(number) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

// Reads a text argument that must be there.
char *NameArgument(FunctionCallInfo fcinfo, int number) {
  char *name = TextArgument(fcinfo, number);
  if (name == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("the name of a branch must not be null")));
  }
  return name;
}

// Reads where a branch is to begin; nothing for now.
ForkPoint ForkArgument(FunctionCallInfo fcinfo, const char *name) {
  constexpr int kInstant = 2, kTransaction = 3, kScn = 6;
  if (!PG_ARGISNULL(kInstant) + !PG_ARGISNULL(kTransaction) + !PG_ARGISNULL(kScn) > 1) {
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                    errmsg("a branch begins at one instant, one transaction or one SCN")));
  }
  if (!PG_ARGISNULL(kScn)) {
    const int64 scn = PG_GETARG_INT64(kScn);
    changelog::RecordedSnapshot recorded;
    if (changelog::FindSnapshot(scn, &recorded)) return {scn, 0};
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("branch \"%s\" cannot begin at SCN %lld, which is not recorded", name,
                    static_cast<long long>(scn)),
             errhint("pg_current_scn() records one; pg_snapshots lists those that are kept.")));
  }
  TimestampTz at = 0;
  if (!PG_ARGISNULL(kInstant)) at = PG_GETARG_TIMESTAMPTZ(kInstant);
  if (!PG_ARGISNULL(kTransaction)) at = InstantOf(PG_GETARG_INT64(kTransaction));
  if (at > GetCurrentStatementStartTimestamp() || TIMESTAMP_NOT_FINITE(at)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("branch \"%s\" cannot begin at %s", name, timestamptz_to_str(at)),
                    errdetail("That is not in the past.")));
  }
  return {0, at};
}

}  // namespace

void RequireOwner(const Branch &branch) {
  if (has_privs_of_role(GetUserId(), branch.owner) ||
      pg_database_ownercheck(MyDatabaseId, GetUserId()))
    return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("must be owner of branch \"%s\"", NameStr(branch.name))));
}

void InitManage() { preloaded = process_shared_preload_libraries_in_progress; }

HELIOS_FUNCTION(create_branch) {
  const char *name = NameArgument(fcinfo, 0);
  PreventCommandIfReadOnly("CREATE BRANCH");
  RequireServer();
  CheckName(name);
  RequireCreate();
  const Branch parent = FindParent(TextArgument(fcinfo, 1));
  const bool if_not_exists = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
  Branch existing;
  if (FindBranch(name, &existing)) {
    ereport(if_not_exists ? NOTICE : ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT),
             if_not_exists ? errmsg("branch \"%s\" already exists, skipping", name)
                           : errmsg("branch \"%s\" already exists", name)));
    PG_RETURN_INT64(existing.id);
  }
  ForkPoint fork = ForkArgument(fcinfo, name);
  const bool begins_now = fork.at == 0 && fork.scn == 0;
  if (PG_ARGISNULL(4)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("the options of a branch must not be null")));
  }
  if (fork.scn != 0 && parent.id != kMain) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("branch \"%s\" cannot begin at an SCN", name),
             errdetail("It comes from branch \"%s\", and not from main.", NameStr(parent.name)),
             errhint("Use AS OF TIMESTAMP.")));
  }
  CheckFork(parent, fork.at);
  TrackAll();
  // Once all tables are tracked: what writers did before that is in no log.
  if (begins_now) fork.scn = changelog::RecordWithOwn().scn;
  const int64 id = InsertBranch(name, parent, fork, begins_now, PG_GETARG_DATUM(4));
  if (fork.scn != 0) {
    changelog::HoldSnapshot(HolderOf(id), fork.scn);
  } else {
    changelog::HoldHistory(HolderOf(id), fork.at);
  }
  BranchesChanged();
  PG_RETURN_INT64(id);
}

HELIOS_FUNCTION(drop_branch) {
  const char *name = NameArgument(fcinfo, 0);
  PreventCommandIfReadOnly("DROP BRANCH");
  const bool if_exists = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
  Branch branch;
  bool found = FindBranch(name, &branch);
  if (found) {
    RequireOwner(branch);
    CheckDroppable(branch);
    LockBranch(branch.id, true);
    // Somebody else may have dropped it, or made a branch of it, meanwhile.
    found = FindBranchById(branch.id, &branch);
  }
  if (!found) {
    ereport(if_exists ? NOTICE : ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT),
             if_exists ? errmsg("branch \"%s\" does not exist, skipping", name)
                       : errmsg("branch \"%s\" does not exist", name)));
    PG_RETURN_VOID();
  }
  CheckDroppable(branch);
  DropBranch(branch);
  PG_RETURN_VOID();
}

HELIOS_FUNCTION(current_branch) {
  (void)fcinfo;
  PG_RETURN_TEXT_P(cstring_to_text(SessionBranchName()));
}

// branch_bytes(branch bigint): the size of its tables and of their logs.
HELIOS_FUNCTION(branch_bytes) {
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(psprintf("SELECT COALESCE(sum(pg_total_relation_size(r.local_relid) + "
                  "COALESCE(pg_total_relation_size(NULLIF(t.log, 0)), 0) + "
                  "COALESCE(pg_total_relation_size(NULLIF(r.deleted_relid, 0)), 0)), 0)::bigint "
                  "FROM heliosdb.branch_relations r LEFT JOIN heliosdb.tracked t ON t.relid = "
                  "r.local_relid "
                  "WHERE r.branch = %lld AND r.local_relid <> 0",
                  static_cast<long long>(PG_GETARG_INT64(0))),
         SPI_OK_SELECT);
  bool is_null;
  const int64 bytes =
      DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  SPI_finish();
  scope.Leave();
  PG_RETURN_INT64(bytes);
}

}  // namespace helios::branch
