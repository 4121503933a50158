// The graph against brute force, its invariants, and its behaviour at every limit.
#include "hnsw/core/graph.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace helios::hnsw {
namespace {

using Added = Graph::AddResult;

constexpr size_t kDim = 32;

float SquaredL2(const void*, const void* a, const void* b) {
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  float sum = 0;
  for (size_t i = 0; i < kDim; ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum;
}

float NegativeDot(const void*, const void* a, const void* b) {
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  float sum = 0;
  for (size_t i = 0; i < kDim; ++i) sum -= x[i] * y[i];
  return sum;
}

constexpr Space kL2{SquaredL2, nullptr};
constexpr Space kDot{NegativeDot, nullptr};

GraphSpec SpecOf(uint32_t m, uint32_t ef) {
  return {.m = m, .ef_construction = ef, .item_bytes = kDim * sizeof(float), .seed = 7};
}

// Points around `count` / 50 centres.
std::vector<float> Clustered(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(std::max<size_t>(count / 50, 1) * kDim);
  for (float& value : centres) value = 2 * normal(random);
  std::vector<float> points(count * kDim);
  for (size_t i = 0; i < count; ++i) {
    const float* centre = &centres[random() % (centres.size() / kDim) * kDim];
    for (size_t j = 0; j < kDim; ++j) points[i * kDim + j] = centre[j] + normal(random);
  }
  return points;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// A region of its own.
struct Region {
  explicit Region(size_t size)
      : bytes(size), memory(std::aligned_alloc(64, (size + 63) / 64 * 64)) {}
  size_t bytes;
  std::unique_ptr<void, Free> memory;
};

Region RegionFor(const GraphSpec& spec, size_t items) {
  return Region(Graph::RegionBytes(spec, items));
}

void AddAll(Graph graph, const std::vector<float>& points, size_t from, const Space& space,
            Scratch* scratch) {
  for (size_t i = from; i < points.size() / kDim; ++i) {
    uint32_t id = kNone;
    const Added result =
        graph.Add(&points[i * kDim], kDim * sizeof(float), i * 10, space, scratch, &id);
    ASSERT_EQ(result, Added::kAdded);
    ASSERT_EQ(id, i);
  }
}

double Recall(Graph graph, const std::vector<float>& points, const Space& space, size_t ef) {
  constexpr size_t kNearest = 10;
  constexpr size_t kQueries = 100;
  const std::vector<float> queries = Clustered(kQueries, 99);
  Scratch scratch;
  std::vector<Candidate> found;
  size_t hits = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    // Between the data: halfway from one of the points to a point of another draw.
    float query[kDim];
    const float* near = &points[q * 17 % (points.size() / kDim) * kDim];
    for (size_t j = 0; j < kDim; ++j) query[j] = 0.7f * near[j] + 0.3f * queries[q * kDim + j];
    std::vector<Candidate> exact;
    for (uint32_t id = 0; id < graph.size(); ++id) {
      exact.push_back({space.distance(space.ctx, query, graph.item(id)), id});
    }
    std::partial_sort(exact.begin(), exact.begin() + kNearest, exact.end());
    graph.Search(query, ef, space, &scratch, &found);
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
    EXPECT_LE(found.size(), ef);
    std::set<uint32_t> returned;
    for (size_t i = 0; i < std::min(kNearest, found.size()); ++i) returned.insert(found[i].id);
    for (size_t i = 0; i < kNearest; ++i) hits += returned.count(exact[i].id);
  }
  return static_cast<double>(hits) / (kNearest * kQueries);
}

// Checks every list and returns the share of linked items reachable from the entry on level 0.
double CheckLists(Graph graph) {
  const uint32_t m = graph.spec().m;
  size_t linked = 0;
  for (uint32_t id = 0; id < graph.size(); ++id) {
    if (graph.duplicate_of(id) != kNone) {
      EXPECT_TRUE(graph.links(id, 0).empty());
      continue;
    }
    ++linked;
    EXPECT_LE(graph.level(id), Graph::MaxLevel(m));
    EXPECT_LE(graph.level(id), graph.level(graph.entry()));
    for (int level = 0; level <= graph.level(id); ++level) {
      const auto links = graph.links(id, level);
      EXPECT_LE(links.size(), Graph::MaxDegree(m, level));
      const std::set<uint32_t> distinct(links.begin(), links.end());
      EXPECT_EQ(distinct.size(), links.size());
      EXPECT_EQ(distinct.count(id), 0u);
      for (uint32_t other : links) {
        EXPECT_LT(other, graph.size());
        EXPECT_GE(graph.level(other), level);
        EXPECT_EQ(graph.duplicate_of(other), kNone);
      }
    }
  }
  std::vector<bool> seen(graph.size());
  std::vector<uint32_t> stack = {graph.entry()};
  seen[graph.entry()] = true;
  size_t reached = 0;
  while (!stack.empty()) {
    const uint32_t id = stack.back();
    stack.pop_back();
    ++reached;
    for (uint32_t other : graph.links(id, 0)) {
      if (!seen[other]) stack.push_back(other);
      seen[other] = true;
    }
  }
  return static_cast<double>(reached) / static_cast<double>(linked);
}

TEST(GraphTest, FindsTheNearest) {
  const std::vector<float> points = Clustered(5000, 1);
  for (const Space& space : {kL2, kDot}) {
    const GraphSpec spec = SpecOf(16, 64);
    const Region region = RegionFor(spec, 5000);
    Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
    Scratch scratch;
    AddAll(graph, points, 0, space, &scratch);
    ASSERT_EQ(graph.size(), 5000u);
    EXPECT_GE(Recall(graph, points, space, 64), space.distance == SquaredL2 ? 0.97 : 0.9);
    EXPECT_GE(CheckLists(graph), space.distance == SquaredL2 ? 0.999 : 0.9);
    for (uint32_t id = 0; id < graph.size(); id += 97) {
      EXPECT_EQ(std::memcmp(graph.item(id), &points[id * kDim], kDim * sizeof(float)), 0);
      EXPECT_EQ(graph.item_size(id), kDim * sizeof(float));
      EXPECT_EQ(graph.tid(id), id * 10u);
    }
    EXPECT_LE(graph.used_bytes(), region.bytes);
    EXPECT_LT(scratch.MemoryBytes(), 100000u);
  }
}

TEST(GraphTest, KeepsItsInvariantsForEveryM) {
  for (uint32_t m : {2u, 3u, 5u, 16u, 48u, 100u}) {
    const std::vector<float> points = Clustered(600, m);
    const GraphSpec spec = SpecOf(m, std::max(2 * m, 32u));
    const Region region = RegionFor(spec, 600);
    Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
    Scratch scratch;
    AddAll(graph, points, 0, kL2, &scratch);
    EXPECT_GE(CheckLists(graph), m < 5 ? 0.9 : 0.999) << m;
    EXPECT_LE(Graph::MaxLevel(m) * m * sizeof(uint32_t), kMaxUpperLinkBytes);
    EXPECT_GE(Recall(graph, points, kL2, 64), m < 5 ? 0.7 : 0.97) << m;
  }
}

// Lists of every item as Algorithm 1 leaves them when its searches find everything.
std::vector<std::vector<std::vector<uint32_t>>> ExhaustiveLists(const Graph& graph) {
  const uint32_t m = graph.spec().m;
  const auto distance = [&](uint32_t a, uint32_t b) {
    return SquaredL2(nullptr, graph.item(a), graph.item(b));
  };
  const auto select = [&](uint32_t base, const std::vector<uint32_t>& ids, size_t limit) {
    std::vector<Candidate> sorted;
    for (uint32_t id : ids) sorted.push_back({distance(id, base), id});
    std::sort(sorted.begin(), sorted.end());
    std::vector<uint32_t> chosen;
    const auto pair = [&](uint32_t a, uint32_t b) { return distance(sorted[a].id, sorted[b].id); };
    SelectNeighbors(sorted, limit, pair, &chosen);
    for (uint32_t& position : chosen) position = sorted[position].id;
    return chosen;
  };
  std::vector<std::vector<std::vector<uint32_t>>> lists(graph.size());
  for (uint32_t id = 0; id < graph.size(); ++id) {
    lists[id].resize(graph.level(id) + 1);
    for (int level = 0; level <= graph.level(id); ++level) {
      std::vector<uint32_t> earlier;
      for (uint32_t other = 0; other < id; ++other) {
        if (graph.level(other) >= level) earlier.push_back(other);
      }
      lists[id][level] = select(id, earlier, NewDegree(m, level));
      for (uint32_t other : lists[id][level]) {
        lists[other][level].push_back(id);
        lists[other][level] = select(other, lists[other][level], Graph::MaxDegree(m, level));
      }
    }
  }
  return lists;
}

TEST(GraphTest, ChoosesLikeThePrintedAlgorithm) {
  constexpr size_t kItems = 400;
  const std::vector<float> points = Clustered(kItems, 11);
  for (uint32_t m : {5u, 8u, 12u}) {
    const GraphSpec spec = SpecOf(m, kItems);
    const Region region = RegionFor(spec, kItems);
    Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
    Scratch scratch;
    AddAll(graph, points, 0, kL2, &scratch);
    const auto lists = ExhaustiveLists(graph);
    size_t equal = 0;
    size_t all = 0;
    for (uint32_t id = 0; id < kItems; ++id) {
      for (int level = 0; level <= graph.level(id); ++level) {
        const auto links = graph.links(id, level);
        const std::set<uint32_t> built(links.begin(), links.end());
        equal += built == std::set<uint32_t>(lists[id][level].begin(), lists[id][level].end());
        ++all;
      }
    }
    EXPECT_EQ(equal, all) << m;
  }
}

TEST(GraphTest, LevelsFollowTheGeometricLaw) {
  const std::vector<float> points = Clustered(4000, 5);
  const GraphSpec spec = SpecOf(4, 8);
  const Region region = RegionFor(spec, 4000);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  AddAll(graph, points, 0, kL2, &scratch);
  for (int level = 1; level <= 3; ++level) {
    size_t above = 0;
    for (uint32_t id = 0; id < graph.size(); ++id) above += graph.level(id) >= level;
    const double expected = 4000 * std::pow(4, -level);
    EXPECT_NEAR(above, expected, 5 * std::sqrt(expected)) << level;
  }
}

TEST(GraphTest, ServesNoneAndOne) {
  const GraphSpec spec = SpecOf(16, 64);
  const Region region = RegionFor(spec, 1);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  EXPECT_EQ(graph.size(), 0u);
  EXPECT_EQ(graph.entry(), kNone);
  Scratch scratch;
  const std::vector<float> point = Clustered(1, 1);
  std::vector<Candidate> found(3);
  graph.Search(point.data(), 10, kL2, &scratch, &found);
  EXPECT_TRUE(found.empty());
  AddAll(graph, point, 0, kL2, &scratch);
  EXPECT_EQ(graph.entry(), 0u);
  EXPECT_EQ(graph.duplicate_of(0), kNone);
  EXPECT_EQ(graph.next_duplicate(0), kNone);
  graph.Search(point.data(), 10, kL2, &scratch, &found);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, 0u);
  EXPECT_EQ(found[0].distance, 0.0f);
}

TEST(GraphTest, ChainsDuplicates) {
  constexpr size_t kEqual = 10000;
  constexpr size_t kOthers = 500;
  const std::vector<float> points = Clustered(kOthers, 3);
  const std::vector<float> same(kDim, 0.5f);
  const GraphSpec spec = SpecOf(8, 32);
  const Region region = RegionFor(spec, kEqual + kOthers);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  uint32_t first = kNone;
  std::set<uint64_t> tids;
  for (size_t i = 0; i < kEqual + kOthers; ++i) {
    const bool other = i % 21 == 0;
    const float* item = other ? &points[i / 21 * kDim] : same.data();
    uint32_t id = kNone;
    const Added result = graph.Add(item, spec.item_bytes, i, kL2, &scratch, &id);
    ASSERT_EQ(id, i);
    if (!other && first == kNone) first = id;
    ASSERT_EQ(result, other || id == first ? Added::kAdded : Added::kDuplicate);
    if (!other) tids.insert(i);
  }
  size_t chained = 0;
  for (uint32_t id = first; id != kNone; id = graph.next_duplicate(id)) {
    ++chained;
    EXPECT_EQ(graph.duplicate_of(id), id == first ? kNone : first);
    EXPECT_EQ(tids.erase(graph.tid(id)), 1u);
    EXPECT_EQ(graph.level(id) > 0 && id != first, false);
    EXPECT_EQ(std::memcmp(graph.item(id), same.data(), spec.item_bytes), 0);
  }
  EXPECT_EQ(chained, kEqual);
  EXPECT_TRUE(tids.empty());
  EXPECT_EQ(CheckLists(graph), 1.0);
  std::vector<Candidate> found;
  graph.Search(same.data(), 40, kL2, &scratch, &found);
  ASSERT_EQ(found.size(), 40u);
  EXPECT_EQ(found[0].id, first);
  EXPECT_GT(found[1].distance, 0.0f);
}

TEST(GraphTest, EqualDistanceIsNoDuplicate) {
  // Under a dot product many different items are as far from a new one as it is from itself.
  const GraphSpec spec = SpecOf(4, 16);
  const Region region = RegionFor(spec, 3);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  std::vector<float> item(kDim);
  uint32_t id;
  item[0] = 1;
  EXPECT_EQ(graph.Add(item.data(), spec.item_bytes, 1, kDot, &scratch, &id), Added::kAdded);
  item[1] = -0.0f;
  EXPECT_EQ(graph.Add(item.data(), spec.item_bytes, 2, kDot, &scratch, &id), Added::kAdded);
  EXPECT_EQ(graph.Add(item.data(), spec.item_bytes, 3, kDot, &scratch, &id), Added::kDuplicate);
  EXPECT_EQ(graph.duplicate_of(2), 1u);
}

TEST(GraphTest, SurvivesDistancesThatAreNoNumbers) {
  const Space broken{[](const void*, const void* a, const void* b) {
                       const float sum = SquaredL2(nullptr, a, b);
                       return sum < 60 ? sum : std::numeric_limits<float>::quiet_NaN();
                     },
                     nullptr};
  const std::vector<float> points = Clustered(400, 8);
  const GraphSpec spec = SpecOf(4, 16);
  const Region region = RegionFor(spec, 400);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  AddAll(graph, points, 0, broken, &scratch);
  CheckLists(graph);
}

TEST(GraphTest, FullChangesNothing) {
  const std::vector<float> points = Clustered(400, 2);
  const GraphSpec spec = SpecOf(8, 32);
  Region region = RegionFor(spec, 200);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  uint32_t id;
  size_t added = 0;
  while (graph.Add(&points[added * kDim], spec.item_bytes, added, kL2, &scratch, &id) ==
         Added::kAdded) {
    ++added;
    ASSERT_LT(added, 400u);
  }
  EXPECT_GE(added, 200u);
  std::vector<char> before(region.bytes);
  std::memcpy(before.data(), region.memory.get(), region.bytes);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(graph.Add(&points[(added + i) * kDim], spec.item_bytes, 0, kL2, &scratch, &id),
              Added::kFull);
  }
  EXPECT_EQ(std::memcmp(before.data(), region.memory.get(), region.bytes), 0);
  EXPECT_EQ(graph.size(), added);
  EXPECT_GE(CheckLists(graph), 0.999);
}

