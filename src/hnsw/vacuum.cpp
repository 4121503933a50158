// Removal of dead rows, in passes over the node pages while readers and writers go on:
//
//   mark     rows gone from the table lose their tid; nodes left without any row become dead
//   chains   dead duplicates are unlinked from their chains
//   entry    a dead entry point is replaced;  wait: insertions that may still link to dead nodes finish
//   repair   live nodes with dead neighbours get new ones
//   free     dead slots become free
//
// A crash between passes leaves dead nodes, which scans walk through and the next vacuum takes up
// again.
#include "hnsw/am.hpp"
#include "hnsw/links.hpp"
#include "hnsw/train.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/pause.hpp"

extern "C" {
#include "access/generic_xlog.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// One bit for each node id of the index.
class NodeBitmap {
 public:
  void Add(uint32 id) {
    if (id / 64 >= words_.size()) words_.resize(id / 64 + 1);
    if (!Has(id)) count_++;
    words_[id / 64] |= uint64{1} << (id % 64);
  }
  bool Has(uint32 id) const {
    return id / 64 < words_.size() && (words_[id / 64] >> (id % 64) & 1) != 0;
  }
  size_t count() const { return count_; }

 private:
  std::vector<uint64> words_;
  size_t count_ = 0;
};

struct Vacuum {
  Vacuum(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
      : info(info), stats(stats), walker(&index), linker(&index, &walker) {}

  IndexVacuumInfo *info;
  IndexBulkDeleteResult *stats;
  IndexHandle index;
  Walker walker;
  Linker linker;
  NodeBitmap dead;             // nodes of the graph
  NodeBitmap dead_duplicates;  // members of chains
  uint32 best_live = kNoNode;  // of the highest level
  int best_level = -1;
  std::vector<uint32> work;                     // nodes of one page that need attention
  std::vector<std::pair<uint32, int>> repairs;  // id and level of such nodes
  std::vector<Hit> found;
  std::vector<Candidate> candidates;
  std::vector<uint32> chosen;
};

// Calls visit(buffer, page, block) on every node page, share-locked.
template <bool kDelay = true, typename Visit>
void EachNodePage(Vacuum *vacuum, Visit &&visit) {
  Relation rel = vacuum->index.rel;
  const BlockNumber blocks = RelationGetNumberOfBlocks(rel);
  for (BlockNumber block = kMetaBlock + 1; block < blocks; block++) {
    if constexpr (kDelay) {
      pg::VacuumDelay();
    } else {
      CHECK_FOR_INTERRUPTS();  // others wait for the caller's lock
    }
    Buffer buffer =
        ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, vacuum->info->strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const bool node_page =
        !PageIsNew(page) && PageGetSpecialSize(page) == MAXALIGN(sizeof(PageTrailer)) &&
        Trailer(page)->magic == kPageMagic && Trailer(page)->kind == PageKind::kNode;
    if (node_page) {
      for (uint32 slot = 0; slot < Trailer(page)->used; slot++)
        (void)CheckedNode(rel, vacuum->index.meta, buffer, page, slot);
      visit(buffer, page, block);
    }
    UnlockReleaseBuffer(buffer);
  }
}

// Applies edit(Node *) to the chosen slots of a page as one WAL record.
template <typename Edit>
void EditNodes(Relation rel, BlockNumber block, const uint32 *slots, size_t count, Edit &&edit) {
  Buffer buffer = ReadBuffer(rel, block);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  GenericXLogState *state = GenericXLogStart(rel);
  Page page = GenericXLogRegisterBuffer(state, buffer, 0);
  for (size_t i = 0; i < count; i++) edit(page, NodeAt(page, slots[i]));
  GenericXLogFinish(state);
  UnlockReleaseBuffer(buffer);
}

bool HasRow(const Node *node) { return ItemPointerIsValid(&node->tid); }

// Marks what the table no longer has; also takes up what an interrupted vacuum left dead.
void Mark(Vacuum *vacuum, IndexBulkDeleteCallback callback, void *state) {
  const Meta &meta = vacuum->index.meta;
  double removed = 0;
  double remaining = 0;
  std::vector<uint32> &slots = vacuum->work;
  EachNodePage(vacuum, [&](Buffer buffer, Page page, BlockNumber block) {
    slots.clear();
    for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
      const Node *node = NodeAt(page, slot);
      if (node->state == NodeState::kFree) continue;
      if (node->state != NodeState::kDead && HasRow(node)) {
        ItemPointerData tid = node->tid;
        if (callback(&tid, state)) {
          slots.push_back(slot);
        } else {
          remaining++;
        }
      } else if (node->state == NodeState::kDead) {
        vacuum->dead.Add(NodeId(meta, block, slot));
        vacuum->dead_duplicates.Add(NodeId(meta, block, slot));
      }
    }
    removed += slots.size();
    if (!slots.empty()) {
      LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
      EditNodes(vacuum->index.rel, block, slots.data(), slots.size(), [](Page, Node *node) {
        ItemPointerSetInvalid(&node->tid);
        const bool keeps_rows = node->state == NodeState::kLive && node->duplicate != kNoNode;
        if (!keeps_rows) node->state = NodeState::kDead;
      });
      LockBuffer(buffer, BUFFER_LOCK_SHARE);
    }
    for (uint32 slot : slots) {
      if (NodeAt(page, slot)->state != NodeState::kDead) continue;
      vacuum->dead.Add(NodeId(meta, block, slot));
      vacuum->dead_duplicates.Add(NodeId(meta, block, slot));
    }
    for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
      const Node *node = NodeAt(page, slot);
      if (node->state != NodeState::kLive || node->level <= vacuum->best_level) continue;
      vacuum->best_level = node->level;
      vacuum->best_live = NodeId(meta, block, slot);
    }
  });
  vacuum->stats->tuples_removed += removed;
  vacuum->stats->num_index_tuples = remaining;
}

