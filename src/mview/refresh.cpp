#include "mview/refresh.hpp"

#include <cmath>
#include <ctime>

#include "changelog/changelog.hpp"
#include "mview/backlog.hpp"
#include "mview/settings.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/pause.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
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

constexpr double kSecondsPerMinute = 60;

// Raises an error unless the owner may read all that the query reads.
bool CheckPermissions(Node *node, void *context) {
  if (node == nullptr) return false;
  if (!IsA(node, Query))
    return expression_tree_walker(node, pg::AsWalker(CheckPermissions), context);
  auto *query = reinterpret_cast<Query *>(node);
  (void)ExecCheckRTPerms(query->rtable, true);
  return query_tree_walker(query, pg::AsWalker(CheckPermissions), context, 0);
}

// Tells why changes of a relation are not known to a view.
const char *WhyUnknownTo(Oid view, Oid base) {
  Relation relation = table_open(view, AccessShareLock);
  const Oid owner = relation->rd_rel->relowner;
  table_close(relation, AccessShareLock);
  return WhyUnknown(base, owner);
}

// Tells why nothing records changes of something that a view reads, or null.
const char *WhyUnrecorded(const Refresh &refresh) {
  ListCell *cell;
  foreach (cell, refresh.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kUnknown) return WhyUnknownTo(refresh.view, base->relation);
    if (base->kind == BaseKind::kView)
      return psprintf("changes of materialized view %s are not recorded",
                      pg::QualifiedName(base->relation));
  }
  return nullptr;
}

// Tells why changes of what a view reads are not known, or null.
const char *WhyBasesUnknown(const Refresh &refresh) {
  ListCell *cell;
  foreach (cell, refresh.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kUnknown) return WhyUnknownTo(refresh.view, base->relation);
    if (base->kind == BaseKind::kTable &&
        !changelog::KnowsChanges(base->relation, base->started_at))
      return psprintf("the history of table %s began anew", pg::QualifiedName(base->relation));
  }
  return nullptr;
}

// Raises an error unless all changes of an immediate view can be followed.
void CheckImmediate(const Refresh &refresh) {
  const char *why = WhyUnrecorded(refresh);
  const char *remedy = "Use refresh_mode = 'deferred'.";
  if (why == nullptr && !Explain(refresh.shape).is_incremental) {
    why = Explain(refresh.shape).why_not;
    if (Explain(refresh.shape).remedy != nullptr) remedy = Explain(refresh.shape).remedy;
  }
  if (why == nullptr) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("materialized view %s cannot have refresh_mode = 'immediate'",
                  pg::QualifiedName(refresh.view)),
           errdetail("It cannot be refreshed by its changes: %s.", why), errhint("%s", remedy)));
}

// Tells why views that a view reads make a full refresh necessary, or null.
const char *WhyViewsChanged(const Refresh &refresh) {
  ListCell *cell, *other;
  foreach (cell, refresh.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind != BaseKind::kView) continue;
    bool is_same = false;
    foreach (other, refresh.known) {
      const auto *known = static_cast<const Base *>(lfirst(other));
      is_same =
          is_same || (known->relation == base->relation && known->generation == base->generation);
    }
    if (!is_same)
      return psprintf("materialized view %s has changed", pg::QualifiedName(base->relation));
  }
  return nullptr;
}

// How large a table is, or all partitions of it are.
struct Extent {
  double rows, bytes;
};

Extent Measure(Oid relation) {
  Extent extent = {};
  ListCell *cell;
  foreach (cell, find_all_inheritors(relation, AccessShareLock, nullptr)) {
    Relation table = table_open(lfirst_oid(cell), NoLock);
    if (RELKIND_HAS_STORAGE(table->rd_rel->relkind)) {
      BlockNumber pages;
      double rows, visible;
      estimate_rel_size(table, nullptr, &pages, &rows, &visible);
      extent.rows += rows;
      extent.bytes += static_cast<double>(pages) * BLCKSZ;
    }
    table_close(table, NoLock);
  }
  return extent;
}