TEST(GraphTest, CapacityInvertsRegionBytes) {
  for (uint32_t m : {2u, 16u, 100u}) {
    for (uint32_t item_bytes : {8u, 100u, 8000u}) {
      const GraphSpec spec{.m = m, .ef_construction = 64, .item_bytes = item_bytes, .seed = 1};
      for (size_t items : {size_t{0}, size_t{1}, size_t{1000}, size_t{1000000}}) {
        const size_t bytes = Graph::RegionBytes(spec, items);
        EXPECT_EQ(Graph::Capacity(spec, bytes), items);
        if (items == 0) continue;
        EXPECT_EQ(Graph::Capacity(spec, bytes - 1), items - 1);
      }
      EXPECT_EQ(Graph::Capacity(spec, 0), 0u);
    }
  }
}

TEST(GraphTest, RegionBytesHoldThatManyForAnySeed) {
  constexpr uint32_t kItems = 300;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const GraphSpec spec{.m = seed % 2 == 0 ? 2u : 64u,
                         .ef_construction = 1,
                         .item_bytes = sizeof(uint32_t),
                         .seed = seed};
    const Space apart{[](const void*, const void* a, const void* b) {
                        return a == b ? 0.0f : 1.0f;
                      },
                      nullptr};
    const Region region = RegionFor(spec, kItems);
    Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
    Scratch scratch;
    for (uint32_t i = 0; i < kItems; ++i) {
      uint32_t id;
      ASSERT_EQ(graph.Add(&i, sizeof(i), i, apart, &scratch, &id), Added::kAdded) << seed;
    }
  }
}

