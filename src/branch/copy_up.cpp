// Copy-up: the first change of a table on a branch copies the whole table as of the fork.
//
// Foreign keys bind tables to each other, so all tables that they connect are copied together. Whoever comes
// second waits for the first one's transaction, and then finds its copies. The rows are frozen: also a snapshot
// from before the copy sees them.
#include "branch/copy_up.hpp"

#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/fork.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
#include "branch/rules.hpp"
#include "branch/session.hpp"
#include "branch/statistics.hpp"
#include "changelog/changelog.hpp"
#include "pg/names.hpp"
#include "pg/pause.hpp"

#include <cstring>

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// The branch that is being copied for: the scope of the copy is on main. Nobody reads what an error leaves here.
constinit int64 copying_for = 0;

// Tables that foreign keys and partitioning connect to one, itself included, in an order that all follow.
constexpr const char *kConnected =
    "WITH RECURSIVE edge (a, b) AS (SELECT conrelid, confrelid FROM pg_constraint WHERE contype = "
    "'f' AND "
    "conparentid = 0 UNION SELECT i.inhrelid, i.inhparent FROM pg_inherits i JOIN pg_class c ON "
    "c.oid = i.inhrelid "
    "AND c.relispartition AND c.relkind IN ('r', 'p')), both_ways (a, b) AS (SELECT a, b FROM edge "
    "UNION SELECT b, a "
    "FROM edge), connected (t) AS (SELECT %u::oid UNION SELECT e.b FROM both_ways e JOIN connected "
    "c ON c.t = e.a) "
    "SELECT t FROM connected ORDER BY t";

// Tells whether neither foreign keys nor partitioning connect a table to others.
bool IsAlone(Oid table_oid) {
  Relation table = table_open(table_oid, AccessShareLock);
  bool alone = table->rd_rel->relkind == RELKIND_RELATION && !table->rd_rel->relispartition &&
               RelationGetFKeyList(table) == NIL;
  const TriggerDesc *triggers = table->trigdesc;
  for (int i = 0; alone && triggers != nullptr && i < triggers->numtriggers; i++)
    alone = RI_FKey_trigger_type(triggers->triggers[i].tgfoid) == RI_TRIGGER_NONE;
  table_close(table, NoLock);
  return alone;
}

// Lists the tables to copy, the first one's privileges left to the statement.
List *ConnectedTables(Oid table) {
  if (IsAlone(table)) return list_make1_oid(table);
  List *tables = NIL;
  ListCell *cell;
  foreach (cell, QueryOids(psprintf(kConnected, table), CurrentMemoryContext)) {
    if (Classify(lfirst_oid(cell), copying_for) == Kind::kTable)
      tables = lappend_oid(tables, lfirst_oid(cell));
  }
  return tables;
}

// Creates a schema of a branch, or finds it.
Oid EnsureSpaceOf(int64 branch, Space space, Oid schema) {
  const char *base = get_namespace_name(schema);
  if (base == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA), errmsg("schema %u does not exist", schema),
                    errdetail("It was dropped on main, and a branch has relations of it."),
                    errhint("Drop them on the branch.")));
  }
  char *name = SpaceName(branch, space, base);
  const Oid known = get_namespace_oid(name, true);
  if (OidIsValid(known)) return known;
  LockDatabaseObject(NamespaceRelationId, schema, 0, ShareUpdateExclusiveLock);
  const Oid made_meanwhile = get_namespace_oid(name, true);
  if (OidIsValid(made_meanwhile)) return made_meanwhile;
  HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
  const Oid owner = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(tuple))->nspowner;
  ReleaseSysCache(tuple);
  const char *quoted = quote_identifier(name);
  RunSql(psprintf("CREATE SCHEMA %s AUTHORIZATION %s", quoted,
                  quote_identifier(GetUserNameFromId(owner, false))),
         SPI_OK_UTILITY);
  RunSql(psprintf("GRANT USAGE ON SCHEMA %s TO PUBLIC", quoted), SPI_OK_UTILITY);
  RunEach(psprintf(
      "SELECT format('GRANT CREATE ON SCHEMA %%I TO %%s', %s, CASE a.grantee WHEN 0 THEN 'PUBLIC' "
      "ELSE quote_ident(pg_get_userbyid(a.grantee)) END) FROM pg_namespace n, aclexplode(n.nspacl) "
      "a "
      "WHERE n.oid = %u AND a.privilege_type = 'CREATE'",
      quote_literal_cstr(name), schema));
  ObjectAddress made, extension;
  ObjectAddressSet(made, NamespaceRelationId, get_namespace_oid(name, false));
  ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("heliosdb", false));
  recordDependencyOn(&made, &extension, DEPENDENCY_AUTO);
  return made.objectId;
}

// Tells whether a branch began when it was created, so that its sequences are known.
bool IsForkOfPresent(int64 id) {
  Branch branch;
  return FindBranchById(id, &branch) && FullTransactionIdIsValid(RootOf(branch).fork_xid);
}

}  // namespace

Oid BranchSequence(int64 branch, Oid sequence) {
  LockBranch(branch, false);
  LockCopy(branch, sequence);
  AcceptInvalidationMessages();
  const Local known = FindLocal(branch, sequence);
  if (known.exists) return known.relation;
  const Oid schema = get_rel_namespace(sequence);
  const Oid local = CloneSequence(sequence, EnsureSpaceOf(branch, Space::kShadow, schema));
  RunSql(psprintf("SELECT setval('%u'::regclass, last_value, is_called) FROM "
                  "heliosdb.branch_sequences WHERE "
                  "branch = %lld "
                  "AND sequence = %u",
                  local, static_cast<long long>(branch), sequence),
         SPI_OK_SELECT);
  if (SPI_processed == 0 && IsForkOfPresent(branch)) {
    // No value had been taken when the branch began.
    RunSql(
        psprintf(
            "SELECT setval('%u'::regclass, seqstart, false) FROM pg_sequence WHERE seqrelid = %u",
            local, local),
        SPI_OK_SELECT);
  }
  AddLocal(branch, sequence, local, schema);
  return local;
}

