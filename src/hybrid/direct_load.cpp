#include "hybrid/direct_load.hpp"

#include "hybrid/chunk_writer.hpp"
#include "hybrid/options.hpp"
#include "hybrid/row_size.hpp"
#include "hybrid/size.hpp"
#include "hybrid/store.hpp"
#include "pg/hooks.hpp"
#include "settings/settings.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Rows of a statement that become hot before those that follow are gathered.
constexpr uint64 kHotRowsFirst = 8192;
// Tables, such as partitions, for which rows are gathered at the same time.
constexpr int kMaxLoads = 8;

// What one statement inserts into one table.
struct Load {
  Oid table;
  SubTransactionId subtransaction;
  CommandId cid;
  uint64 rows;  // that the statement has inserted
  MemoryContext context;
  ChunkWriter *writer;  // null until enough rows have come
  OrderMark
      *last;  // the row that was gathered last; null: the order does not matter, or not any more
  ChunkEntry entry;  // of the chunk that is gathered, if there are rows in the writer
  Load *next;
};

constinit Load *loads = nullptr;
constinit pg::HookChain<ExecutorFinish_hook_type> executor_finish;

bool HasGathered(const Load *load) { return load->writer != nullptr && load->writer->rows() > 0; }

// Forgets what was known of the table: it may have been altered since.
void ForgetTable(Load *load) {
  if (load->writer != nullptr) load->writer->Destroy();
  if (load->last != nullptr) load->last->Destroy();
  load->writer = nullptr;
  load->last = nullptr;
}

// Begins to gather rows of a table.
void BeginGathering(Load *load, Relation rel) {
  const MemoryContext caller = MemoryContextSwitchTo(load->context);
  load->writer = ChunkWriter::Make(load->context, rel, PoliciesOf(rel), false);
  const Order order = ReadOptions(rel, kWholeTable).order;
  if (order.count > 0) load->last = OrderMark::Make(load->context, rel, order);
  MemoryContextSwitchTo(caller);
}

// Tells once in a statement if its rows do not come in the order of the table.
void WatchOrder(Load *load, Relation rel, TupleTableSlot *slot) {
  if (!load->last->is_set() || load->last->Compare(slot->tts_values, slot->tts_isnull) >= 0) {
    load->last->Set(slot->tts_values, slot->tts_isnull);
    return;
  }
  load->last->Destroy();
  load->last = nullptr;
  const char *table = RelationGetRelationName(rel);
  ereport(
      NOTICE,
      (errmsg("rows of table \"%s\" are stored in the order in which they come, not in that of its "
              "order_by",
              table),
       errhint("INSERT INTO %s SELECT … sorts rows that are in another table; so does "
               "heliosdb.move_to_cold() when they have been loaded as hot rows.",
               table)));
}

// Finds what the current statement inserts into a table, or begins with it.
Load *FindLoad(Relation rel, CommandId cid) {
  int count = 0;
  for (Load *load = loads; load != nullptr; load = load->next) {
    if (load->table == RelationGetRelid(rel)) {
      if (load->cid == cid && load->subtransaction == GetCurrentSubTransactionId()) return load;
      if (HasGathered(load)) FlushLoad(load->table);
      ForgetTable(load);
      load->cid = cid;
      load->subtransaction = GetCurrentSubTransactionId();
      load->rows = 0;
      return load;
    }
    if (HasGathered(load)) count++;
  }
  if (count >= kMaxLoads) FlushLoads();
  MemoryContext context =
      AllocSetContextCreate(TopTransactionContext, "heliosdb load", ALLOCSET_DEFAULT_SIZES);
  auto *load = static_cast<Load *>(MemoryContextAllocZero(context, sizeof(Load)));
  load->table = RelationGetRelid(rel);
  load->subtransaction = GetCurrentSubTransactionId();
  load->cid = cid;
  load->context = context;
  load->next = loads;
  loads = load;
  return load;
}

// Reserves numbers for a chunk of rows, and makes its entry.
void BeginChunk(Load *load, Relation rel) {
  Store store = OpenStoreForChunks(rel);
  load->entry = {};
  load->entry.rows = kMaxChunkRows;
  load->entry.first_row = ReserveRows(store, kMaxChunkRows);
  load->entry.source_from = load->entry.source_to = InvalidBlockNumber;
  load->entry.tid = AddEntry(store, load->entry);
  CloseStore(&store);
}

