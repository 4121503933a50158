// Makes chunks anew where they are: with what columns are to be encoded like now, and without the values of rows
// that are gone for everybody. Rows keep their identifiers, so that no index is touched.
#include "hybrid/options.hpp"
#include "hybrid/reencode.hpp"
#include "hybrid/size.hpp"
#include "hybrid/stand_in.hpp"
#include "hybrid/table_argument.hpp"
#include "pg/pause.hpp"

extern "C" {
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

// What one call goes through the chunks with.
struct Recompression {
  Relation rel;
  Store store;
  ChunkReader *reader;
  ChunkWriter *with_sources;
  ChunkWriter *without_sources;
  TransactionId horizon;
  uint64 *dead;
};

// Makes a chunk anew, or takes it away if all of its rows have gone with their index entries.
void Recompress(Recompression *work, const ChunkEntry &old) {
  const Store &store = work->store;
  memset(work->dead, 0, NullBytes(kMaxChunkRows));
  // A row whose index entries are still there keeps its stand-in, which tells vacuum so.
  MarkDead(store, old.first_row, old.rows, work->horizon, Dead::kUnindexed, work->dead, nullptr);
  // Nobody can hold the identifier that a row had while it was hot any more.
  const bool needs_sources =
      TransactionIdIsNormal(old.mover) && !TransactionIdPrecedes(old.mover, work->horizon);
  ChunkWriter *writer = needs_sources ? work->with_sources : work->without_sources;
  work->reader->Open(old);
  GatherChunk(work->reader, RelationGetDescr(work->rel), work->dead, writer);
  if (writer->holes() == writer->rows()) {
    RemoveEntry(store, old);
  } else {
    const std::span<const uint8> bytes = writer->Encode();
    ChunkEntry entry = old;
    entry.meta_bytes = writer->meta_bytes();
    entry.bytes = bytes.size();
    entry.holes = writer->holes();
    if (!needs_sources) entry.source_from = entry.source_to = InvalidBlockNumber;
    entry.blob = WritePieces(store, bytes);
    pg::Pause("hybrid_recompress_before_entry");
    ReplaceEntry(store, old, entry);
  }
  RemoveStandIns(store, old.first_row, old.rows, work->dead);
  DeletePieces(store, old.blob);
  writer->Reset();
  CommandCounterIncrement();
  pg::Pause("hybrid_recompress_after_chunk");
}

// Says whether at least a part of a chunk's rows are gone for everybody but still kept.
bool HasDead(Recompression *work, const ChunkEntry &entry, double fraction) {
  memset(work->dead, 0, NullBytes(kMaxChunkRows));
  const uint32 dead = MarkDead(work->store, entry.first_row, entry.rows, work->horizon,
                               Dead::kUnindexed, work->dead, nullptr);
  return dead > 0 && dead >= fraction * (entry.rows - entry.holes);
}

}  // namespace

// Makes chunks of an open and locked table anew: all, or those of which at least `dead_fraction` is gone.
static uint64 RecompressTable(Relation rel, bool all, double dead_fraction) {
  Recompression work = {};
  work.rel = rel;
  work.store = OpenStore(rel, RowExclusiveLock);
  if (work.store.toast == nullptr) return 0;
  RefuseOldSnapshot(work.store);
  const ColumnPolicies policies = PoliciesOf(rel);
  work.reader = ChunkReader::Make(CurrentMemoryContext, rel, RelationGetDescr(rel));
  work.with_sources = ChunkWriter::Make(CurrentMemoryContext, rel, policies, true);
  work.without_sources = ChunkWriter::Make(CurrentMemoryContext, rel, policies, false);
  work.horizon = GetOldestNonRemovableTransactionId(rel);
  work.dead = static_cast<uint64 *>(palloc(NullBytes(kMaxChunkRows)));
  uint32 count;
  const ChunkEntry *entries = ListEntries(work.store, GetActiveSnapshot(), &count);
  uint64 done = 0;
  for (uint32 i = 0; i < count; i++) {
    CHECK_FOR_INTERRUPTS();
    if (!all && !HasDead(&work, entries[i], dead_fraction)) continue;
    Recompress(&work, entries[i]);
    done++;
  }
  work.reader->Destroy();
  work.with_sources->Destroy();
  work.without_sources->Destroy();
  CloseStore(&work.store);
  if (done > 0) ForgetColdSize(rel);
  return done;
}

}  // namespace helios::hybrid

// heliosdb.recompress(table regclass, dead_fraction float8) returns bigint
HELIOS_FUNCTION(hybrid_recompress) {
  using namespace helios::hybrid;
  PreventCommandIfReadOnly("heliosdb.recompress()");
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const bool all = PG_ARGISNULL(1);
  const double fraction = all ? 0 : PG_GETARG_FLOAT8(1);
  if (!(fraction >= 0 && fraction <= 1)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("dead_fraction must be between 0 and 1, but is %g", fraction)));
  }
  Relation rel = OpenTableArgument(PG_GETARG_OID(0), ShareUpdateExclusiveLock);
  const uint64 chunks = RecompressTable(rel, all, fraction);
  table_close(rel, NoLock);
  PG_RETURN_INT64(static_cast<int64>(chunks));
}
