// An inherited table has its own definition from the beginning (inherit.cpp), but no rows. As long as it is not changed,
// its rows are read from the table of the other branch, as of the fork, and that is never one without rows of its own.
// Before the first change it is filled, with its partitions and the whole that it is a part of.
//
// Other sessions may hold locks on it, from statements that named it; so its file stays, and the rows are ordinary
// ones. A snapshot from before they were there goes on reading the source.
#include "branch/inherited.hpp"

#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/fork.hpp"
#include "branch/fork_read.hpp"
#include "branch/redirect.hpp"
#include "branch/session.hpp"
#include "pg/invalidation.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// What is remembered of a relation of a branch.
struct Inherited {
  Oid local;
  bool valid;
  Source source;
  FullTransactionId filled;  // by this session, in this transaction, at this command
  CommandId command;
};

constinit HTAB *known = nullptr;
constinit uint64 invalidations = 0;
constinit Snapshot seeing = nullptr;

void Invalidate(Datum, Oid relation) {
  invalidations++;
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, known);
  while (auto *entry = static_cast<Inherited *>(hash_seq_search(&status))) {
    if (!OidIsValid(relation) || entry->local == relation) entry->valid = false;
  }
}

void CreateCache() {
  constexpr long kExpected = 64;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(Inherited);
  known = hash_create("heliosdb inherited tables", kExpected, &control, HASH_ELEM | HASH_BLOBS);
  pg::WatchRelations(Invalidate);
}

// Finds or makes what is remembered of a relation.
Inherited *Entry(Oid local) {
  if (known == nullptr) CreateCache();
  bool found;
  auto *entry = static_cast<Inherited *>(hash_search(known, &local, HASH_ENTER, &found));
  if (!found) {
    entry->valid = false;
    entry->filled = InvalidFullTransactionId;
  }
  return entry;
}

// Looks up where the rows of a relation of a branch came from.
Source SourceOf(Oid local) {
  if (const Inherited *entry = Entry(local); entry->valid) return entry->source;
  const uint64 before = invalidations;
  const Source source = LoadSource(local);
  Inherited *entry = Entry(local);
  entry->source = source;
  entry->valid = invalidations == before;
  return source;
}

// True for the transaction of the session.
bool IsOwn(FullTransactionId xid) {
  return FullTransactionIdEquals(xid, GetTopFullTransactionIdIfAny());
}

// Tells whether a transaction that filled a table is seen by a snapshot.
bool IsSeenBy(FullTransactionId made, Snapshot snapshot) {
  const TransactionId xid = XidFromFullTransactionId(made);
  // Long ago: a snapshot could not tell such a number from one of the future.
  constexpr uint64 kHalf = UINT64CONST(1) << 31;
  const uint64 next = U64FromFullTransactionId(ReadNextFullTransactionId());
  if (next - U64FromFullTransactionId(made) >= kHalf) return true;
  return IsOwn(made) || !IsMVCCSnapshot(snapshot) || !XidInMVCCSnapshot(xid, snapshot);
}

// True if the rows are the table's own.
bool IsFilled(Source source) { return U64FromFullTransactionId(source.made) != 0; }

// True if the table was filled, and the transaction of the session has a snapshot from before.
bool IsTooOld(Source source) {
  return IsFilled(source) && IsolationUsesXactSnapshot() && ActiveSnapshotSet() &&
         !IsSeenBy(source.made, GetActiveSnapshot());
}

[[noreturn]] void RaiseChanged(Oid local) {
  // Plans of the session may go on reading the source, or not.
  ResetPlanCache();
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("table \"%s\" was changed on branch \"%s\" for the first time meanwhile",
                         get_rel_name(local), SessionBranchName()),
                  errhint("Run the statement again.")));
}

// SELECT columns FROM source: the first `count` ones, for a table that has no more.
Query *FirstColumns(const RangeTblEntry *entry, Oid source, int count) {
  Relation table = table_open(source, AccessShareLock);
  Query *query = makeNode(Query);
  query->commandType = CMD_SELECT;
  query->querySource = QSRC_ORIGINAL;
  query->canSetTag = true;
  RangeTblRef *reference = makeNode(RangeTblRef);
  reference->rtindex = 1;
  query->jointree = makeFromExpr(list_make1(reference), nullptr);
  for (int i = 0; i < count; i++) {
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), i);
    Expr *value =
        column->attisdropped
            ? reinterpret_cast<Expr *>(makeNullConst(INT4OID, -1, InvalidOid))
            : reinterpret_cast<Expr *>(makeVar(1, column->attnum, column->atttypid,
                                               column->atttypmod, column->attcollation, 0));
    query->targetList =
        lappend(query->targetList, makeTargetEntry(value, static_cast<AttrNumber>(i + 1),
                                                   pstrdup(NameStr(column->attname)), false));
  }
  query->rtable = list_make1(copyObjectImpl(entry));
  table_close(table, NoLock);
  return query;
}

