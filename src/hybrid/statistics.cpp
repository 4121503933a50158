// What users see of the cold part of tables: rows of heliosdb.chunks and heliosdb.tier_stats().
#include "hybrid/chunk_reader.hpp"
#include "hybrid/holes.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/stand_in.hpp"
#include "hybrid/table_argument.hpp"
#include "hybrid/zone.hpp"

extern "C" {
#include "access/table.h"
#include "funcapi.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cstring>

namespace helios::hybrid {

namespace {

constexpr uint32 kSegmentHeaderBytes = 64;  // more than any has

// A table whose chunks are looked at, and one of them.
struct Look {
  Relation rel;
  Store store;
  ChunkReader *reader;
  uint64 *gone;
};

// Opens a table, for everybody: sizes are no secret. Null if it was dropped meanwhile, or belongs to another session.
Relation OpenForStatistics(Oid table) {
  Relation rel = try_table_open(table, AccessShareLock);
  if (rel == nullptr) return nullptr;
  if (!IsHybrid(rel)) RaiseNotHybrid(rel);
  if (!RELATION_IS_OTHER_TEMP(rel)) return rel;
  table_close(rel, AccessShareLock);
  return nullptr;
}

Look BeginLook(Relation rel) {
  Look look = {};
  look.rel = rel;
  look.store = OpenStore(rel, AccessShareLock);
  look.reader = ChunkReader::Make(CurrentMemoryContext, rel, RelationGetDescr(rel));
  look.gone = static_cast<uint64 *>(palloc(NullBytes(kMaxChunkRows)));
  return look;
}

void EndLook(Look *look) {
  look->reader->Destroy();
  CloseStore(&look->store);
  table_close(look->rel, AccessShareLock);
}

// Calls `visit` with every chunk, opened, and the number of its rows that are gone but no holes.
template <typename Visit>
void ForEachChunk(Look *look, Visit visit) {
  if (look->store.toast == nullptr) return;
  const Snapshot snapshot = GetActiveSnapshot();
  uint32 count;
  const ChunkEntry *entries = ListEntries(look->store, snapshot, &count);
  for (uint32 i = 0; i < count; i++) {
    CHECK_FOR_INTERRUPTS();
    memset(look->gone, 0, NullBytes(kMaxChunkRows));
    const uint32 gone =
        MarkGone(look->store, entries[i].first_row, entries[i].rows, snapshot, look->gone);
    const uint32 holes = MarkHoles(look->store, entries[i], look->gone);
    look->reader->Open(entries[i]);
    visit(entries[i], gone - (entries[i].holes - holes));
  }
}

// Tells whether the user may see values of a column, as of pg_stats.
bool ShowsValues(Relation rel, AttrNumber attribute) {
  const Oid table = RelationGetRelid(rel);
  if (check_enable_rls(table, InvalidOid, true) == RLS_ENABLED) return false;
  return pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
         pg_attribute_aclcheck(table, attribute, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

// Tells whether the order of a column's zone is the one that its users know.
bool HasOrderOfZone(const FormData_pg_attribute &attribute) {
  return !IsOrderedAsBytes(attribute.atttypid) || lc_collate_is_c(attribute.attcollation);
}

// The name of the encoding that a column of the open chunk has; null: it has no value.
char *EncodingOf(const Look &look, const ChunkEntry &entry, const ChunkColumn &column) {
  if (column.segment_offset == 0) return nullptr;
  uint8 header[kSegmentHeaderBytes];
  const uint32 size = std::min(column.segment_bytes, kSegmentHeaderBytes);
  ReadPieces(look.store, entry.blob, column.segment_offset, size, header);
  codec::SegmentInfo info;
  if (codec::Inspect({header, size}, &info) != codec::Status::kOk) return pstrdup("unknown");
  const std::string_view name = codec::EncodingName(info.encoding);
  return pnstrdup(name.data(), name.size());
}

enum ChunkPlace {
  kFirstRow,
  kRows,
  kGoneRows,
  kHoles,
  kColumn,
  kCodec,
  kNulls,
  kRawBytes,
  kStoredBytes,
  kMin,
  kMax,
  kChunkPlaces
};

// Puts a row of heliosdb.chunks about a column of the open chunk.
void PutColumn(ReturnSetInfo *result, const Look &look, const ChunkEntry &entry, uint32 gone,
               const ChunkColumn &column) {
  const FormData_pg_attribute &attribute =
      *TupleDescAttr(RelationGetDescr(look.rel), column.attribute - 1);
  Datum values[kChunkPlaces] = {};
  bool nulls[kChunkPlaces] = {};
  const auto put_text = [&](ChunkPlace place, const char *text) {
    nulls[place] = text == nullptr;
    if (text != nullptr) values[place] = CStringGetTextDatum(text);
  };
  const uint32 null_bytes = column.nulls_offset != 0 ? NullBytes(entry.rows) : 0;
  values[kFirstRow] = Int64GetDatum(static_cast<int64>(entry.first_row));
  values[kRows] = Int32GetDatum(static_cast<int32>(entry.rows));
  values[kGoneRows] = Int32GetDatum(static_cast<int32>(gone));
  values[kHoles] = Int32GetDatum(static_cast<int32>(entry.holes));
  values[kColumn] = NameGetDatum(&attribute.attname);
  put_text(kCodec, EncodingOf(look, entry, column));
  values[kNulls] = Int32GetDatum(static_cast<int32>(column.nulls - entry.holes));
  values[kRawBytes] = Int64GetDatum(column.raw_bytes);
  values[kStoredBytes] = Int64GetDatum(int64{column.segment_bytes} + null_bytes);
  Zone zone;
  const bool has_zone = HasOrderOfZone(attribute) && ShowsValues(look.rel, column.attribute) &&
                        ReadZone(look.reader->meta(), column, attribute, &zone);
  Oid output = InvalidOid;
  bool is_varlena;
  if (has_zone) getTypeOutputInfo(attribute.atttypid, &output, &is_varlena);
  put_text(kMin, has_zone ? OidOutputFunctionCall(output, zone.least) : nullptr);
  put_text(kMax, has_zone ? OidOutputFunctionCall(output, zone.greatest) : nullptr);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// The bytes of a relation's main fork, or of all of its forks together.
uint64 BytesOf(Relation rel, bool all_forks) {
  uint64 blocks = 0;
  for (int fork = MAIN_FORKNUM; fork <= (all_forks ? INIT_FORKNUM : MAIN_FORKNUM); fork++) {
    const auto number = static_cast<ForkNumber>(fork);
    if (smgrexists(RelationGetSmgr(rel), number))
      blocks += RelationGetNumberOfBlocksInFork(rel, number);
  }
  return blocks * BLCKSZ;
}

// The bytes of a table's TOAST relation with its indexes.
uint64 StoreBytes(const Store &store) {
  if (store.toast == nullptr) return 0;
  uint64 bytes = BytesOf(store.toast, true);
  for (int i = 0; i < store.index_count; i++) bytes += BytesOf(store.indexes[i], true);
  return bytes;
}

// How many rows are hot, by what ANALYZE or VACUUM last counted of all; null if nothing did.
Datum HotRows(Relation rel, uint64 cold_rows, bool *is_null) {
  const double counted = rel->rd_rel->reltuples;
  const bool is_empty = RelationGetNumberOfBlocks(rel) == 0;
  *is_null = counted < 0 && !is_empty;
  if (*is_null || is_empty) return Int64GetDatum(0);
  return Int64GetDatum(static_cast<int64>(std::max(counted - static_cast<double>(cold_rows), 0.0)));
}

}  // namespace

}  // namespace helios::hybrid

// heliosdb.table_chunks(table regclass) returns setof record
HELIOS_FUNCTION(hybrid_table_chunks) {
  using namespace helios::hybrid;
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  Relation rel = OpenForStatistics(PG_GETARG_OID(0));
  if (rel == nullptr) return Datum{0};
  Look look = BeginLook(rel);
  ForEachChunk(&look, [&](const ChunkEntry &entry, uint32 gone) {
    for (const ChunkColumn &column : look.reader->meta().columns) {
      if (column.attribute <= 0 || column.attribute > RelationGetDescr(rel)->natts ||
          TupleDescAttr(RelationGetDescr(rel), column.attribute - 1)->attisdropped)
        continue;
      PutColumn(result, look, entry, gone, column);
    }
  });
  EndLook(&look);
  return Datum{0};
}

// heliosdb.tier_stats(table regclass) returns record
HELIOS_FUNCTION(hybrid_tier_stats) {
  using namespace helios::hybrid;
  enum { kHotRows, kHotBytes, kColdRows, kGone, kChunks, kRaw, kStored, kRatio, kSide, kPlaces };
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  Relation rel = OpenForStatistics(PG_GETARG_OID(0));
  if (rel == nullptr) PG_RETURN_NULL();
  Look look = BeginLook(rel);
  uint64 cold = 0, gone_rows = 0, chunks = 0, raw = 0, stored = 0;
  ForEachChunk(&look, [&](const ChunkEntry &entry, uint32 gone) {
    chunks++;
    gone_rows += gone + entry.holes;
    cold += entry.rows - gone - entry.holes;
    stored += entry.bytes;
    for (const ChunkColumn &column : look.reader->meta().columns) {
      if (column.attribute > 0) raw += column.raw_bytes;
    }
  });
  const uint64 store_bytes = StoreBytes(look.store);
  const double ratio = static_cast<double>(raw) / static_cast<double>(std::max<uint64>(stored, 1));
  Datum values[kPlaces];
  bool nulls[kPlaces] = {};
  const auto put = [&](int place, uint64 number) {
    values[place] = Int64GetDatum(static_cast<int64>(number));
  };
  values[kHotRows] = HotRows(rel, cold, &nulls[kHotRows]);
  put(kHotBytes, BytesOf(rel, false));
  put(kColdRows, cold);
  put(kGone, gone_rows);
  put(kChunks, chunks);
  put(kRaw, raw);
  put(kStored, stored);
  values[kRatio] = Float8GetDatum(ratio);
  nulls[kRatio] = chunks == 0;
  put(kSide, store_bytes - std::min(stored, store_bytes));
  EndLook(&look);
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
