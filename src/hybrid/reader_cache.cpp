#include "hybrid/reader_cache.hpp"

#include "pg/guc.hpp"
#include "pg/invalidation.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "access/xact.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

constexpr int kDefaultKilobytes = 64 * 1024;
constexpr Size kBytesPerKilobyte = 1024;

// A reader in a memory context of its own. The list is in the order of use, the last one first.
struct Kept {
  MemoryContext context;
  ChunkReader *reader;
  Oid table;
  Oid toast;
  Oid blob;
  const void *borrower;  // null: nobody
  bool stale;            // the table's definition has changed: not to be lent again
  Kept *next;
};

constinit Kept *kept = nullptr;
constinit int limit_kilobytes = kDefaultKilobytes;
constinit bool watching = false;

void Free(Kept **at) {
  Kept *gone = *at;
  *at = gone->next;
  MemoryContextDelete(gone->context);
}

// Frees what is stale, and what was not used for longest, until the rest is within the limit.
void Trim() {
  Size bytes = 0;
  for (Kept **at = &kept; *at != nullptr;) {
    Kept *one = *at;
    if (one->borrower == nullptr) {
      bytes += one->reader->bytes();
      if (one->stale || bytes > ReaderCacheBytes()) {
        Free(at);
        continue;
      }
    }
    at = &one->next;
  }
}

void Forget(Datum, Oid table) {
  for (Kept *one = kept; one != nullptr; one = one->next) {
    if (table == InvalidOid || one->table == table || one->toast == table) one->stale = true;
  }
}

// No slot lives longer than its transaction; one that an error has left behind gives nothing back.
void EndLoans(XactEvent event, void *) {
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE &&
      event != XACT_EVENT_PARALLEL_COMMIT && event != XACT_EVENT_PARALLEL_ABORT) {
    return;
  }
  if (kept == nullptr) return;
  for (Kept *one = kept; one != nullptr; one = one->next) one->borrower = nullptr;
  Trim();
}

// Makes a reader that can outlive the relation's cache entry.
Kept *Keep(Relation rel, const ChunkEntry &chunk) {
  if (!watching) {
    pg::WatchRelations(Forget);
    watching = true;
  }
  MemoryContext context =
      AllocSetContextCreate(CacheMemoryContext, "heliosdb kept chunk", ALLOCSET_DEFAULT_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(context);
  auto *one = static_cast<Kept *>(palloc0(sizeof(Kept)));
  one->context = context;
  one->table = RelationGetRelid(rel);
  one->toast = rel->rd_rel->reltoastrelid;
  one->blob = chunk.blob;
  one->reader = ChunkReader::Make(context, rel, CreateTupleDescCopyConstr(RelationGetDescr(rel)));
  one->reader->ExpectSparseReads();
  MemoryContextSwitchTo(caller);
  one->next = kept;
  kept = one;
  return one;
}

}  // namespace

Size ReaderCacheBytes() { return static_cast<Size>(limit_kilobytes) * kBytesPerKilobyte; }

ChunkReader *BorrowReader(Relation rel, const ChunkEntry &chunk, const void *borrower) {
  Kept *found = nullptr;
  for (Kept **at = &kept; *at != nullptr; at = &(*at)->next) {
    Kept *one = *at;
    if (one->blob != chunk.blob || one->toast != rel->rd_rel->reltoastrelid || one->stale ||
        one->borrower != nullptr) {
      continue;
    }
    *at = one->next;
    one->next = kept;
    kept = found = one;
    break;
  }
  if (found == nullptr) found = Keep(rel, chunk);
  found->borrower = borrower;
  found->reader->UseRelation(rel);
  found->reader->Open(chunk);
  return found->reader;
}

void ReturnReader(ChunkReader *reader, const void *borrower) {
  for (Kept *one = kept; one != nullptr; one = one->next) {
    if (one->reader != reader || one->borrower != borrower) continue;
    one->borrower = nullptr;
    Trim();
    return;
  }
}

void InitReaderCache() {
  pg::DefineInt(
      {.name = "heliosdb.chunk_cache",
       .meaning = "Memory of a session for columns of hybrid tables that single rows were "
                  "read from.",
       .flags = GUC_UNIT_KB},
      &limit_kilobytes, kDefaultKilobytes, 0, MAX_KILOBYTES, PGC_USERSET);
  RegisterXactCallback(EndLoans, nullptr);
}

}  // namespace helios::hybrid