// Lists an inherited table with all partitions of the whole that it belongs to, or all that foreign keys connect.
List *Connected(Oid local, bool by_keys) {
  return QueryOids(
      psprintf("WITH RECURSIVE edge (a, b) AS (SELECT i.inhrelid, i.inhparent FROM pg_inherits i "
               "UNION ALL SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND "
               "conparentid = 0 AND %s), connected (t) AS (SELECT %u::oid UNION SELECT CASE e.a "
               "WHEN c.t THEN e.b ELSE e.a END FROM connected c JOIN edge e ON c.t IN (e.a, e.b)) "
               "SELECT r.local_relid FROM connected c JOIN heliosdb.branch_relations r ON "
               "r.local_relid = c.t WHERE r.source_relid <> 0 AND r.made_xid IS NULL ORDER BY 1",
               by_keys ? "true" : "false", local),
      CurrentMemoryContext);
}

// Copies the rows of a table, and then makes its indexes anew.
void FillOne(Oid local) {
  const Source source = LoadSource(local);
  if (!OidIsValid(source.relation) || IsFilled(source)) return;
  if (get_rel_relkind(local) == RELKIND_RELATION) {
    CloneRows(source.relation, local, WriteCarrier(SourceFork(source)), false);
    ReindexParams params = {};
    reindex_relation(local, 0, &params);
  }
  RunSql(psprintf("UPDATE heliosdb.branch_relations SET made_xid = pg_current_xact_id() WHERE "
                  "local_relid = %u",
                  local),
         SPI_OK_UPDATE);
  Inherited *entry = Entry(local);
  entry->filled = GetTopFullTransactionId();
  entry->command = GetCurrentCommandId(true);
  LocalChanged(local);
  CacheInvalidateRelcacheByRelid(source.relation);
  if (!get_rel_relispartition(local))
    RunSql(psprintf("SELECT heliosdb.track(%u)", local), SPI_OK_SELECT);
}

void FillAll(Oid local, bool by_keys) {
  const Source source = SourceOf(local);
  if (!OidIsValid(source.relation)) return;
  if (IsTooOld(source)) RaiseChanged(local);
  if (IsFilled(source) && !by_keys) return;
  PreventCommandIfReadOnly("the first change of a table on a branch");
  PreventCommandIfParallelMode("the first change of a table on a branch");
  CheckNotForked();
  const int64 branch = CurrentBranch().id;
  ForkOf(CurrentBranch());
  LockBranch(branch, false);
  CurrentBranch();  // it may have been dropped meanwhile

  SystemScope scope;
  scope.Enter();
  SPI_connect();
  ListCell *cell;
  List *tables = Connected(local, by_keys);
  foreach (cell, tables) LockCopy(branch, lfirst_oid(cell));
  AcceptInvalidationMessages();
  foreach (cell, tables) FillOne(lfirst_oid(cell));
  SPI_finish();
  scope.Leave();
  if (seeing != nullptr && ActiveSnapshotSet() && GetActiveSnapshot() == seeing)
    seeing->curcid = GetCurrentCommandId(false);
}

}  // namespace

bool ReadsSource(Oid local) {
  const Source source = SourceOf(local);
  if (!OidIsValid(source.relation)) return false;
  return !IsFilled(source) || IsTooOld(source);
}

void ReadSource(RangeTblEntry *entry, int index, Oid local) {
  const Source source = SourceOf(local);
  LockRelationOid(source.relation, AccessShareLock);
  const int16 own = ColumnCount(local), theirs = ColumnCount(source.relation);
  entry->relid = source.relation;
  entry->tablesample = SampleAt(SourceFork(source));
  if (own == theirs) return;
  // The parent has added columns since: whole rows must not have them.
  Query *query = FirstColumns(entry, source.relation, own);
  auto *inner = linitial_node(RangeTblEntry, query->rtable);
  ChangeVarNodes(reinterpret_cast<Node *>(inner->securityQuals), index, 1, 0);
  inner->lateral = false;
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = query;
  entry->tablesample = nullptr;
  entry->securityQuals = NIL;
  entry->inh = false;
  entry->requiredPerms = 0;
  entry->selectedCols = entry->insertedCols = entry->updatedCols = nullptr;
}

void Fill(Oid local) { FillAll(local, false); }

void FillConnected(Oid local) { FillAll(local, true); }

Snapshot SeeFills(Snapshot snapshot) {
  Snapshot before = seeing;
  seeing = snapshot;
  return before;
}

void CheckFilled(Oid local, Snapshot snapshot) {
  const Source source = SourceOf(local);
  if (!OidIsValid(source.relation) || !IsFilled(source) || snapshot == InvalidSnapshot) return;
  const Inherited *entry = Entry(local);
  if (!FullTransactionIdEquals(entry->filled, source.made) || !IsOwn(source.made)) {
    if (!IsSeenBy(source.made, snapshot)) RaiseChanged(local);
    return;
  }
  if (snapshot->curcid > entry->command) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("table \"%s\" was changed on branch \"%s\" for the first time by a "
                         "function of the same statement",
                         get_rel_name(local), SessionBranchName()),
                  errhint("Change it by a statement of its own first.")));
}

void CheckNotFilled(Oid local) {
  if (!ReadsSource(local)) RaiseChanged(local);
}

void NoteAltered(Oid local) {
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(psprintf("UPDATE heliosdb.branch_relations SET made_xid = pg_current_xact_id() WHERE "
                  "local_relid = %u AND made_xid IS NULL AND source_relid = 0",
                  local),
         SPI_OK_UPDATE);
  SPI_finish();
  scope.Leave();
}

}  // namespace helios::branch
