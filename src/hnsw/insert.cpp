// Insertion of one row: search for its neighbours, store the node, link back to it.
//
// Locks: the meta page's heavyweight page lock is held in share mode throughout (exclusive when the
// entry point may change), so that vacuum can wait for insertions that may still link to what it
// removes. Nothing but pages is locked after it.
#include "hnsw/insert.hpp"
#include "hnsw/am.hpp"
#include "hnsw/links.hpp"
#include "pg/memory.hpp"
#include "pg/pause.hpp"

#include <cmath>

extern "C" {
#include "common/pg_prng.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// Working memory of the insertions of one statement.
struct Inserter {
  explicit Inserter(MemoryContext row)
      : row_context(row), walker(&index), linker(&index, &walker) {}

  MemoryContext row_context;  // reset for every row
  IndexHandle index;
  Walker walker;
  Linker linker;
  std::vector<Hit> found;
  std::vector<Candidate> candidates;
  std::vector<uint32> links[kMaxGraphLevel + 1];
  std::vector<uint8_t> code;
  std::vector<uint8_t> copy;
  std::vector<float> scratch;
};

// The codes of a new row in the format that the index stores now.
struct Codes {
  PageFormat format;
  const uint8 *code;
  uint32 code_bytes;
};

// Draws a level with the geometric distribution of the paper, section 4.1.
int RandomLevel(uint32 m) {
  const double level =
      -std::log(1.0 - pg_prng_double(&pg_global_prng_state)) / std::log(static_cast<double>(m));
  return std::min(static_cast<int>(level), std::min<int>(Graph::MaxLevel(m), kMaxGraphLevel));
}

Codes Encode(Inserter *inserter, const void *item, uint32 item_bytes, const float *floats) {
  const IndexHandle &index = inserter->index;
  if (index.meta.quantization == Quantization::kNone)
    return {kOwnFormat, static_cast<const uint8 *>(item), item_bytes};
  const PageFormat format = index.meta.trained ? kOwnFormat : kFallbackFormat;
  const Codec *codec = index.codec[format];
  inserter->code.resize(codec->code_bytes());
  inserter->scratch.resize(codec->scratch_floats());
  codec->Encode(floats, inserter->code.data(), inserter->scratch.data());
  if (index.copy_codec != nullptr && format == kOwnFormat) {
    inserter->copy.resize(index.copy_codec->code_bytes());
    inserter->scratch.resize(index.copy_codec->scratch_floats());
    index.copy_codec->Encode(floats, inserter->copy.data(), inserter->scratch.data());
  }
  return {format, inserter->code.data(), static_cast<uint32>(inserter->code.size())};
}

// Chains the row to a node with the same code, so that equal vectors cost no links.
bool StoreAsDuplicate(Inserter *inserter, const Codes &codes, ItemPointerData tid) {
  for (const Hit &hit : inserter->found) {
    if (hit.distance > inserter->found[0].distance) break;
    if (!inserter->walker.HasCode(hit.node, codes.format, codes.code, codes.code_bytes)) continue;
    NewNode node{};
    node.tid = tid;
    node.state = NodeState::kDuplicate;
    node.format = codes.format;
    node.code = codes.code;
    node.code_bytes = codes.code_bytes;
    if (!inserter->copy.empty()) {
      node.copy = inserter->copy.data();
      node.copy_bytes = static_cast<uint32>(inserter->copy.size());
    }
    node.head = hit.node;
    node.links[0] = &node.head;
    const uint32 id = StoreNode(inserter->index, node);
    if (ChainDuplicate(inserter->index, hit.node, id)) return true;
    // Vacuum took the node meanwhile: the duplicate is unreachable and vacuum frees it in its turn.
  }
  return false;
}

// Inserts a detoasted value under a page lock that is held; false, with nothing done, when the row
// must become the entry point and the lock is shared. Draws the level when it is negative.
bool InsertLocked(Inserter *inserter, Relation rel, Datum value, ItemPointerData tid,
                  bool exclusive, int *drawn_level) {
  IndexHandle &index = inserter->index;
  OpenIndex(rel, inserter->row_context, &index);
  if (*drawn_level < 0) *drawn_level = RandomLevel(index.meta.m);
  const int level = *drawn_level;
  bool becomes_entry = index.meta.entry == kNoNode || level > index.meta.entry_level;
  if (becomes_entry && !exclusive) return false;
  const void *item = nullptr;
  float *floats = nullptr;
  uint32 item_bytes = 0;
  bool usable = true;
  if (index.meta.quantization == Quantization::kNone) {
    item = MakeItem(index.space, value, &item_bytes);
    usable = item != nullptr;
    inserter->walker.SetItem(item);
  } else {
    floats = static_cast<float *>(palloc(index.meta.dim * sizeof(float)));
    usable = MakeFloats(index.space, value, floats);
    inserter->walker.SetFloats(floats);
  }
  if (usable) {
    const Codes codes = Encode(inserter, item, item_bytes, floats);
    for (auto &list : inserter->links) list.clear();
    bool duplicate = false;
    const int top = std::min<int>(level, index.meta.entry_level);
    if (inserter->walker.Begin(top)) {
      for (int at = top; at >= 0 && !duplicate; at--) {
        if (at != top) inserter->walker.Enter(inserter->found);
        inserter->walker.NextBatch(at, index.meta.ef_construction, false, &inserter->found);
        inserter->walker.Release();
        if (at == 0) duplicate = StoreAsDuplicate(inserter, codes, tid);
        inserter->candidates.clear();
        for (const Hit &hit : inserter->found)
          inserter->candidates.push_back({hit.distance, hit.node});
        if (!duplicate)
          inserter->linker.Choose(inserter->candidates, NewDegree(index.meta.m, at),
                                  &inserter->links[at]);
      }
    }
    if (!duplicate) {
      // The graph has only dead nodes, from which no walk would find this one.
      becomes_entry = becomes_entry || inserter->links[0].empty();
      if (becomes_entry && !exclusive) return false;
      NewNode node{};
      node.tid = tid;
      node.state = NodeState::kLive;
      node.level = level;
      node.format = codes.format;
      node.code = codes.code;
      node.code_bytes = codes.code_bytes;
      if (!inserter->copy.empty() && codes.format == kOwnFormat) {
        node.copy = inserter->copy.data();
        node.copy_bytes = static_cast<uint32>(inserter->copy.size());
      }
      for (int at = 0; at <= level; at++) {
        node.links[at] = inserter->links[at].data();
        node.counts[at] = static_cast<int>(inserter->links[at].size());
      }
      const uint32 id = StoreNode(index, node);
      pg::Pause("hnsw-insert-stored");
      for (int at = std::min<int>(level, top); at >= 0; at--) {
        for (uint32 neighbour : inserter->links[at]) inserter->linker.AddLink(neighbour, at, id);
      }
      inserter->walker.Release();
      pg::Pause("hnsw-insert-linked");
      if (becomes_entry) SetEntry(index, id, level, inserter->links[0].empty());
    }
  }
  return true;
}

void InsertRow(Inserter *inserter, Relation rel, Datum value, ItemPointerData tid) {
  MemoryContextReset(inserter->row_context);
  MemoryContext outer = MemoryContextSwitchTo(inserter->row_context);
  value = PointerGetDatum(PG_DETOAST_DATUM(value));
  int level = -1;
  bool done = false;
  for (const LOCKMODE lock : {ShareLock, ExclusiveLock}) {
    if (done) break;
    LockPage(rel, kMetaBlock, lock);
    done = InsertLocked(inserter, rel, value, tid, lock == ExclusiveLock, &level);
    inserter->walker.Release();
    inserter->linker.ForgetAll();
    UnlockPage(rel, kMetaBlock, lock);
  }
  MemoryContextSwitchTo(outer);
}

}  // namespace

void *MakeInserter(MemoryContext context) {
  MemoryContext row = AllocSetContextCreate(context, "hnsw insert row", ALLOCSET_DEFAULT_SIZES);
  return pg::Enter([&] { return pg::InContext<Inserter>(context, row); });
}

void InsertValue(void *inserter, Relation index, Datum value, ItemPointerData tid) {
  pg::Enter([&] { InsertRow(static_cast<Inserter *>(inserter), index, value, tid); });
}

bool Insert(Relation index, Datum *values, bool *nulls, ItemPointer tid, Relation heap,
            IndexUniqueCheck unique, bool unchanged, IndexInfo *info) {
  (void)heap;
  (void)unique;
  (void)unchanged;
  if (nulls[0]) return false;
  if (info->ii_AmCache == nullptr) info->ii_AmCache = MakeInserter(info->ii_Context);
  InsertValue(info->ii_AmCache, index, values[0], *tid);
  return false;
}

}  // namespace helios::hnsw