// Writes the rows that were gathered, and completes the entry of their chunk.
void Flush(Load *load) {
  Relation rel = table_open(load->table, RowExclusiveLock);
  const std::span<const uint8> bytes = load->writer->Encode();
  ChunkEntry entry = load->entry;
  entry.rows = load->writer->rows();
  entry.meta_bytes = load->writer->meta_bytes();
  entry.bytes = bytes.size();
  // The store is opened with nothing gathered: it would be flushed first.
  load->writer->Forget();
  Store store = OpenStoreForChunks(rel);
  // Below the subtransaction of the statement pieces must not go if that fails; who finds them asks the entry.
  const int options = load->subtransaction == GetCurrentSubTransactionId() ? 0 : HEAP_INSERT_FROZEN;
  entry.blob = WritePieces(store, bytes, InvalidOid, options);
  CompleteEntry(store, entry);
  CloseStore(&store);
  load->writer->Reset();
  ForgetColdSize(rel);
  table_close(rel, NoLock);
}

void AtTransactionEnd(XactEvent event, void *) {
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
      FlushLoads();
      break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
    case XACT_EVENT_ABORT:
      // Their contexts go with the transaction's.
      loads = nullptr;
      break;
    default:
      break;
  }
}

void AtSubtransactionEnd(SubXactEvent event, SubTransactionId own, SubTransactionId parent,
                         void *) {
  for (Load **at = &loads; *at != nullptr;) {
    Load *load = *at;
    if (load->subtransaction == own && event == SUBXACT_EVENT_ABORT_SUB) {
      *at = load->next;
      MemoryContextDelete(load->context);
      continue;
    }
    if (load->subtransaction == own && event == SUBXACT_EVENT_PRE_COMMIT_SUB && HasGathered(load)) {
      Flush(load);
    }
    if (load->subtransaction == own && event == SUBXACT_EVENT_COMMIT_SUB)
      load->subtransaction = parent;
    at = &load->next;
  }
}

// Triggers that fire at the end of a statement see its rows.
void FinishExecutor(QueryDesc *query) {
  if (HasLoads()) FlushLoads();
  executor_finish.next(standard_ExecutorFinish)(query);
}

}  // namespace

bool HasLoads() { return loads != nullptr; }

void FlushLoad(Oid table) {
  for (Load *load = loads; load != nullptr; load = load->next) {
    if (load->table == table && HasGathered(load)) Flush(load);
  }
}

void FlushLoads() {
  for (Load *load = loads; load != nullptr; load = load->next) {
    if (HasGathered(load)) Flush(load);
  }
}

bool MayLoadColumns() {
  return settings::CurrentHybridStorage() == settings::HybridStorage::kColumn;
}

// What is decoded has to be in heap pages.
bool LoadsColumns(Relation rel) { return MayLoadColumns() && !RelationIsLogicallyLogged(rel); }

bool LoadRow(Relation rel, TupleTableSlot *slot, CommandId cid, int options) {
  // What is to be frozen has to be in heap pages too.
  if (!LoadsColumns(rel) || (options & (TABLE_INSERT_FROZEN | TABLE_INSERT_NO_LOGICAL)))
    return false;
  Load *load = FindLoad(rel, cid);
  if (load->rows++ < kHotRowsFirst) return false;
  slot_getallattrs(slot);
  if (IsTooLarge(RelationGetDescr(rel), slot)) return false;
  // The entry of a chunk has the command that is current; rows that count for an earlier one become hot.
  if (!HasGathered(load) && cid != GetCurrentCommandId(false)) return false;
  if (load->writer == nullptr) BeginGathering(load, rel);
  if (load->last != nullptr) WatchOrder(load, rel, slot);
  if (!HasGathered(load)) BeginChunk(load, rel);
  slot->tts_tid = TidOf(load->entry.first_row + load->writer->rows());
  slot->tts_tableOid = RelationGetRelid(rel);
  load->writer->Add(slot->tts_values, slot->tts_isnull, GetCurrentTransactionId(), nullptr);
  pgstat_count_heap_insert(rel, 1);
  if (load->writer->IsFull()) Flush(load);
  return true;
}

void InitDirectLoad() {
  executor_finish.Install(&ExecutorFinish_hook, FinishExecutor);
  RegisterXactCallback(AtTransactionEnd, nullptr);
  RegisterSubXactCallback(AtSubtransactionEnd, nullptr);
}

}  // namespace helios::hybrid