// Differences of length plus differing bytes of two strings whose first byte is their length.
float StringDistance(const void*, const void* a, const void* b) {
  const uint8_t* x = static_cast<const uint8_t*>(a);
  const uint8_t* y = static_cast<const uint8_t*>(b);
  const int shorter = std::min(x[0], y[0]);
  int sum = std::abs(x[0] - y[0]);
  for (int i = 1; i <= shorter; ++i) sum += x[i] != y[i];
  return static_cast<float>(sum);
}

TEST(GraphTest, HoldsItemsOfAnySize) {
  const Space space{StringDistance, nullptr};
  const GraphSpec spec{.m = 8, .ef_construction = 40, .item_bytes = 0, .seed = 3};
  std::mt19937 random(4);
  const Region region(400000);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  Scratch scratch;
  std::vector<std::string> items;
  std::vector<bool> duplicate;
  for (;;) {
    std::string item(1 + random() % 120, '\0');
    item[0] = static_cast<char>(item.size() - 1);
    for (size_t i = 1; i < item.size(); ++i) item[i] = static_cast<char>('a' + random() % 3);
    uint32_t id;
    const Added result = graph.Add(item.data(), item.size(), items.size(), space, &scratch, &id);
    if (result == Added::kFull) break;
    ASSERT_EQ(id, items.size());
    items.push_back(item);
    duplicate.push_back(result == Added::kDuplicate);
  }
  ASSERT_GT(items.size(), 1000u);
  EXPECT_GE(CheckLists(graph), 0.999);
  size_t found_themselves = 0;
  std::vector<Candidate> found;
  for (uint32_t id = 0; id < items.size(); ++id) {
    ASSERT_EQ(graph.item_size(id), items[id].size());
    EXPECT_EQ(std::memcmp(graph.item(id), items[id].data(), items[id].size()), 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(graph.item(id)) % 64, 0u);
    EXPECT_EQ(graph.duplicate_of(id) != kNone, duplicate[id]);
    graph.Search(items[id].data(), 20, space, &scratch, &found);
    found_themselves += !found.empty() && found[0].distance == 0;
  }
  EXPECT_GE(static_cast<double>(found_themselves), 0.97 * static_cast<double>(items.size()));
}

