// heliosdb.vector_index_recall(): recall@10 measured on the table itself.
//
//   scan 1   a reservoir sample of the indexed rows becomes the queries
//   scan 2   every indexed row is compared with every query: the exact 10 nearest
//   index    each query runs through the index; rows as near as the 10th exact one are hits
#include "hnsw/stats.hpp"

#include "hnsw/am.hpp"
#include "pg/compat.hpp"

#include <algorithm>
#include <cmath>

extern "C" {
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

constexpr int kNearest = 10;             // the k of recall@k
constexpr Size kValueOverhead = 64;      // headers of a value and of its allocation
constexpr StrategyNumber kOrdering = 1;  // the strategy of an operator class's distance operator

// A sampled vector and the exact distances of its nearest rows, ascending.
struct Query {
  Datum value;
  int count;
  double nearest[kNearest];
};

struct Measurement {
  InspectedIndex opened;
  Snapshot snapshot;
  IndexInfo *info;
  EState *estate;
  ExprState *predicate;
  TupleTableSlot *slot;
  FmgrInfo distance;  // of the ordering operator
  Query *queries;
  int count;
};

void LookUpDistance(Relation index, FmgrInfo *function) {
  const Oid type = index->rd_opcintype[0];
  const Oid op = get_opfamily_member(index->rd_opfamily[0], type, type, kOrdering);
  if (!OidIsValid(op))
    elog(ERROR, "index \"%s\" has no ordering operator", RelationGetRelationName(index));
  fmgr_info(get_opcode(op), function);
}

double Distance(Measurement *m, Datum a, Datum b) {
  return DatumGetFloat8(FunctionCall2Coll(&m->distance, m->opened.index->rd_indcollation[0], a, b));
}

// Computes what the index holds of the row in the slot, in per-row memory; false when the row is
// not indexed.
bool IndexedValue(Measurement *m, Datum *value) {
  if (m->predicate != nullptr && !ExecQual(m->predicate, GetPerTupleExprContext(m->estate)))
    return false;
  Datum values[INDEX_MAX_KEYS];
  bool nulls[INDEX_MAX_KEYS];
  FormIndexDatum(m->info, m->slot, m->estate, values, nulls);
  if (!nulls[0]) *value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
  return !nulls[0];
}

// Calls visit(value) in per-row memory for every visible row that is indexed.
template <typename Visit>
void EachIndexedRow(Measurement *m, Visit &&visit) {
  TableScanDesc scan = table_beginscan(m->opened.heap, m->snapshot, 0, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, m->slot)) {
    CHECK_FOR_INTERRUPTS();
    ResetPerTupleExprContext(m->estate);
    MemoryContext outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(m->estate));
    Datum value;
    if (IndexedValue(m, &value)) visit(value);
    MemoryContextSwitchTo(outer);
  }
  table_endscan(scan);
}

// Fills the queries by reservoir sampling. A distance that is no number marks a zero vector under
// cosine.
void SampleQueries(Measurement *m, int limit) {
  uint64 seen = 0;
  MemoryContext keep = CurrentMemoryContext;
  EachIndexedRow(m, [&](Datum value) {
    if (std::isnan(Distance(m, value, value))) return;
    const uint64 at = seen < static_cast<uint64>(limit)
                          ? seen
                          : pg_prng_uint64_range(&pg_global_prng_state, 0, seen);
    seen++;
    if (at >= static_cast<uint64>(limit)) return;
    Query *query = &m->queries[at];
    if (at < static_cast<uint64>(m->count)) {
      pfree(DatumGetPointer(query->value));
    } else {
      m->count++;
    }
    MemoryContext row = MemoryContextSwitchTo(keep);
    *query = {datumCopy(value, false, -1), 0, {}};
    MemoryContextSwitchTo(row);
  });
}

// Keeps a distance that belongs to the nearest.
void Offer(Query *query, double distance) {
  const bool full = query->count == kNearest;
  if (std::isnan(distance) || (full && !(distance < query->nearest[kNearest - 1]))) return;
  int at = full ? kNearest - 1 : query->count++;
  for (; at > 0 && query->nearest[at - 1] > distance; at--)
    query->nearest[at] = query->nearest[at - 1];
  query->nearest[at] = distance;
}

