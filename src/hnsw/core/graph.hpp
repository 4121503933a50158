// An HNSW graph inside one memory region (Malkov and Yashunin 2016, Algorithms 1 to 4). The region
// holds only offsets and ids, so several processes may map it at different addresses and add to it
// at once: readers never wait, a writer waits only for the few stores of another to the same node,
// and between those stores nothing is thrown or called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hnsw/core/search.hpp"

namespace helios::hnsw {

inline constexpr uint32_t kNone = UINT32_MAX;       // no such item
inline constexpr int kMaxLevelEver = 16;            // top level whatever m is
inline constexpr size_t kMaxUpperLinkBytes = 7500;  // ids above level 0 of one item, 4 bytes each

struct GraphSpec {
  uint32_t m;                // links of an item per level, 2..100; twice that on level 0
  uint32_t ef_construction;  // width of the search for neighbours, >= 1
  uint32_t item_bytes;       // size of every item; 0 when sizes vary
  uint64_t seed;             // of the levels
};

// How far apart two items are; the smaller the nearer. Must not throw, and must depend on the bytes
// of the items alone. Items in a graph are aligned to 64 bytes when the region is.
struct Space {
  float (*distance)(const void* ctx, const void* a, const void* b);
  const void* ctx;
};

// Working memory of one participant, reused from call to call; soon stops growing, O(ef * m) bytes.
class Scratch {
 public:
  size_t MemoryBytes() const;

 private:
  friend class Graph;
  struct Links {
    std::vector<Candidate> chosen;
    uint32_t judged;
  };
  void Reserve(const GraphSpec& spec);

  VisitedSet visited_;
  MinHeap open_;
  MaxHeap nearest_;
  std::vector<uint32_t> fresh_;    // unvisited neighbours of the item being expanded
  std::vector<Candidate> sorted_;  // candidates of a choice, nearest first
  std::vector<uint8_t> standing_;  // what the last choice made of each of them
  std::vector<uint32_t> chosen_;   // positions in sorted_
  std::array<Links, kMaxLevelEver + 1> links_;  // of the item being added, by level
};

// A handle: copy it freely, the region is the caller's and must be 8-byte (better 64) aligned.
// Precondition of every accessor: id < size().
class Graph {
 public:
  enum class AddResult { kAdded, kDuplicate, kFull };

  // Bytes that take `items` fixed-size items (but for odds below 1e-12), and its inverse.
  static size_t RegionBytes(const GraphSpec& spec, size_t items);
  static size_t Capacity(const GraphSpec& spec, size_t region_bytes);
  static int MaxLevel(uint32_t m);
  static size_t MaxDegree(uint32_t m, int level) { return level == 0 ? 2 * size_t{m} : m; }

  // Makes an empty graph; bytes >= RegionBytes(spec, 0), at most 256 GiB of it are used.
  static Graph Format(void* region, size_t bytes, const GraphSpec& spec);
  static Graph Attach(void* region);

  // Copies an item in and links it; `bytes` must be spec.item_bytes unless that is 0, tid is
  // opaque. An item whose bytes equal those of one among its nearest is chained to that one: it
  // gets an id and a tid but no links and no search finds it. Ids are dense from 0. kFull changes
  // nothing. Equal items added at the same moment may both be linked. May throw std::bad_alloc and
  // leaves a sound graph then, nearly always without the item.
  AddResult Add(const void* item, size_t bytes, uint64_t tid, const Space& space,
                Scratch* scratch, uint32_t* id);

  // The ef nearest linked items, nearest first (Algorithm 5 without the cut to k).
  void Search(const void* query, size_t ef, const Space& space, Scratch* scratch,
              std::vector<Candidate>* found) const;

  GraphSpec spec() const;
  uint32_t size() const;
  size_t used_bytes() const;
  uint32_t entry() const;  // kNone when empty
  int level(uint32_t id) const;
  uint64_t tid(uint32_t id) const;
  const void* item(uint32_t id) const;  // of a duplicate: that of the item it is chained to
  size_t item_size(uint32_t id) const;
  uint32_t duplicate_of(uint32_t id) const;    // kNone when linked itself
  uint32_t next_duplicate(uint32_t id) const;  // kNone at the end; start at the linked item
  // Valid while nobody adds; level <= level(id); empty for a duplicate. In no promised order.
  std::span<const uint32_t> links(uint32_t id, int level) const;

 private:
  class Body;
  explicit Graph(void* region) : base_(static_cast<char*>(region)) {}
  char* base_;
};

}  // namespace helios::hnsw
