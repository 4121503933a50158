// Moves rows between heap pages and chunks.
//
//   heap page ── rows that everybody sees ─> (sort) ─> ChunkWriter ── full ─> pieces, entry ─> index entries
//      └ marked as moved by this transaction, so that whoever meets one waits and asks where it went
//
// All of it is one transaction: a snapshot sees a row where it was, or where it is. So rows may be sorted between
// their marks and their chunks (option order_by).
#include "hybrid/am.hpp"
#include "hybrid/chunk_writer.hpp"
#include "hybrid/columns.hpp"
#include "hybrid/hot_page.hpp"
#include "hybrid/hot_tuple.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/index_entries.hpp"
#include "hybrid/options.hpp"
#include "hybrid/owner.hpp"
#include "hybrid/row_size.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/size.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/sorted_rows.hpp"
#include "hybrid/table_argument.hpp"
#include "pg/pause.hpp"
#include "settings/settings.hpp"

extern "C" {
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

struct Mover {
  Relation rel;
  Store store;
  ChunkWriter *writer;
  TableIndexes indexes;
  TupleTableSlot *hot;
  TupleTableSlot *cold;
  TransactionId horizon;
  CommandId cid;
  BlockNumber source_from;  // pages that the gathered rows come from
  BlockNumber source_to;
  ExprState *condition;  // null: all rows
  ExprContext *context;
  OrderMark *last;  // rows behind it in the order stay; null: none do
  uint64 alike;     // rows at it that may still move
  uint64 limit;
  uint64 moved;
};

// Deletes the values of a row that are stored out of line: the chunk has them.
void DeleteOutOfLine(Relation rel, const Datum *values, const bool *nulls) {
  const TupleDesc tupdesc = RelationGetDescr(rel);
  for (int a = 0; a < tupdesc->natts; a++) {
    if (nulls[a] || TupleDescAttr(tupdesc, a)->attlen != -1) continue;
    auto *value = reinterpret_cast<varlena *>(DatumGetPointer(values[a]));
    if (VARATT_IS_EXTERNAL_ONDISK(value)) toast_delete_datum(rel, values[a], false);
  }
}

// Begins to gather rows from no page.
void ForgetSources(Mover *mover) {
  mover->source_from = InvalidBlockNumber;
  mover->source_to = 0;
}

// Writes what was gathered as a chunk, with its entry and the index entries of its rows.
void Flush(Mover *mover) {
  if (mover->writer->rows() == 0) return;
  const uint32 rows = mover->writer->rows();
  const std::span<const uint8> bytes = mover->writer->Encode();
  ChunkEntry entry = {};
  entry.first_row = ReserveRows(mover->store, rows);
  entry.rows = rows;
  entry.meta_bytes = mover->writer->meta_bytes();
  entry.bytes = bytes.size();
  entry.blob = WritePieces(mover->store, bytes);
  entry.source_from = mover->source_from;
  entry.source_to = mover->source_to;
  entry.mover = GetCurrentTransactionId();
  mover->writer->Reset();
  ForgetSources(mover);
  AddEntry(mover->store, entry);
  // Pieces and entry are looked up below.
  CommandCounterIncrement();
  pg::Pause("hybrid_move_before_indexes");

  OpenChunk(mover->cold, mover->rel, entry, Reads::kAll);
  AsOwner as_owner;
  as_owner.Begin(mover->rel);
  for (uint32 row = 0; row < rows; row++) {
    CHECK_FOR_INTERRUPTS();
    StoreColdRow(mover->cold, mover->rel, row);
    AddIndexEntries(&mover->indexes, mover->cold);
  }
  as_owner.End();
  ExecClearTuple(mover->cold);
  pg::Pause("hybrid_move_after_chunk");
}

// Adds a marked row to the chunk that is gathered.
void Gather(Mover *mover, const Datum *values, const bool *nulls, TransactionId creator,
            const ItemPointerData &source) {
  mover->writer->Add(values, nulls, creator, &source);
  DeleteOutOfLine(mover->rel, values, nulls);
  const BlockNumber block = ItemPointerGetBlockNumber(&source);
  mover->source_from = std::min(mover->source_from, block);
  mover->source_to = std::max(mover->source_to, block);
  if (mover->writer->IsFull()) Flush(mover);
}

// Points the slot at a row of a pinned page.
void StoreHot(Mover *mover, Buffer buffer, OffsetNumber offset, HeapTuple tuple) {
  Page page = BufferGetPage(buffer);
  ItemId item = PageGetItemId(page, offset);
  tuple->t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
  tuple->t_len = ItemIdGetLength(item);
  tuple->t_tableOid = RelationGetRelid(mover->rel);
  ItemPointerSet(&tuple->t_self, BufferGetBlockNumber(buffer), offset);
  AsHeapSlot as_heap(mover->hot);
  ExecStoreBufferHeapTuple(tuple, mover->hot, buffer);
  as_heap.Restore();
}

// Says whether the row in the slot moves if only those do that are first in the order.
bool IsAmongFirst(Mover *mover) {
  const int side = mover->last->Compare(mover->hot->tts_values, mover->hot->tts_isnull);
  if (side != 0) return side < 0;
  if (mover->alike == 0) return false;
  mover->alike--;
  return true;
}

// Keeps the rows that are to move, and no more than the limit allows.
void Choose(Mover *mover, Buffer buffer, PageRows *rows) {
  int count = 0;
  HeapTupleData tuple;
  for (int i = 0; i < rows->count && mover->moved + count < mover->limit; i++) {
    StoreHot(mover, buffer, rows->offsets[i], &tuple);
    slot_getallattrs(mover->hot);
    if (IsTooLarge(RelationGetDescr(mover->rel), mover->hot)) continue;
    if (mover->condition != nullptr) {
      ResetExprContext(mover->context);
      mover->context->ecxt_scantuple = mover->hot;
      if (!ExecQual(mover->condition, mover->context)) continue;
    }
    if (mover->last != nullptr && !IsAmongFirst(mover)) continue;
    rows->offsets[count++] = rows->offsets[i];
  }
  rows->count = count;
}

// Calls `visit` with each pinned page and the rows of it that are to move, until the limit is reached.
template <typename Visit>
void ForEachPage(Mover *mover, Visit visit) {
  BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
  const BlockNumber blocks = RelationGetNumberOfBlocks(mover->rel);
  for (BlockNumber block = 0; block < blocks && mover->moved < mover->limit; block++) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBufferExtended(mover->rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    PageRows rows;
    ListMovableRows(mover->rel, buffer, mover->horizon, &rows);
    Choose(mover, buffer, &rows);
    visit(buffer, &rows);
    ExecClearTuple(mover->hot);
    ReleaseBuffer(buffer);
  }
  FreeAccessStrategy(strategy);
}

// Calls `visit` with each row in the slot.
template <typename Visit>
void ForEachRow(Mover *mover, Buffer buffer, const PageRows &rows, Visit visit) {
  HeapTupleData tuple;
  for (int i = 0; i < rows.count; i++) {
    StoreHot(mover, buffer, rows.offsets[i], &tuple);
    slot_getallattrs(mover->hot);
    visit(tuple);
  }
}

// Marks the rows of all pages as moved, and hands them to `take`.
template <typename Take>
void TakeRows(Mover *mover, Take take) {
  ForEachPage(mover, [&](Buffer buffer, PageRows *rows) {
    if (rows->count > 0) MarkMoved(mover->rel, buffer, mover->horizon, mover->cid, rows);
    ForEachRow(mover, buffer, *rows, [&](const HeapTupleData &tuple) {
      take(mover->hot->tts_values, mover->hot->tts_isnull, CreatorOf(tuple.t_data), tuple.t_self);
      pgstat_count_heap_update(mover->rel, false);
      mover->moved++;
    });
  });
}

// Finds out which rows come first in the order if a limit lets no more of them move.
void FindFirst(Mover *mover, const Order &order, uint64 limit) {
  SortedRows rows = SortedRows::Begin(mover->rel, order, limit);
  uint64 count = 0;
  ForEachPage(mover, [&](Buffer buffer, const PageRows *found) {
    ForEachRow(mover, buffer, *found, [&](const HeapTupleData &) {
      rows.PutKeys(mover->hot->tts_values, mover->hot->tts_isnull);
      count++;
    });
  });
  if (count > limit) {
    OrderMark *last = OrderMark::Make(CurrentMemoryContext, mover->rel, order);
    rows.Sort();
    for (uint64 row = 0; row < limit && rows.Next(); row++) {
      CHECK_FOR_INTERRUPTS();
      if (last->is_set() && last->Compare(rows.values(), rows.nulls()) == 0) {
        mover->alike++;
        continue;
      }
      last->Set(rows.values(), rows.nulls());
      mover->alike = 1;
    }
    mover->last = last;
  }
  rows.End();
}

// Moves rows so that each chunk holds a range of the order, and those that are first in it if not all may move.
void MoveSorted(Mover *mover, const Order &order, uint64 limit) {
  if (limit > 0 && limit < PG_UINT64_MAX) FindFirst(mover, order, limit);
  mover->limit = limit;
  SortedRows rows = SortedRows::Begin(mover->rel, order, PG_UINT64_MAX);
  TakeRows(mover, [&](const Datum *values, const bool *nulls, TransactionId creator,
                      const ItemPointerData &source) { rows.Put(values, nulls, creator, source); });
  pg::Pause("hybrid_move_before_sort");
  rows.Sort();
  while (rows.Next()) {
    CHECK_FOR_INTERRUPTS();
    Gather(mover, rows.values(), rows.nulls(), rows.creator(), rows.source());
  }
  rows.End();
}

void MoveUnsorted(Mover *mover, uint64 limit) {
  mover->limit = limit;
  TakeRows(mover,
           [&](const Datum *values, const bool *nulls, TransactionId creator,
               const ItemPointerData &source) { Gather(mover, values, nulls, creator, source); });
}

}  // namespace