// Tells why so many changes, or tables so small, are not worth an incremental refresh, or null.
const char *WhyNotWorthIt(const Refresh &refresh) {
  double bytes = 0, changes = 0;
  ListCell *cell;
  foreach (cell, refresh.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind != BaseKind::kTable) continue;
    const Extent extent = Measure(base->relation);
    const double most = std::fmax(extent.rows * full_refresh_fraction, kSmallBacklog);
    const auto count = static_cast<double>(changelog::CountRecords(
        base->relation, refresh.record.position, static_cast<int64>(most) + 1));
    if (full_refresh_fraction < 1 && count > most)
      return psprintf("more than %.0f rows of table %s have changed", most,
                      pg::QualifiedName(base->relation));
    changes += count;
    bytes += extent.bytes;
  }
  if (bytes < static_cast<double>(refresh.options.threshold_table_bytes))
    return "the tables are smaller than threshold_table_size";
  const double minutes = static_cast<double>(refresh.at - refresh.record.refreshed_at) /
                         USECS_PER_SEC / kSecondsPerMinute;
  if (refresh.options.threshold_dml_rate > 0 &&
      changes < static_cast<double>(refresh.options.threshold_dml_rate) * minutes)
    return "the tables change less often than threshold_dml_rate";
  return nullptr;
}

// Tells why a refresh cannot be incremental, or null.
const char *WhyFull(const Refresh &refresh) {
  if (refresh.record.position == nullptr || refresh.record.recompute != nullptr) {
    return refresh.record.recompute != nullptr ? refresh.record.recompute
                                               : "it was not computed yet";
  }
  if (!refresh.options.incremental_enabled) return "incremental_enabled is off";
  if (refresh.reads.has_row_security) return "row-level security applies to its owner";
  if (HashOf(refresh.reads.expanded) != refresh.record.query_hash)
    return "a view or policy that its query goes through has changed";
  const char *why = WhyBasesUnknown(refresh);
  if (why == nullptr) why = WhyViewsChanged(refresh);
  if (why == nullptr) why = refresh.obstacle;
  if (why != nullptr) return why;
  const Explanation &explanation = Explain(refresh.shape);
  if (!explanation.is_incremental) return explanation.why_not;
  return WhyNotWorthIt(refresh);
}

// Tells why the snapshot cannot be a position, or null.
const char *FindObstacle(const Refresh &refresh) {
  ListCell *cell;
  foreach (cell, refresh.bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind != BaseKind::kTable ||
        (refresh.is_final ? changelog::CanEnd(base->relation, refresh.position)
                          : changelog::CanBegin(base->relation, refresh.position)))
      continue;
    const char *name = pg::QualifiedName(base->relation);
    return !refresh.is_final && changelog::HasOwnChanges(base->relation)
               ? psprintf("it was refreshed by a transaction that had changed table %s itself",
                          name)
               : psprintf("the history of table %s begins after the snapshot of its refresh", name);
  }
  return nullptr;
}

// Runs the view's query in the active snapshot and stores its rows.
pg::StoredRows ComputeRows(const Refresh &refresh) {
  auto *query = static_cast<Query *>(copyObjectImpl(refresh.reads.expanded));
  PlannedStmt *plan = pg_plan_query(query, "", 0, nullptr);
  pg::StoredRows rows = {tuplestore_begin_heap(false, false, work_mem), nullptr};
  DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
  SetTuplestoreDestReceiverParams(receiver, rows.store, CurrentMemoryContext, false, nullptr,
                                  nullptr);
  QueryDesc *run = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, receiver,
                                   nullptr, nullptr, 0);
  ExecutorStart(run, 0);
  ExecutorRun(run, ForwardScanDirection, 0, true);
  ExecutorFinish(run);
  rows.desc = CreateTupleDescCopy(run->tupDesc);
  ExecutorEnd(run);
  FreeQueryDesc(run);
  receiver->rDestroy(receiver);
  return rows;
}

