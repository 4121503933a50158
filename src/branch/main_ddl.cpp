// A branch reads main's tables as of its fork. TRUNCATE, DROP, rewrites and changes of types or keys begin the
// history of a table anew: as long as a branch needs it, they are refused.
#include "branch/main_ddl.hpp"

#include "branch/catalog.hpp"
#include "branch/fork.hpp"
#include "branch/matview.hpp"
#include "branch/names.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "changelog/changelog.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// A tracked table of main, or one that branches have inherited, with where its history began.
struct History {
  changelog::TrackedTable tracked;
  char *name;
  Bitmapset *columns;  // that are not dropped
  bool of_branch;
};

// Lists the columns of a table.
Bitmapset *ColumnsOf(Oid relation) {
  Bitmapset *columns = nullptr;
  Relation table = table_open(relation, AccessShareLock);
  const TupleDesc row = RelationGetDescr(table);
  for (int i = 0; i < row->natts; i++) {
    if (!TupleDescAttr(row, i)->attisdropped)
      columns = bms_add_member(columns, TupleDescAttr(row, i)->attnum);
  }
  table_close(table, AccessShareLock);
  return columns;
}

// True for statements that may drop a table, alter it or begin its history anew.
bool IsWatched(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_TruncateStmt:
    case T_DropStmt:
    case T_DropOwnedStmt:
    case T_AlterTableStmt:
    case T_AlterTypeStmt:
    case T_AlterObjectSchemaStmt:
    case T_RenameStmt:
      return true;
    case T_CreateStmt:
      return reinterpret_cast<const CreateStmt *>(statement)->inhRelations != NIL;
    default:
      return false;
  }
}

// Tells whether ALTER TABLE changes columns or what they get when nothing is given.
bool ChangesColumns(const AlterTableStmt *alter) {
  ListCell *cell;
  foreach (cell, alter->cmds) {
    switch (lfirst_node(AlterTableCmd, cell)->subtype) {
      case AT_AddColumn:
      case AT_DropColumn:
      case AT_AlterColumnType:
      case AT_ColumnDefault:
      case AT_AddIdentity:
      case AT_SetIdentity:
      case AT_DropIdentity:
      case AT_DropExpression:
        return true;
      default:
        break;
    }
  }
  return false;
}

// Refuses to rename a schema: what branches have of it goes by its name.
void CheckRename(const Node *statement) {
  if (!IsA(statement, RenameStmt)) return;
  const auto *rename = reinterpret_cast<const RenameStmt *>(statement);
  if (rename->renameType != OBJECT_SCHEMA) return;
  ereport(ERROR,
          (errcode(ERRCODE_OBJECT_IN_USE),
           errmsg("schema \"%s\" cannot be renamed while there are branches", rename->subname),
           errhint("SHOW BRANCHES lists them.")));
}

// The name that a statement gives to a schema; null if it names none.
const char *NewSchemaName(const Node *statement) {
  if (IsA(statement, RenameStmt)) {
    const auto *rename = reinterpret_cast<const RenameStmt *>(statement);
    return rename->renameType == OBJECT_SCHEMA ? rename->newname : nullptr;
  }
  if (!IsA(statement, CreateSchemaStmt)) return nullptr;
  const auto *create = reinterpret_cast<const CreateSchemaStmt *>(statement);
  if (create->schemaname != nullptr) return create->schemaname;
  return create->authrole == nullptr ? nullptr : get_rolespec_name(create->authrole);
}

// Lists the tracked tables that branches read: those of main, and what is inherited and not changed.
List *Histories(bool of_main) {
  List *histories = NIL;
  ListCell *cell;
  foreach (cell, QueryOids(psprintf(
                     "SELECT t.relid FROM heliosdb.tracked t JOIN pg_class c ON c.oid = t.relid "
                     "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE CASE WHEN n.nspname ~ "
                     "'^heliosdb_[bc][0-9]+_' THEN EXISTS (SELECT FROM heliosdb.branch_relations r "
                     "WHERE r.source_relid = t.relid AND r.made_xid IS NULL) ELSE %s END",
                     of_main ? "true" : "false"))) {
    changelog::TrackedTable tracked;
    if (!changelog::FindTracked(lfirst_oid(cell), &tracked)) continue;
    auto *history = static_cast<History *>(palloc(sizeof(History)));
    const char *schema = get_namespace_name(get_rel_namespace(tracked.relation));
    *history = {tracked, get_rel_name(tracked.relation), ColumnsOf(tracked.relation),
                IsBranchSpace(schema, 0)};
    histories = lappend(histories, history);
  }
  return histories;
}

// Finds what is known of a table in a list of histories; null if it is not there.
const History *Find(List *histories, Oid table) {
  ListCell *cell;
  foreach (cell, histories) {
    const auto *history = static_cast<const History *>(lfirst(cell));
    if (history->tracked.relation == table) return history;
  }
  return nullptr;
}

