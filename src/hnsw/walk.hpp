// Search over the graph on disk: what scan, insert and vacuum share.
//
// A Walker holds one query prepared for an index and the state of one search; it lives in a memory
// context (pg::InContext), so that its vectors are freed whatever happens. Functions may ereport
// and may throw std::bad_alloc; callers run under pg::Enter.
#pragma once

#include "hnsw/model.hpp"
#include "hnsw/options.hpp"
#include "hnsw/page.hpp"

#include "hnsw/core/search.hpp"

#include <vector>

namespace helios::hnsw {

// An open index: its meta page as read, its space and its codecs.
struct IndexHandle {
  Relation rel;
  Meta meta;
  ItemSpace space;
  const Codec *codec[kFormats];  // null when unquantized (or untrained, for the own format)
  const Codec *copy_codec;       // scalar copies, null when there are none
  MemoryContext owner;
};

// Reads the meta page and opens the codecs, which stay valid until `owner` is reset.
void OpenIndex(Relation rel, MemoryContext owner, IndexHandle *handle);

// A node met by a search.
struct Hit {
  float distance;
  uint32 node;
  uint32 duplicate;  // next node with the same vector, kNoNode at the end
  uint32 head;       // first node of that chain: itself, unless it is a duplicate
  ItemPointerData tid;
};

class Walker {
 public:
  explicit Walker(IndexHandle *index) : index_(index) {}
  ~Walker() = default;
  Walker(const Walker &) = delete;
  Walker &operator=(const Walker &) = delete;

  // Sets the query of an unquantized index; the item must outlive the search. Null: everything is
  // at distance 0.
  void SetItem(const void *item);
  // Sets the query of a quantized index: float[dim] that must outlive the search. Null as above.
  void SetFloats(const float *query);

  // Starts a search at a level: descends greedily from the entry point; false when the graph is
  // empty.
  bool Begin(int level);
  // Continues with the ef nearest nodes not returned yet, nearest first; empty when the level is
  // exhausted. `keep_rest` remembers what is pushed out, so that another batch can follow.
  void NextBatch(int level, size_t ef, bool keep_rest, std::vector<Hit> *batch);
  // Makes a hit of the last batch available to the next one.
  void PutBack(const Hit &hit);
  // Starts the next lower level of an insertion from the nodes found so far.
  void Enter(const std::vector<Hit> &found);

  // Precise estimate by the scalar copy, or by the node's own code; false when the node has gone.
  bool Refine(const Hit &hit, Estimate *estimate);

  // Reads the tid and the next of a node in a chain of duplicates; false when the node left it.
  bool ReadDuplicate(uint32 node, uint32 head, Hit *hit);

  // Tells whether a live node's stored code is these bytes.
  bool HasCode(uint32 node, PageFormat format, const uint8 *code, uint32 bytes);

  size_t visited() const { return hits_.size(); }
  size_t MemoryBytes() const;
  // Unpins the page of the last read; call before returning to the executor.
  void Release();

  // Scores a node and reads its header; false when the slot is free or the payload is gone.
  bool Visit(uint32 id, Hit *hit, NodeState *state, int *level);
  // Copies a node's links on a level (room for 2m); returns their number, 0 when the node has gone.
  int ReadLinks(uint32 id, int level, uint32 *links);

 private:
  float Score(PageFormat format, const uint8 *code) const;
  bool Readable(PageFormat format) const;
  void TakeUpModel(BlockNumber block);
  Node *LockReadable(uint32 id, Buffer *buffer, Page *page);
  const uint8 *Payload(const Node *node, uint32 bytes);
  Page Pin(uint32 id, Buffer *buffer);
  int Prefetch(int count);

  IndexHandle *index_;
  const void *item_ = nullptr;
  const float *floats_ = nullptr;
  bool null_query_ = true;
  QueryScorer scorer_[kFormats];
  QueryScorer copy_scorer_;
  Buffer pinned_ = InvalidBuffer;
  BlockNumber pinned_block_ = InvalidBlockNumber;
  VisitedSet visited_;
  MinHeap frontier_;  // not expanded yet; ids index hits_
  MaxHeap nearest_;   // of the current batch
  MinHeap rest_;      // pushed out of earlier batches
  std::vector<Hit> hits_;
  std::vector<uint8_t> payload_;
  uint64 chain_steps_ = 0;  // duplicates read in this search
  uint32 links_[2 * kMaxM];
};

// Reads `bytes` of a payload chain into out while the page of block `held` is locked; false when an
// item is missing or the chain is shorter.
bool ReadPayload(Relation rel, BlockNumber held, ItemPointerData at, uint32 bytes, uint8_t *out);

}  // namespace helios::hnsw
