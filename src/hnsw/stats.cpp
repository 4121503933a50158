// What SQL can ask about indexes: pg_vector_index_stats() and heliosdb.vector_index_info().
#include "hnsw/stats.hpp"

#include "hnsw/am.hpp"
#include "hnsw/options.hpp"

extern "C" {
#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

bool IsHnsw(Relation index) {
  return index->rd_indam != nullptr && index->rd_indam->ambuild == Build;
}

// Unlogged indexes have no contents on a standby.
bool IsReadable(Relation index) {
  return !RELATION_IS_OTHER_TEMP(index) && !(RecoveryInProgress() && !RelationIsPermanent(index));
}

bool IsNodePage(Page page) {
  return !PageIsNew(page) && PageGetSpecialSize(page) == MAXALIGN(sizeof(PageTrailer)) &&
         Trailer(page)->magic == kPageMagic && Trailer(page)->kind == PageKind::kNode;
}

void CountPage(Page page, NodeCounts *counts) {
  for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
    const Node *node = NodeAt(page, slot);
    const bool linked = node->state == NodeState::kLive || node->state == NodeState::kDuplicate;
    counts->nodes += node->state == NodeState::kLive;
    counts->vectors += linked && ItemPointerIsValid(&node->tid);
    counts->dead += node->state == NodeState::kDead;
    counts->free_slots += node->state == NodeState::kFree;
  }
}

// Lists the indexes of the access method in the order of their creation.
List *IndexOids() {
  const Oid am = get_index_am_oid("hnsw", true);
  List *oids = NIL;
  Relation catalog = table_open(RelationRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 0, nullptr);
  for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple);
       tuple = systable_getnext(scan)) {
    const auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    if (form->relkind == RELKIND_INDEX && form->relam == am) oids = lappend_oid(oids, form->oid);
  }
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  list_sort(oids, list_oid_cmp);
  return oids;
}

// Opens an index of the list; null when it has gone meanwhile or is none of the caller's business.
Relation OpenListed(Oid oid) {
  const Oid table = IndexGetRelation(oid, true);
  bool is_missing = false;
  if (!OidIsValid(table) ||
      pg_class_aclcheck_ext(table, GetUserId(), ACL_SELECT, &is_missing) != ACLCHECK_OK)
    return nullptr;
  Relation index = try_relation_open(oid, AccessShareLock);
  if (index == nullptr) return nullptr;
  if (IsHnsw(index) && index->rd_index->indisvalid && IsReadable(index)) return index;
  relation_close(index, AccessShareLock);
  return nullptr;
}

const char *DisplayName(Quantization quantization) {
  switch (quantization) {
    case Quantization::kNone:
      return "None";
    case Quantization::kScalar:
      return "Scalar";
    case Quantization::kProduct:
      return "Product";
    case Quantization::kRabitq:
      return "RaBitQ";
    case Quantization::kAuto:
      break;
  }
  return "Auto";
}

const char *ElementName(ElementType type) {
  switch (type) {
    case ElementType::kVector:
      return "vector";
    case ElementType::kHalfvec:
      return "halfvec";
    case ElementType::kBit:
      return "bit";
    case ElementType::kSparsevec:
      return "sparsevec";
  }
  return "unknown";
}

const char *DistanceName(DistanceKind distance) {
  switch (distance) {
    case DistanceKind::kL2:
      return "l2";
    case DistanceKind::kInnerProduct:
      return "inner product";
    case DistanceKind::kCosine:
      return "cosine";
    case DistanceKind::kL1:
      return "l1";
    case DistanceKind::kHamming:
      return "hamming";
    case DistanceKind::kJaccard:
      return "jaccard";
  }
  return "unknown";
}

// Collects the columns of one result row.
struct RowBuilder {
  static constexpr int kMaxColumns = 24;
  Datum values[kMaxColumns];
  bool nulls[kMaxColumns];
  int columns;

  void Add(Datum value, bool known = true) {
    values[columns] = value;
    nulls[columns++] = !known;
  }
  void AddInt(int value, bool known = true) { Add(Int32GetDatum(value), known); }
  void AddBig(int64 value) { Add(Int64GetDatum(value)); }
  void AddText(const char *value, bool known = true) { Add(CStringGetTextDatum(value), known); }
  void Put(FunctionCallInfo fcinfo) {
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    Assert(columns == result->setDesc->natts);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
};

}  // namespace