// Unlinks dead members from the chain of one node and marks the node dead when it has no row left.
void CleanChain(Vacuum *vacuum, uint32 head) {
  Relation rel = vacuum->index.rel;
  const Meta &meta = vacuum->index.meta;
  uint32 before = head;
  Hit member{};
  for (;;) {
    pg::VacuumDelay();
    Buffer buffer = ReadBuffer(rel, NodeBlock(meta, before));
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const Node *node =
        CheckedNode(rel, meta, buffer, BufferGetPage(buffer), NodeSlot(meta, before));
    const uint32 next = node == nullptr ? kNoNode : node->duplicate;
    UnlockReleaseBuffer(buffer);
    if (next == kNoNode || !vacuum->walker.ReadDuplicate(next, head, &member)) break;
    if (!vacuum->dead_duplicates.Has(next)) {
      before = next;
      continue;
    }
    // A concurrent insertion can only push at the head: then the successor is no longer `next`.
    const uint32 slot = NodeSlot(meta, before);
    EditNodes(rel, NodeBlock(meta, before), &slot, 1, [&](Page, Node *stored) {
      if (stored->duplicate == next) stored->duplicate = member.duplicate;
    });
  }
  vacuum->walker.Release();
  const uint32 head_slot = NodeSlot(meta, head);
  EditNodes(rel, NodeBlock(meta, head), &head_slot, 1, [&](Page, Node *stored) {
    if (HasRow(stored) || stored->duplicate != kNoNode || stored->state != NodeState::kLive) return;
    stored->state = NodeState::kDead;
    vacuum->dead.Add(head);
  });
}

void CleanChains(Vacuum *vacuum) {
  EachNodePage(vacuum, [&](Buffer buffer, Page page, BlockNumber block) {
    std::vector<uint32> &heads = vacuum->work;
    heads.clear();
    for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
      const Node *node = NodeAt(page, slot);
      if (node->state == NodeState::kLive && (node->duplicate != kNoNode || !HasRow(node))) {
        heads.push_back(NodeId(vacuum->index.meta, block, slot));
      }
    }
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    for (uint32 head : heads) CleanChain(vacuum, head);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
  });
}

// Replaces a dead entry point; the exclusive page lock also waits for every insertion in flight.
void ReplaceEntry(Vacuum *vacuum) {
  Relation rel = vacuum->index.rel;
  LockPage(rel, kMetaBlock, ExclusiveLock);
  ReadMeta(rel, &vacuum->index.meta);
  const uint32 entry = vacuum->index.meta.entry;
  if (entry != kNoNode && vacuum->dead.Has(entry)) {
    const bool best_lives = vacuum->best_live != kNoNode && !vacuum->dead.Has(vacuum->best_live);
    uint32 replacement = best_lives ? vacuum->best_live : kNoNode;
    int level = best_lives ? vacuum->best_level : 0;
    if (!best_lives) {
      EachNodePage<false>(vacuum, [&](Buffer, Page page, BlockNumber block) {
        for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
          const Node *node = NodeAt(page, slot);
          if (node->state != NodeState::kLive || (replacement != kNoNode && node->level <= level))
            continue;
          replacement = NodeId(vacuum->index.meta, block, slot);
          level = node->level;
        }
      });
    }
    SetEntry(vacuum->index, replacement, level, true);
    vacuum->index.meta.entry = replacement;
    vacuum->index.meta.entry_level = level;
  }
  UnlockPage(rel, kMetaBlock, ExclusiveLock);
}

