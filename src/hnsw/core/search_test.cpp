// The parts of graph search against plain references.
#include "hnsw/core/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <unordered_set>

#include "gtest/gtest.h"

namespace helios::hnsw {
namespace {

TEST(CandidateTest, OrdersByDistanceThenIdWithNanLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<Candidate> all = {{nan, 2}, {1, 7}, {infinity, 3}, {nan, 1}, {1, 5}, {-2, 9}};
  std::sort(all.begin(), all.end());
  std::vector<uint32_t> ids;
  for (const Candidate& candidate : all) ids.push_back(candidate.id);
  EXPECT_EQ(ids, (std::vector<uint32_t>{9, 5, 7, 3, 1, 2}));
  EXPECT_FALSE(all[0] < all[0]);
  EXPECT_FALSE(all[5] < all[5]);
  EXPECT_TRUE(all[1] > all[0]);
}

TEST(HeapTest, PopsInOrder) {
  std::mt19937 random(1);
  MinHeap nearest_first;
  MaxHeap farthest_first;
  std::vector<Candidate> sorted;
  for (uint32_t id = 0; id < 500; ++id) {
    const Candidate candidate{static_cast<float>(random() % 50), id};
    nearest_first.Push(candidate);
    farthest_first.Push(candidate);
    sorted.push_back(candidate);
  }
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    EXPECT_EQ(nearest_first.Top().id, sorted[i].id);
    EXPECT_EQ(farthest_first.Top().id, sorted[sorted.size() - 1 - i].id);
    nearest_first.Pop();
    farthest_first.Pop();
  }
  EXPECT_TRUE(nearest_first.Empty());
  farthest_first.Push({1, 1});
  farthest_first.Clear();
  EXPECT_EQ(farthest_first.Size(), 0u);
}

TEST(VisitedSetTest, AgreesWithUnorderedSetAcrossGrowthAndClear) {
  std::mt19937 random(2);
  VisitedSet visited;
  for (const size_t inserts : {10, 20000, 300, 50000}) {
    std::unordered_set<uint32_t> reference;
    for (size_t i = 0; i < inserts; ++i) {
      const uint32_t id = random() % 2 == 0 ? 1 + random() % 30000 : UINT32_MAX - random() % 100;
      ASSERT_EQ(visited.Insert(id), reference.insert(id).second);
    }
    EXPECT_EQ(visited.Size(), reference.size());
    visited.Clear();
    EXPECT_EQ(visited.Size(), 0u);
  }
  // Strided ids, as page numbers times a power of two are, must not cluster.
  for (uint32_t i = 1; i <= 60000; ++i) ASSERT_TRUE(visited.Insert(i << 16 | i >> 16));
  EXPECT_LE(visited.MemoryBytes(), 60000u * 32);
}

struct Point {
  float x, y;
};

float Distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }

// Algorithm 4 as printed, over sets; returns ids.
std::vector<uint32_t> PrintedSelect(Point base, const std::vector<Point>& points, size_t limit) {
  std::vector<Candidate> waiting;
  for (uint32_t i = 0; i < points.size(); ++i) waiting.push_back({Distance(base, points[i]), i});
  std::sort(waiting.begin(), waiting.end());
  std::vector<uint32_t> result;
  std::vector<uint32_t> discarded;
  for (const Candidate& candidate : waiting) {
    if (result.size() == limit) break;
    const bool nearer = std::all_of(result.begin(), result.end(), [&](uint32_t other) {
      return candidate.distance < Distance(points[candidate.id], points[other]);
    });
    (nearer ? result : discarded).push_back(candidate.id);
  }
  for (uint32_t id : discarded) {
    if (result.size() < limit) result.push_back(id);
  }
  return result;
}

TEST(SelectNeighborsTest, EqualsThePrintedAlgorithm) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<uint32_t> chosen;
  for (int round = 0; round < 300; ++round) {
    const size_t limit = 1 + random() % 12;
    std::vector<Point> points(limit + 1 + random() % 40);
    for (Point& point : points) point = {normal(random), normal(random)};
    const Point base{normal(random), normal(random)};
    std::vector<Candidate> sorted;
    for (uint32_t i = 0; i < points.size(); ++i) sorted.push_back({Distance(base, points[i]), i});
    std::sort(sorted.begin(), sorted.end());
    const size_t taken = SelectNeighbors(
        sorted, limit,
        [&](uint32_t a, uint32_t b) {
          return Distance(points[sorted[a].id], points[sorted[b].id]);
        },
        &chosen);
    EXPECT_GE(taken, 1u);
    EXPECT_LE(taken, limit);
    ASSERT_EQ(chosen.size(), limit);
    EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.begin() + taken));
    EXPECT_TRUE(std::is_sorted(chosen.begin() + taken, chosen.end()));
    std::vector<uint32_t> ids;
    for (uint32_t position : chosen) ids.push_back(sorted[position].id);
    ASSERT_EQ(ids, PrintedSelect(base, points, limit));
  }
}

TEST(SelectNeighborsTest, TakesAllThatFitWithoutADistance) {
  const std::vector<Candidate> few = {{1, 4}, {1, 5}, {2, 6}};
  std::vector<uint32_t> chosen = {9, 9, 9, 9, 9};
  const auto never = [](uint32_t, uint32_t) {
    ADD_FAILURE();
    return 0.0f;
  };
  EXPECT_EQ(SelectNeighbors(few, 3, never, &chosen), 3u);
  EXPECT_EQ(chosen, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(SelectNeighbors({}, 3, never, &chosen), 0u);
  EXPECT_TRUE(chosen.empty());
}

TEST(SelectNeighborsTest, EqualDistancesPrune) {
  // Three equal points: the second is as near to the first as to the base, so only refilling keeps
  // it.
  const std::vector<Candidate> equal = {{0, 0}, {0, 1}, {0, 2}};
  std::vector<uint32_t> chosen;
  EXPECT_EQ(SelectNeighbors(equal, 2, [](uint32_t, uint32_t) { return 0.0f; }, &chosen), 1u);
  EXPECT_EQ(chosen, (std::vector<uint32_t>{0, 1}));
}

}  // namespace
}  // namespace helios::hnsw