void FindExact(Measurement *m) {
  EachIndexedRow(m, [&](Datum value) {
    for (int i = 0; i < m->count; i++)
      Offer(&m->queries[i], Distance(m, value, m->queries[i].value));
  });
}

// Runs the queries through the index; returns the share of the nearest that it finds.
double SearchIndex(Measurement *m) {
  int64 wanted = 0;
  int64 hits = 0;
  Relation index = m->opened.index;
  IndexScanDesc scan = pg::BeginIndexScan(m->opened.heap, index, m->snapshot, 0, 1);
  for (int i = 0; i < m->count; i++) {
    const Query &query = m->queries[i];
    ScanKeyData order;
    ScanKeyEntryInitialize(&order, SK_ORDER_BY, 1, kOrdering, index->rd_opcintype[0],
                           index->rd_indcollation[0], m->distance.fn_oid, query.value);
    index_rescan(scan, nullptr, 0, &order, 1);
    wanted += query.count;
    for (int rank = 0;
         rank < query.count && index_getnext_slot(scan, ForwardScanDirection, m->slot); rank++) {
      CHECK_FOR_INTERRUPTS();
      ResetPerTupleExprContext(m->estate);
      MemoryContext outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(m->estate));
      Datum value;
      if (IndexedValue(m, &value))
        hits += Distance(m, value, query.value) <= query.nearest[query.count - 1];
      MemoryContextSwitchTo(outer);
    }
  }
  index_endscan(scan);
  return static_cast<double>(hits) / static_cast<double>(wanted);
}

// Limits the sample to what maintenance_work_mem holds.
int SampleLimit(Relation index, int wanted) {
  const Size each = sizeof(Query) + MaxItemBytes(SpaceOf(index)) + kValueOverhead;
  const Size fitting = std::max<Size>(1, static_cast<Size>(maintenance_work_mem) * 1024 / each);
  return static_cast<int>(std::min<Size>(wanted, fitting));
}

// Returns the recall, or a negative number when nothing is indexed.
double Measure(const InspectedIndex &opened, int sample_size) {
  Measurement m{};
  m.opened = opened;
  m.snapshot = GetActiveSnapshot();
  m.info = BuildIndexInfo(opened.index);
  m.estate = CreateExecutorState();
  m.slot = table_slot_create(opened.heap, nullptr);
  GetPerTupleExprContext(m.estate)->ecxt_scantuple = m.slot;
  m.predicate = ExecPrepareQual(m.info->ii_Predicate, m.estate);
  LookUpDistance(opened.index, &m.distance);
  const int limit = SampleLimit(opened.index, sample_size);
  m.queries =
      static_cast<Query *>(MemoryContextAllocHuge(CurrentMemoryContext, limit * sizeof(Query)));
  SampleQueries(&m, limit);
  double recall = -1;
  if (m.count > 0) {
    FindExact(&m);
    recall = SearchIndex(&m);
  }
  ExecDropSingleTupleTableSlot(m.slot);
  FreeExecutorState(m.estate);
  return recall;
}

}  // namespace

}  // namespace helios::hnsw

// Measures an index. Expressions and predicates run with the rights of the table's owner, as in
// maintenance commands, so that they cannot borrow those of the caller.
HELIOS_FUNCTION(vector_index_recall) {
  using namespace helios::hnsw;
  const int sample_size = PG_GETARG_INT32(1);
  if (sample_size < 1) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sample_size must be at least 1")));
  }
  const InspectedIndex opened = OpenForInspection(PG_GETARG_OID(0));
  if (check_enable_rls(RelationGetRelid(opened.heap), InvalidOid, false) == RLS_ENABLED) {
    ereport(
        ERROR,
        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
         errmsg(
             "recall cannot be measured on table \"%s\", whose row-level security applies to you",
             RelationGetRelationName(opened.heap))));
  }
  Oid user;
  int security;
  GetUserIdAndSecContext(&user, &security);
  SetUserIdAndSecContext(opened.heap->rd_rel->relowner, security | SECURITY_RESTRICTED_OPERATION);
  const int guc_level = NewGUCNestLevel();
  // Nor may they find the caller's functions by name.
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw recall", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outer = MemoryContextSwitchTo(context);
  const double recall = Measure(opened, sample_size);
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(context);
  AtEOXact_GUC(false, guc_level);
  SetUserIdAndSecContext(user, security);
  CloseInspected(opened);
  if (recall < 0) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(recall);
}
