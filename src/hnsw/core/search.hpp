// Building blocks of graph search, shared by the in-memory build and the walk over disk pages:
// candidates, their heaps, the set of visited ids, and the choice of neighbours. Y. Malkov and
// D. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
// Navigable Small World graphs", 2016. Only growth allocates, so it may throw std::bad_alloc.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

namespace helios::hnsw {

// An item met by a search; distance is in the units of the space, id is the caller's.
struct Candidate {
  float distance;
  uint32_t id;
};

// Orders by distance, then id; a NaN distance comes after every number, so the order is total.
inline bool operator<(const Candidate& a, const Candidate& b) {
  if (a.distance < b.distance) return true;
  if (b.distance < a.distance) return false;
  if (std::isnan(a.distance) != std::isnan(b.distance)) return std::isnan(b.distance);
  return a.id < b.id;
}
inline bool operator>(const Candidate& a, const Candidate& b) { return b < a; }

// A binary heap of candidates; Clear keeps the storage. Top and Pop need a non-empty heap.
template <class Compare>
class CandidateHeap {
 public:
  void Reserve(size_t count) { items_.reserve(count); }
  void Push(Candidate candidate) {
    items_.push_back(candidate);
    std::push_heap(items_.begin(), items_.end(), Compare());
  }
  void Pop() {
    std::pop_heap(items_.begin(), items_.end(), Compare());
    items_.pop_back();
  }
  const Candidate& Top() const { return items_.front(); }
  size_t Size() const { return items_.size(); }
  bool Empty() const { return items_.empty(); }
  void Clear() { items_.clear(); }
  const std::vector<Candidate>& Items() const { return items_; }  // in heap order

 private:
  std::vector<Candidate> items_;
};

using MinHeap = CandidateHeap<std::greater<Candidate>>;  // Top is the nearest
using MaxHeap = CandidateHeap<std::less<Candidate>>;     // Top is the farthest

// A set of non-zero 32-bit ids: open addressing, at most half full, emptied in O(1) by starting a
// new epoch. Its memory follows the largest number of ids it held at once: 16 to 32 bytes each.
class VisitedSet {
 public:
  VisitedSet() : slots_(kFirstSlots) {}

  // Adds `id` and says whether it was new. May throw std::bad_alloc, leaving the set as it was.
  bool Insert(uint32_t id) {
    if (count_ * 2 >= slots_.size()) Grow();
    if (!Place(id)) return false;
    ++count_;
    return true;
  }

  // Forgets every id and keeps the storage.
  void Clear() {
    count_ = 0;
    if (++epoch_ != 0) return;
    std::fill(slots_.begin(), slots_.end(), uint64_t{0});
    epoch_ = 1;
  }

  size_t Size() const { return count_; }
  size_t MemoryBytes() const { return slots_.capacity() * sizeof(uint64_t); }

 private:
  static constexpr size_t kFirstSlots = 4096;
  static constexpr uint32_t kGoldenRatio = 0x9E3779B1;  // 2^32 / phi, Knuth 6.4

  // A slot is epoch << 32 | id; one of another epoch is free.
  bool Place(uint32_t id) {
    const uint64_t wanted = uint64_t{epoch_} << 32 | id;
    const size_t mask = slots_.size() - 1;
    for (size_t at = (id * kGoldenRatio) >> shift_;; at = (at + 1) & mask) {
      if (slots_[at] == wanted) return false;
      if (slots_[at] >> 32 != epoch_) {
        slots_[at] = wanted;
        return true;
      }
    }
  }

  void Grow() {
    std::vector<uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    for (uint64_t slot : old) {
      if (slot >> 32 == epoch_) Place(static_cast<uint32_t>(slot));
    }
  }

  std::vector<uint64_t> slots_;
  size_t count_ = 0;
  uint32_t epoch_ = 1;
  int shift_ = 20;  // 32 - log2(slots)
};

// Links that a new item gets on a level: m; on level 0, where lists hold 2m, half as many more when m
// is small. 2m at m = 16 was measured to cost a quarter more time for no better recall at equal work,
// and lists that start full (2m at m = 2) lose items.
inline size_t NewDegree(uint32_t m, int level) {
  constexpr uint32_t kEnough = 16;
  return level == 0 ? std::max(m, std::min(m + m / 2, kEnough)) : m;
}

// Algorithm 4 without extendCandidates and with keepPrunedConnections. A candidate is taken when it
// is nearer to the base than to every one taken before; places left over go to the nearest of the
// others. `nearest_first` is sorted and its distances are to the base; pair(i, j) is the distance
// between the candidates at two positions. *chosen gets at most `limit` positions: the taken ones,
// then the refilled ones, each nearest first; returns how many were taken. When everything fits,
// all positions are chosen in order, pair is never called and all count as taken.
template <class PairDistance>
size_t SelectNeighbors(const std::vector<Candidate>& nearest_first, size_t limit,
                       PairDistance&& pair, std::vector<uint32_t>* chosen) {
  const size_t count = nearest_first.size();
  chosen->resize(count);
  uint32_t* out = chosen->data();
  if (count <= limit) {
    std::iota(out, out + count, uint32_t{0});
    return count;
  }
  // The taken grow from the front of the output, the pruned from its back.
  size_t taken = 0;
  size_t pruned = 0;
  for (uint32_t i = 0; i < count && taken < limit; ++i) {
    bool keep = true;
    for (size_t j = 0; j < taken && keep; ++j) {
      keep = nearest_first[i].distance < pair(i, out[j]);
    }
    if (keep) {
      out[taken++] = i;
    } else {
      out[count - ++pruned] = i;
    }
  }
  std::reverse(out + count - pruned, out + count);
  const size_t refilled = std::min(limit - taken, pruned);
  std::copy(out + count - pruned, out + count - pruned + refilled, out + taken);
  chosen->resize(taken + refilled);
  return taken;
}

}  // namespace helios::hnsw