// Writes what a refresh has done, and where the view is now.
void Save(const Refresh &refresh, const Applied &applied, int64 changes, const char *reason) {
  const bool is_full = reason != nullptr;
  SaveRefresh(refresh.view, refresh.obstacle == nullptr ? refresh.position : nullptr, refresh.at,
              refresh.obstacle, refresh.known, refresh.bases, HashOf(refresh.reads.expanded),
              applied.inserted + applied.deleted > 0);
  pg::Pause("mview_saved");
  // Each transaction that writes would be a line.
  if (refresh.is_final && !is_full) return;
  AddEvent(refresh.view,
           {refresh.started_at, nullptr, is_full ? "full" : "incremental", refresh.trigger, reason,
            applied.inserted, applied.deleted, changes, CpuSeconds() - refresh.cpu_begin});
}

// Makes the state of the view anew, where later refreshes can be incremental.
void RebuildState(const Refresh &refresh) {
  DropState(refresh.view);
  if (!Explain(refresh.shape).is_incremental || refresh.obstacle != nullptr) return;
  ViewOwnerScope owner;
  owner.Enter(refresh.view);
  BuildState(DescribeView(refresh.view, refresh.reads, refresh.bases, refresh.position),
             refresh.shape);
  owner.Leave();
}

// Ends what BeginRefresh has begun.
void EndRefresh() {
  PopActiveSnapshot();
  SPI_finish();
}

// Frees rows: the file that they may lie in does not go with their memory.
void EndRows(pg::StoredRows *rows) {
  if (rows->store != nullptr) tuplestore_end(rows->store);
  *rows = {};
}

// Refreshes a view by what has changed; returns why that cannot be done, or null.
const char *ApplyChanges(const Refresh &refresh, Applied *applied, int64 *changes) {
  Delta delta = {};
  ViewOwnerScope owner;
  owner.Enter(refresh.view);
  (void)CheckPermissions(reinterpret_cast<Node *>(refresh.reads.expanded), nullptr);
  ComputeDelta(DescribeView(refresh.view, refresh.reads, refresh.bases, refresh.record.position),
               refresh.shape, &delta);
  pg::Pause("mview_delta");
  Relation view = table_open(refresh.view, NoLock);
  const char *why = delta.why_full;
  if (why == nullptr && !ApplyDelta(view, delta, applied))
    why = "rows that were to be removed were not there";
  table_close(view, NoLock);
  owner.Leave();
  EndRows(&delta.taken);
  EndRows(&delta.added);
  *changes = delta.changes;
  pg::Pause("mview_applied");
  return why;
}

}  // namespace

void ViewOwnerScope::Enter(Oid view) {
  Relation relation = table_open(view, NoLock);
  GetUserIdAndSecContext(&user_, &context_);
  SetUserIdAndSecContext(relation->rd_rel->relowner, context_ | SECURITY_RESTRICTED_OPERATION);
  table_close(relation, NoLock);
  settings_ = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
}

void ViewOwnerScope::Leave() {
  AtEOXact_GUC(false, settings_);
  SetUserIdAndSecContext(user_, context_);
}

double CpuSeconds() {
  constexpr double kNanoseconds = 1e-9;
  timespec used;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * kNanoseconds;
}

void RequireReadCommitted(Oid view) {
  if (!IsolationUsesXactSnapshot()) return;
  ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                  errmsg("materialized view %s with refresh_mode = 'immediate' can be computed in "
                         "READ COMMITTED transactions only",
                         pg::QualifiedName(view)),
                  errdetail("It must show what is committed, not an earlier snapshot."),
                  errhint("Use isolation level READ COMMITTED.")));
}