TEST(GraphTest, ContinuesAtAnotherAddress) {
  const std::vector<float> points = Clustered(1200, 6);
  const GraphSpec spec = SpecOf(8, 32);
  Scratch scratch;
  const Region whole = RegionFor(spec, 1200);
  const Graph uninterrupted = Graph::Format(whole.memory.get(), whole.bytes, spec);
  AddAll(uninterrupted, points, 0, kL2, &scratch);

  const std::vector<float> half(points.begin(), points.begin() + 600 * kDim);
  std::vector<char> old_place(whole.bytes + 64);
  const size_t misfit = reinterpret_cast<uintptr_t>(old_place.data()) % 64;
  void* aligned_to_8 = old_place.data() + (64 + 8 - misfit) % 64;
  AddAll(Graph::Format(aligned_to_8, whole.bytes, spec), half, 0, kL2, &scratch);
  const Region moved(whole.bytes);
  std::memcpy(moved.memory.get(), aligned_to_8, whole.bytes);
  std::fill(old_place.begin(), old_place.end(), '\x55');
  Graph graph = Graph::Attach(moved.memory.get());
  Scratch other_scratch;
  AddAll(graph, points, 600, kL2, &other_scratch);

  ASSERT_EQ(graph.size(), uninterrupted.size());
  EXPECT_EQ(graph.entry(), uninterrupted.entry());
  for (uint32_t id = 0; id < graph.size(); ++id) {
    ASSERT_EQ(graph.level(id), uninterrupted.level(id));
    for (int level = 0; level <= graph.level(id); ++level) {
      const auto links = graph.links(id, level);
      const auto expected = uninterrupted.links(id, level);
      ASSERT_TRUE(std::equal(links.begin(), links.end(), expected.begin(), expected.end()));
    }
  }
}