InspectedIndex OpenForInspection(Oid oid) {
  const char kind = get_rel_relkind(oid);
  const char *name = get_rel_name(oid);
  if (name == nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("index with OID %u does not exist", oid)));
  if (kind == RELKIND_PARTITIONED_INDEX) {
    ereport(ERROR,
            (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is a partitioned index", name),
             errhint("Name the index of one partition.")));
  }
  if (kind != RELKIND_INDEX)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not an index", name)));
  // The right is checked before anything is locked, and the table is locked first as everywhere.
  const Oid table = IndexGetRelation(oid, false);
  const AclResult right = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
  if (right != ACLCHECK_OK) aclcheck_error(right, OBJECT_TABLE, get_rel_name(table));
  const InspectedIndex opened{table_open(table, AccessShareLock), index_open(oid, AccessShareLock)};
  if (!IsHnsw(opened.index)) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("index \"%s\" is not an hnsw index", name)));
  }
  if (!opened.index->rd_index->indisvalid) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("index \"%s\" is not valid", name),
                    errhint("REINDEX INDEX %s;", quote_identifier(name))));
  }
  if (!IsReadable(opened.index)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("index \"%s\" is unlogged on a standby, or temporary in another session",
                           name)));
  }
  return opened;
}

void CloseInspected(const InspectedIndex &opened) {
  index_close(opened.index, AccessShareLock);
  table_close(opened.heap, AccessShareLock);
}

NodeCounts CountNodes(Relation index) {
  NodeCounts counts{};
  BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
  const BlockNumber blocks = RelationGetNumberOfBlocks(index);
  for (BlockNumber block = kMetaBlock + 1; block < blocks; block++) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    if (IsNodePage(page)) {
      CheckPage(index, buffer, page, PageKind::kNode);
      CountPage(page, &counts);
    }
    UnlockReleaseBuffer(buffer);
  }
  FreeAccessStrategy(strategy);
  return counts;
}

}  // namespace helios::hnsw

using namespace helios::hnsw;

// Returns a row for each index whose table the caller may read.
HELIOS_FUNCTION(vector_index_stats) {
  InitMaterializedSRF(fcinfo, 0);
  ListCell *cell;
  foreach (cell, IndexOids()) {
    Relation index = OpenListed(lfirst_oid(cell));
    if (index == nullptr) continue;
    Meta meta;
    ReadMeta(index, &meta);
    RowBuilder row{};
    row.AddText(DatumGetCString(
        DirectFunctionCall1(regclassout, ObjectIdGetDatum(RelationGetRelid(index)))));
    row.AddBig(CountNodes(index).vectors);
    row.AddInt(static_cast<int>(meta.dim));
    row.AddText(DisplayName(meta.quantization));
    row.AddBig(static_cast<int64>(RelationGetNumberOfBlocks(index)) * BLCKSZ);
    row.Add(0, false);  // heliosdb.vector_index_recall() measures it
    row.Put(fcinfo);
    relation_close(index, AccessShareLock);
  }
  PG_RETURN_NULL();
}

// Returns what the meta page and the node pages of one index say.
HELIOS_FUNCTION(vector_index_info) {
  const InspectedIndex opened = OpenForInspection(PG_GETARG_OID(0));
  InitMaterializedSRF(fcinfo, 0);
  Meta meta;
  ReadMeta(opened.index, &meta);
  const NodeCounts counts = CountNodes(opened.index);
  const bool quantized = meta.quantization != Quantization::kNone;
  const bool product = meta.quantization == Quantization::kProduct;
  const AutoChoice &choice = meta.choice;
  RowBuilder row{};
  row.AddInt(static_cast<int>(meta.dim));
  row.AddText(DistanceName(meta.distance));
  row.AddText(ElementName(meta.type));
  row.AddText(QuantizationName(meta.quantization));
  row.AddText(QuantizationName(meta.requested));
  row.Add(BoolGetDatum(meta.trained != 0));
  row.AddText(meta.rerank == RerankSource::kIndex ? "index" : "heap", quantized);
  row.AddInt(meta.m);
  row.AddInt(meta.ef_construction);
  row.AddInt(meta.subquantizers, product);
  row.AddInt(meta.centroids, product);
  row.AddInt(meta.rabitq_bits, meta.quantization == Quantization::kRabitq);
  row.AddInt(static_cast<int>(meta.code_bytes[kOwnFormat]), meta.code_bytes[kOwnFormat] != 0);
  row.AddBig(counts.nodes);
  row.AddBig(counts.vectors);
  row.AddBig(counts.dead);
  row.AddBig(counts.free_slots);
  row.AddInt(meta.entry_level, meta.entry != kNoNode);
  row.AddInt(static_cast<int>(choice.sample), choice.sample != 0);
  row.Add(Float8GetDatum(choice.recall_rabitq), choice.recall_rabitq >= 0);
  row.Add(Float8GetDatum(choice.recall_product), choice.recall_product >= 0);
  row.Put(fcinfo);
  CloseInspected(opened);
  PG_RETURN_NULL();
}