// Moves rows of an open and locked table that everybody sees and the condition takes (null: all).
static uint64 MoveToCold(Relation rel, ExprState *condition, ExprContext *context, uint64 limit) {
  Mover mover = {};
  mover.rel = rel;
  mover.store = OpenStoreForChunks(rel);
  mover.writer = ChunkWriter::Make(CurrentMemoryContext, rel, PoliciesOf(rel), true);
  mover.indexes = OpenTableIndexes(rel);
  mover.hot = table_slot_create(rel, nullptr);
  mover.cold = table_slot_create(rel, nullptr);
  ReadColumns(mover.cold, ColumnsOfIndexes(mover.indexes));
  mover.horizon = GetOldestNonRemovableTransactionId(rel);
  mover.cid = GetCurrentCommandId(true);
  ForgetSources(&mover);
  mover.condition = condition;
  mover.context = context;
  mover.limit = PG_UINT64_MAX;
  const Order order = ReadOptions(rel, kWholeTable).order;
  if (order.count > 0) {
    MoveSorted(&mover, order, limit);
  } else {
    MoveUnsorted(&mover, limit);
  }
  Flush(&mover);
  // Who has read these rows in a serializable transaction has read the table from now on; who comes later finds
  // the marks.
  TransferPredicateLocksToHeapRelation(rel);
  ExecDropSingleTupleTableSlot(mover.hot);
  ExecDropSingleTupleTableSlot(mover.cold);
  CloseTableIndexes(&mover.indexes);
  mover.writer->Destroy();
  CloseStore(&mover.store);
  if (mover.moved > 0) ForgetColdSize(rel);
  return mover.moved;
}

}  // namespace helios::hybrid