[[noreturn]] void RaiseRead(const History &lost, const char *branch) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                  errmsg("table \"%s\" is read by branch \"%s\"", lost.name, branch),
                  errdetail("The statement would end the history of the table, or of a column."),
                  errhint("Merge and drop the branch, or change a row of the table on it first.")));
}

// Raises an error if a branch has inherited a table whose history has ended, and reads it.
void CheckHeirs(const History &lost) {
  List *heirs = QueryOids(psprintf(
      "SELECT r.branch::oid FROM heliosdb.branch_relations r WHERE r.source_relid = %u AND "
      "r.made_xid IS NULL ORDER BY 1",
      lost.tracked.relation));
  Branch heir;
  if (heirs != NIL && FindBranchById(static_cast<int64>(linitial_oid(heirs)), &heir))
    RaiseRead(lost, NameStr(heir.name));
}

// Raises an error if a branch reads a table whose history has ended.
void CheckReaders(const History &lost, bool copies_too) {
  if (lost.of_branch) {
    CheckHeirs(lost);
    return;
  }
  ListCell *cell;
  foreach (cell, LiveBranches()) {
    const auto *branch = static_cast<const Branch *>(lfirst(cell));
    // A copy is found through the table that it stands for.
    const Local local = FindLocal(branch->id, lost.tracked.relation);
    if (!copies_too && local.exists && !local.IsPartial()) continue;
    if (HasHistory(*branch, lost.tracked)) RaiseRead(lost, NameStr(branch->name));
  }
}

// Raises an error if a schema has gone in which branches have created relations.
void CheckSchemas() {
  List *left = QueryOids(
      "SELECT r.local_relid FROM heliosdb.branch_relations r WHERE r.local_relid <> 0 AND NOT "
      "EXISTS "
      "(SELECT FROM pg_namespace n WHERE n.oid = r.schema) ORDER BY 1");
  if (left == NIL) return;
  const Oid relation = linitial_oid(left);
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("the schema of relation \"%s\" of a branch cannot be dropped",
                         get_rel_name(relation)),
                  errdetail("On the branch it lies in \"%s\".",
                            get_namespace_name(get_rel_namespace(relation))),
                  errhint("Drop it on the branch first, or the branch.")));
}

// Gives the copies of a table that was altered a place of their own.
void MoveCopies(Oid table) {
  ListCell *cell;
  foreach (cell, LiveBranches()) {
    const auto *branch = static_cast<const Branch *>(lfirst(cell));
    const Local local = FindLocal(branch->id, table);
    if (!local.exists || !OidIsValid(local.relation)) continue;
    MakeWhole(*branch, table);
    MoveToShadow(branch->id, local.relation);
  }
}

}  // namespace

void CheckReserved(const Node *statement) {
  if (superuser()) return;
  const char *name = NewSchemaName(statement);
  if (name == nullptr || !IsBranchSpace(name, 0)) return;
  ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME), errmsg("a schema cannot be named \"%s\"", name),
                  errdetail("Such schemas stand in the search paths of branches."),
                  errhint("Choose a name that does not begin with heliosdb_b or heliosdb_c.")));
}

List *BeforeMainDdl(const Node *statement) {
  if (!IsWatched(statement) || LiveBranches() == NIL) return NIL;
  CheckRename(statement);
  List *histories = Histories(true);
  if (IsA(statement, AlterTableStmt) &&
      ChangesColumns(reinterpret_cast<const AlterTableStmt *>(statement))) {
    const auto *alter = reinterpret_cast<const AlterTableStmt *>(statement);
    // The lock that the statement takes anyway: who copies the table now is through, and who will knows the new columns.
    const Oid table = RangeVarGetRelidExtended(alter->relation, AccessExclusiveLock, RVR_MISSING_OK,
                                               RangeVarCallbackOwnsRelation, nullptr);
    if (OidIsValid(table)) MoveCopies(table);
  }
  return histories;
}

List *BeforeBranchDdl(const Node *statement) {
  return IsWatched(statement) ? Histories(false) : NIL;
}

void AfterMainDdl(List *before) {
  // DROP EXTENSION has taken the branches along.
  if (before == NIL || LiveBranches() == NIL) return;
  DropLeftMatviews();
  CheckSchemas();
  List *after = Histories(true);
  ListCell *cell;
  foreach (cell, before) {
    const auto *known = static_cast<const History *>(lfirst(cell));
    const History *now = Find(after, known->tracked.relation);
    if (now != nullptr && FullTransactionIdEquals(now->tracked.since, known->tracked.since) &&
        bms_is_subset(known->columns, now->columns))
      continue;
    CheckReaders(*known, now == nullptr);
  }
  // A new partition has no history, so its whole has none for earlier instants, which merges go by as well.
  foreach (cell, after) {
    const auto *now = static_cast<const History *>(lfirst(cell));
    const History *whole =
        OidIsValid(now->tracked.root) ? Find(before, now->tracked.root) : nullptr;
    if (whole != nullptr && Find(before, now->tracked.relation) == nullptr)
      CheckReaders(*whole, true);
  }
}

}  // namespace helios::branch