TEST(GraphTest, TakesTwoWritersAtOnce) {
  constexpr size_t kItems = 3000;
  const std::vector<float> points = Clustered(kItems, 9);
  // A small m makes tall graphs, so writers race for the entry as well.
  for (uint32_t m : {3u, 12u}) {
    const GraphSpec spec = SpecOf(m, 40);
    const Region region = RegionFor(spec, kItems);
    Graph::Format(region.memory.get(), region.bytes, spec);
    std::atomic<size_t> next = 0;
    std::atomic<int> refused = 0;
    const auto work = [&] {
      Graph graph = Graph::Attach(region.memory.get());
      Scratch scratch;
      for (size_t i = next++; i < kItems; i = next++) {
        uint32_t id;
        refused += graph.Add(&points[i * kDim], spec.item_bytes, i, kL2, &scratch, &id) !=
                   Added::kAdded;
      }
    };
    std::thread one(work);
    std::thread two(work);
    one.join();
    two.join();
    Graph graph = Graph::Attach(region.memory.get());
    EXPECT_EQ(refused, 0);
    ASSERT_EQ(graph.size(), kItems);
    EXPECT_GE(CheckLists(graph), m < 5 ? 0.95 : 0.999);
    EXPECT_GE(Recall(graph, points, kL2, 64), m < 5 ? 0.8 : 0.97);
    std::set<uint64_t> tids;
    for (uint32_t id = 0; id < kItems; ++id) {
      tids.insert(graph.tid(id));
      EXPECT_EQ(std::memcmp(graph.item(id), &points[graph.tid(id) * kDim], spec.item_bytes), 0);
    }
    EXPECT_EQ(tids.size(), kItems);
  }
}