Refresh *BeginRefresh(Oid view, const char *trigger) {
  SPI_connect();
  auto *refresh = static_cast<Refresh *>(palloc0(sizeof(Refresh)));
  refresh->view = view;
  refresh->trigger = trigger;
  refresh->started_at = GetCurrentTimestamp();
  refresh->cpu_begin = CpuSeconds();
  refresh->is_final = trigger == kImmediate;
  refresh->options = ReadOptions(view);
  if (!FindRecord(view, true, &refresh->record)) {
    if (!IsolationUsesXactSnapshot()) elog(ERROR, "materialized view %u is not maintained", view);
    ereport(ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
             errmsg("materialized view %s was created after the snapshot of this transaction",
                    pg::QualifiedName(view)),
             errhint("Run the transaction again.")));
  }
  if (refresh->options.is_immediate && !refresh->is_final) RequireReadCommitted(view);
  ViewOwnerScope owner;
  owner.Enter(view);
  refresh->reads = FindReads(view);
  owner.Leave();
  // At the end of writers the lock of refreshes keeps out whoever might commit a change that nobody knows of.
  refresh->known = ReadBases(view);
  refresh->bases = ResolveBases(view, refresh->known, refresh->reads, !refresh->is_final);
  // Whose snapshot does not see what the row of the view says has failed by now: the latest one sees the same tables.
  PushActiveSnapshot(IsolationUsesXactSnapshot() && !refresh->is_final ? GetTransactionSnapshot()
                                                                       : GetLatestSnapshot());
  refresh->at = GetCurrentTimestamp();
  refresh->position = refresh->is_final ? changelog::FinalPositionOf(GetActiveSnapshot())
                                        : changelog::PositionOf(GetActiveSnapshot());
  ListCell *cell;
  foreach (cell, refresh->bases) {
    auto *base = static_cast<Base *>(lfirst(cell));
    Record read;
    if (base->kind == BaseKind::kView && FindRecord(base->relation, false, &read))
      base->generation = read.generation;
  }
  refresh->obstacle = FindObstacle(*refresh);
  // Constants in the query are computed by functions of the owner.
  owner.Enter(view);
  refresh->shape =
      Classify(DescribeView(view, refresh->reads, refresh->bases, refresh->record.position));
  owner.Leave();
  if (refresh->options.is_immediate && !refresh->is_final) CheckImmediate(*refresh);
  return refresh;
}

void FinishFull(Refresh *refresh, const Applied &applied, const char *reason) {
  CommandCounterIncrement();
  UpdateActiveSnapshotCommandId();
  RebuildState(*refresh);
  Save(*refresh, applied, 0, reason);
  EndRefresh();
}

void FinishEmpty(Refresh *refresh) {
  DropState(refresh->view);
  SaveRefresh(refresh->view, nullptr, 0, "it has no data", refresh->known, refresh->bases, 0, true);
  EndRefresh();
}

const char *RefreshInPlace(Refresh *refresh, Wanted wanted) {
  Applied applied = {};
  const char *reason = wanted == Wanted::kFull ? "it was asked for" : WhyFull(*refresh);
  int64 changes = 0;
  if (reason == nullptr) {
    reason = ApplyChanges(*refresh, &applied, &changes);
    if (reason == nullptr) {
      Save(*refresh, applied, changes, nullptr);
      EndRefresh();
      return nullptr;
    }
  }
  if (wanted == Wanted::kOnlyIncremental) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("materialized view %s cannot be refreshed incrementally",
                           pg::QualifiedName(refresh->view)),
                    errdetail("A full refresh is necessary: %s.", reason),
                    errhint("Run REFRESH MATERIALIZED VIEW, or set refresh_strategy = 'auto'.")));
  }
  ViewOwnerScope owner;
  owner.Enter(refresh->view);
  pg::StoredRows rows = ComputeRows(*refresh);
  Relation view = table_open(refresh->view, NoLock);
  ReplaceRows(view, rows, &applied);
  EndRows(&rows);
  table_close(view, NoLock);
  owner.Leave();
  pg::Pause("mview_applied");
  FinishFull(refresh, applied, reason);
  return reason;
}

bool PrepareBases(Oid view) {
  SPI_connect();
  ViewOwnerScope owner;
  owner.Enter(view);
  const Reads reads = FindReads(view);
  owner.Leave();
  const List *known = ReadBases(view);
  List *bases = ResolveBases(view, known, reads, true);
  PushActiveSnapshot(GetLatestSnapshot());
  const char *position = changelog::PositionOf(GetActiveSnapshot());
  bool has_begun = false;
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind != BaseKind::kTable ||
        changelog::KnowsChanges(base->relation, base->started_at) ||
        !changelog::CanBegin(base->relation, position))
      continue;
    PutConsumer(view, base->relation, position);
    has_begun = true;
  }
  if (has_begun) {
    // What it shows belongs to an earlier position, if to any.
    SaveBases(view, known, bases);
    RequireRecompute(view, "it was not computed since its tables are tracked");
  }
  PopActiveSnapshot();
  SPI_finish();
  return has_begun;
}

}  // namespace helios::mview