// Searches the graph for new neighbours of a node whose surroundings all died.
void SearchLinks(Vacuum *vacuum, uint32 node, int level) {
  const Meta &meta = vacuum->index.meta;
  const void *value = vacuum->linker.QueryValue(node);
  if (value == nullptr) return;
  if (meta.quantization == Quantization::kNone) {
    vacuum->walker.SetItem(value);
  } else {
    vacuum->walker.SetFloats(static_cast<const float *>(value));
  }
  if (meta.entry_level < level || !vacuum->walker.Begin(level)) return;
  vacuum->walker.NextBatch(level, meta.ef_construction, false, &vacuum->found);
  vacuum->candidates.clear();
  for (const Hit &hit : vacuum->found) {
    if (hit.node != node) vacuum->candidates.push_back({hit.distance, hit.node});
  }
  vacuum->linker.Choose(vacuum->candidates, level == 0 ? 2 * meta.m : meta.m, &vacuum->chosen);
  uint32 links[2 * kMaxM];
  int count;
  do {
    CHECK_FOR_INTERRUPTS();
    count = vacuum->walker.ReadLinks(node, level, links);
  } while (!ReplaceLinks(vacuum->index, node, level, links, count, vacuum->chosen.data(),
                         static_cast<int>(vacuum->chosen.size())));
  for (uint32 neighbour : vacuum->chosen) vacuum->linker.AddLink(neighbour, level, node);
}

void RepairNode(Vacuum *vacuum, uint32 id, int top) {
  const Meta &meta = vacuum->index.meta;
  for (int level = top; level >= 0; level--) {
    const Repaired repaired =
        vacuum->linker.Repair(id, level, [&](uint32 link) { return vacuum->dead.Has(link); });
    // Where much died at once, what is left nearby is no longer what is nearest.
    if (repaired.dead > 0 && (2 * repaired.dead >= repaired.links || repaired.kept < meta.m / 2))
      SearchLinks(vacuum, id, level);
  }
  vacuum->linker.Forget();
}

// Upper levels are always looked at: their links lie on other pages and are few.
void Repair(Vacuum *vacuum) {
  EachNodePage(vacuum, [&](Buffer buffer, Page page, BlockNumber block) {
    vacuum->repairs.clear();
    for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
      Node *node = NodeAt(page, slot);
      if (node->state != NodeState::kLive) continue;
      bool wanted = node->level > 0;
      for (int i = 0; i < node->count && !wanted; i++) wanted = vacuum->dead.Has(LinksOf(node)[i]);
      if (wanted)
        vacuum->repairs.emplace_back(NodeId(vacuum->index.meta, block, slot), node->level);
    }
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    for (const auto &[id, level] : vacuum->repairs) {
      pg::VacuumDelay();
      RepairNode(vacuum, id, level);
    }
    vacuum->walker.Release();
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
  });
}

void FreeDead(Vacuum *vacuum) {
  Relation rel = vacuum->index.rel;
  std::vector<uint32> &slots = vacuum->work;
  EachNodePage(vacuum, [&](Buffer buffer, Page page, BlockNumber block) {
    slots.clear();
    for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
      const uint32 id = NodeId(vacuum->index.meta, block, slot);
      if (NodeAt(page, slot)->state == NodeState::kDead &&
          (vacuum->dead.Has(id) || vacuum->dead_duplicates.Has(id))) {
        slots.push_back(slot);
      }
    }
    if (slots.empty()) return;
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    EditNodes(rel, block, slots.data(), slots.size(), [](Page edited, Node *node) {
      // The successor stays: a scan that stands before this member of a chain goes on from there.
      node->state = NodeState::kFree;
      node->count = 0;
      Trailer(edited)->free++;
    });
    RecordFreeIndexPage(rel, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
  });
}

}  // namespace

IndexBulkDeleteResult *BulkDelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
                                  IndexBulkDeleteCallback callback, void *state) {
  if (stats == nullptr)
    stats = static_cast<IndexBulkDeleteResult *>(palloc0(sizeof(IndexBulkDeleteResult)));
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum", ALLOCSET_DEFAULT_SIZES);
  pg::Enter([&] {
    Vacuum *vacuum = pg::InContext<Vacuum>(context, info, stats);
    OpenIndex(info->index, context, &vacuum->index);
    Mark(vacuum, callback, state);
    pg::Pause("hnsw-vacuum-marked");
    if (vacuum->dead_duplicates.count() > 0) CleanChains(vacuum);
    if (vacuum->dead.count() > 0) {
      ReplaceEntry(vacuum);
      Repair(vacuum);
      pg::Pause("hnsw-vacuum-repaired");
      FreeDead(vacuum);
    }
  });
  MemoryContextDelete(context);
  return stats;
}

IndexBulkDeleteResult *VacuumCleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats) {
  if (info->analyze_only) return stats;
  if (stats == nullptr) {
    stats = static_cast<IndexBulkDeleteResult *>(palloc0(sizeof(IndexBulkDeleteResult)));
    stats->num_index_tuples = info->num_heap_tuples;
    stats->estimated_count = true;
  }
  TrainFromIndex(info->index, info->strategy);
  IndexFreeSpaceMapVacuum(info->index);
  stats->num_pages = RelationGetNumberOfBlocks(info->index);
  return stats;
}

}  // namespace helios::hnsw