TEST(GraphTest, TwoWritersRaceForTheEntry) {
  constexpr uint32_t kRounds = 200;
  constexpr uint32_t kItems = 24;
  const std::vector<float> points = Clustered(kItems, 13);
  for (uint32_t round = 0; round < kRounds; ++round) {
    GraphSpec spec = SpecOf(2, 16);
    spec.seed = round;
    const Region region = RegionFor(spec, kItems);
    Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
    std::atomic<int> ready = 0;
    const auto work = [&, graph](uint32_t from) mutable {
      Scratch scratch;
      for (++ready; ready != 2;) std::this_thread::yield();
      for (uint32_t i = from; i < kItems; i += 2) {
        uint32_t id;
        graph.Add(&points[i * kDim], spec.item_bytes, i, kL2, &scratch, &id);
      }
    };
    std::thread one(work, 0);
    std::thread two(work, 1);
    one.join();
    two.join();
    ASSERT_EQ(graph.size(), kItems);
    // CheckLists also finds that no item lies above the entry.
    EXPECT_GE(CheckLists(graph), 0.5);
  }
}

TEST(GraphTest, TwoWritersChainEqualItems) {
  constexpr uint32_t kItems = 4000;
  constexpr uint32_t kDistinct = 10;
  const std::vector<float> points = Clustered(kDistinct, 12);
  const GraphSpec spec = SpecOf(8, 32);
  const Region region = RegionFor(spec, kItems);
  Graph graph = Graph::Format(region.memory.get(), region.bytes, spec);
  const auto work = [&](uint32_t from) {
    Scratch scratch;
    for (uint32_t i = from; i < kItems; i += 2) {
      uint32_t id;
      graph.Add(&points[i / 2 % kDistinct * kDim], spec.item_bytes, i, kL2, &scratch, &id);
    }
  };
  std::thread one(work, 0);
  std::thread two(work, 1);
  one.join();
  two.join();
  std::set<uint64_t> tids;
  uint32_t heads = 0;
  for (uint32_t head = 0; head < graph.size(); ++head) {
    if (graph.duplicate_of(head) != kNone) continue;
    ++heads;
    for (uint32_t id = head; id != kNone; id = graph.next_duplicate(id)) tids.insert(graph.tid(id));
  }
  EXPECT_EQ(tids.size(), kItems);
  EXPECT_LE(heads, 2 * kDistinct);
  EXPECT_EQ(CheckLists(graph), 1.0);
}

}  // namespace
}  // namespace helios::hnsw
