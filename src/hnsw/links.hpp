// Choosing links between stored nodes: distances between the values that codes stand for.
//
// Unquantized nodes are compared by their items, quantized ones by their decoded codes (the scalar
// copy when there is one), as floats. A Linker lives in a memory context like a Walker; values are
// cached until Forget().
#pragma once

#include "hnsw/store.hpp"
#include "hnsw/walk.hpp"

#include <memory>
#include <unordered_map>
#include <vector>

namespace helios::hnsw {

// The links of a node before and after a repair.
struct Repaired {
  int links;
  int dead;
  int kept;
};

class Linker {
 public:
  Linker(const IndexHandle *index, Walker *walker) : index_(index), walker_(walker) {}
  Linker(const Linker &) = delete;
  Linker &operator=(const Linker &) = delete;

  // Value of a live node; null when it is dead, free or gone. Valid until Forget().
  const void *Value(uint32 node);
  // The node's value as a query for a search: an item, or float[dim]; null as above. Valid until
  // the next call.
  const void *QueryValue(uint32 node);
  // Distance between two values.
  float Distance(const void *a, const void *b) const;

  // Chooses at most `limit` of the candidates (distances to the base, nearest first) by the
  // neighbour heuristic.
  void Choose(const std::vector<Candidate> &nearest_first, size_t limit,
              std::vector<uint32> *chosen);

  // Adds a link node -> target on a level, dropping the least useful one when the list is full.
  void AddLink(uint32 node, int level, uint32 target);

  // Rewrites the links of a node on a level without those `dead` names, with the neighbours of the
  // dead as candidates (FreshDiskANN, Singh et al. 2021, section 4.2). Tells what it met.
  template <typename IsDead>
  Repaired Repair(uint32 node, int level, IsDead &&dead);

  // Drops cached values beyond a few MiB.
  void Forget();
  void ForgetAll();

 private:
  struct Value_ {
    std::unique_ptr<uint8_t[]> bytes;  // null when the node is no candidate
  };
  size_t Limit(int level) const { return level == 0 ? 2 * index_->meta.m : index_->meta.m; }
  bool OneFormat() const;
  uint8_t *Load(uint32 node, bool coded);

  const IndexHandle *index_;
  Walker *walker_;
  std::unordered_map<uint32, Value_> values_;
  Value_ query_;
  size_t value_bytes_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<const void *> candidate_values_;
  std::vector<uint32_t> positions_;
  std::vector<uint32> chosen_;
  std::vector<float> scratch_;
  std::vector<uint8_t> code_;
};

template <typename IsDead>
Repaired Linker::Repair(uint32 node, int level, IsDead &&dead) {
  uint32 links[2 * kMaxM];
  uint32 beyond[2 * kMaxM];
  // An insertion may add a link meanwhile: then the choice is made again.
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    const int count = walker_->ReadLinks(node, level, links);
    int dead_links = 0;
    for (int i = 0; i < count; i++) dead_links += dead(links[i]);
    if (dead_links == 0) return {count, 0, count};
    const void *base = Value(node);
    candidates_.clear();
    auto consider = [&](uint32 id) {
      if (id == node || id == kNoNode || dead(id)) return;
      for (const Candidate &seen : candidates_) {
        if (seen.id == id) return;
      }
      const void *value = Value(id);
      if (value != nullptr)
        candidates_.push_back({base == nullptr ? 0 : Distance(base, value), id});
    };
    for (int i = 0; i < count; i++) {
      if (!dead(links[i])) {
        consider(links[i]);
        continue;
      }
      const int more = walker_->ReadLinks(links[i], level, beyond);
      for (int j = 0; j < more; j++) consider(beyond[j]);
    }
    std::sort(candidates_.begin(), candidates_.end());
    Choose(candidates_, Limit(level), &chosen_);
    if (!ReplaceLinks(*index_, node, level, links, count, chosen_.data(),
                      static_cast<int>(chosen_.size())))
      continue;
    return {count, dead_links, static_cast<int>(chosen_.size())};
  }
}

}  // namespace helios::hnsw