namespace {

Oid MapSequence(Oid relation) {
  if (get_rel_relkind(relation) != RELKIND_SEQUENCE ||
      Classify(relation, copying_for) != Kind::kSequence)
    return relation;
  return BranchSequence(copying_for, relation);
}

// The schema of copies for one of main.
Oid MapSchema(Oid schema) { return EnsureSpaceOf(copying_for, Space::kCopies, schema); }

// The copy of a table; 0 if it has none.
Oid MapTable(Oid table) { return FindLocal(copying_for, table).relation; }

// Makes the copy of a table, still empty.
void CreateCopy(Oid table) {
  LockRelationOid(table, AccessShareLock);
  const Oid schema = get_rel_namespace(table);
  const Oid copy =
      CloneTable(table, EnsureSpaceOf(copying_for, Space::kCopies, schema), MapSequence);
  AddLocal(copying_for, table, copy, schema,
           IsToBePartial(table) ? CreateDeleted(table, copy) : InvalidOid);
}

// Copies the rows of a table, and then makes its indexes.
void FillCopy(Oid table, ForkPoint fork) {
  const Oid copy = MapTable(table);
  const bool is_whole = get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE;
  if (is_whole || FindLocal(copying_for, table).IsPartial()) {
    // Partitions may have come or gone since the fork, which is for the whole to say; and rows that are to be copied
    // later must be known.
    CheckAnswers(fork, table);
  } else {
    CloneRows(table, copy, WriteCarrier(fork), true);
  }
  if (!is_whole) CloneIndexes(table, copy);
}

// Copies the tables of a list that have no copy yet.
void CopyTables(List *tables, ForkPoint fork) {
  List *fresh = NIL;
  ListCell *cell;
  foreach (cell, tables) {
    const Oid table = lfirst_oid(cell);
    LockCopy(copying_for, table);
    AcceptInvalidationMessages();
    if (FindLocal(copying_for, table).exists) continue;
    CreateCopy(table);
    fresh = lappend_oid(fresh, table);
    pg::Pause("branch_copy");
  }
  ClonePartitions(fresh, MapTable);
  foreach (cell, fresh) FillCopy(lfirst_oid(cell), fork);
  CloneWholeIndexes(fresh, MapTable);
  foreach (cell, fresh) {
    const Oid table = lfirst_oid(cell);
    const Oid copy = MapTable(table);
    if (!IsAlone(table)) CloneForeignKeys(table, copy, MapTable);
    CloneTriggers(table, copy, MapTable);
    ClonePolicies(table, copy);
    CloneRules(table, copy);
    CloneExtendedStatistics(table, copy, MapSchema);
    if (FindLocal(copying_for, table).IsPartial()) {
      AddKeyTrigger(copy);
    } else if (!get_rel_relispartition(copy)) {
      RunSql(psprintf("SELECT heliosdb.track(%u)", copy), SPI_OK_SELECT);
    }
  }
}

}  // namespace

bool ExistedAtFork(Oid main) {
  const Branch &root = CurrentRoot();
  changelog::TrackedTable tracked;
  if (!changelog::FindTracked(main, &tracked)) return false;
  // Where the fork was chosen, or a history began anew, time travel says what is missing.
  const bool chosen = !FullTransactionIdIsValid(root.fork_xid);
  return chosen || strcmp(tracked.reason, "tracked") != 0 || HasHistory(root, tracked);
}

void CheckExistedAtFork(Oid main) {
  if (ExistedAtFork(main)) return;
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_TABLE),
           errmsg("relation \"%s\" does not exist on branch \"%s\"", get_rel_name(main),
                  SessionBranchName()),
           errdetail("It was created on main after the branch, or cannot be tracked, or was not "
                     "tracked when the branch began.")));
}

Oid CopyUp(Oid main) {
  const Oid known = LocalOf(main);
  if (OidIsValid(known)) return known;
  PreventCommandIfReadOnly("the first change of a table on a branch");
  PreventCommandIfParallelMode("the first change of a table on a branch");
  CheckNotForked();
  const Branch branch = CurrentBranch();
  const ForkPoint fork = MainFork();
  CheckExistedAtFork(main);
  LockBranch(branch.id, false);
  CurrentBranch();  // it may have been dropped meanwhile

  SystemScope scope;
  scope.Enter();
  SPI_connect();
  const int64 outer = copying_for;
  copying_for = branch.id;
  List *tables = ConnectedTables(main);
  CopyTables(tables, fork);
  copying_for = outer;
  SPI_finish();
  scope.Leave();
  return LocalOf(main);
}

Oid LocalSequence(Oid sequence) {
  if (!OnBranch() || get_rel_relkind(sequence) != RELKIND_SEQUENCE ||
      Classify(sequence, session_branch) != Kind::kSequence)
    return sequence;
  const Oid known = LocalOf(sequence);
  if (OidIsValid(known)) return known;
  PreventCommandIfReadOnly("the first use of a sequence on a branch");
  PreventCommandIfParallelMode("the first use of a sequence on a branch");
  const int64 branch = CurrentBranch().id;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  const Oid local = BranchSequence(branch, sequence);
  SPI_finish();
  scope.Leave();
  return local;
}

Oid EnsureSpace(int64 branch, Space space, Oid schema) {
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  LockBranch(branch, false);
  const Oid made = EnsureSpaceOf(branch, space, schema);
  SPI_finish();
  scope.Leave();
  return made;
}

}  // namespace helios::branch