// heliosdb.move_to_cold(table regclass, condition text, max_rows bigint, older_than interval) returns bigint
HELIOS_FUNCTION(hybrid_move_to_cold) {
  using namespace helios::hybrid;
  PreventCommandIfReadOnly("heliosdb.move_to_cold()");
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  if (helios::settings::CurrentHybridStorage() == helios::settings::HybridStorage::kOff) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("hybrid_storage is off: no row is moved into columns"),
                    errhint("SET hybrid_storage = auto.")));
  }
  Relation rel = OpenTableArgument(PG_GETARG_OID(0), ShareUpdateExclusiveLock);
  uint64 limit = PG_UINT64_MAX;
  if (!PG_ARGISNULL(2)) {
    const int64 given = PG_GETARG_INT64(2);
    if (given < 0) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("max_rows must not be negative, but is %lld",
                             static_cast<long long>(given))));
    }
    limit = static_cast<uint64>(given);
  }
  RowChoice choice = {};
  if (!PG_ARGISNULL(1)) choice.condition = text_to_cstring(PG_GETARG_TEXT_PP(1));
  if (!PG_ARGISNULL(3)) {
    choice.tier_column = TierColumnOf(rel);
    choice.before = DatumGetTimestampTz(DirectFunctionCall2(
        timestamptz_mi_interval, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
        PG_GETARG_DATUM(3)));
  }
  EState *estate = CreateExecutorState();
  ExprState *condition = PrepareChoice(rel, choice, estate);
  const uint64 moved = MoveToCold(rel, condition, GetPerTupleExprContext(estate), limit);
  FreeExecutorState(estate);
  table_close(rel, NoLock);
  PG_RETURN_INT64(static_cast<int64>(moved));
}
