// SIMD kernels against plain loops on every target of this CPU; rotation and k-means on top.
#include "hnsw/core/kernels.hpp"

#include <bit>
#include <cstring>
#include <functional>
#include <set>

#include "gtest/gtest.h"
// The widest set of targets any kernel file compiles.
#define HWY_WANT_AVX3_DL
#include "hwy/targets.h"
#include "hnsw/core/codec_test_data.hpp"
#include "hnsw/core/kmeans.hpp"
#include "hnsw/core/rotation.hpp"

namespace helios::hnsw {
namespace {

// Runs a check once per supported target.
void OnEveryTarget(const std::function<void()>& check) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

std::vector<float> Noise(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& value : x) value = Normal(&random);
  return x;
}

TEST(Kernels, MatMul) {
  OnEveryTarget([] {
    for (const size_t rows : {1, 4, 7}) {
      for (const size_t inner : {1, 5, 33}) {
        for (const size_t cols : {1, 16, 48, 53}) {
          const std::vector<float> a = Noise(rows * inner, 1), b = Noise(inner * cols, 2);
          const std::vector<float> start = Noise(cols, 3);
          std::vector<float> c(rows * cols);
          for (const float* first : {static_cast<const float*>(nullptr), start.data()}) {
            MatMul(a.data(), inner, b.data(), cols, first, c.data(), cols, rows, inner, cols);
            for (size_t r = 0; r < rows; ++r) {
              for (size_t j = 0; j < cols; ++j) {
                double sum = first ? first[j] : 0;
                for (size_t i = 0; i < inner; ++i) sum += a[r * inner + i] * b[i * cols + j];
                ASSERT_NEAR(c[r * cols + j], sum, 1e-4);
              }
            }
          }
        }
      }
    }
  });
}

TEST(Kernels, MinIndex) {
  OnEveryTarget([] {
    for (size_t n = 1; n < 70; ++n) {
      std::vector<float> values = Noise(n, n);
      for (size_t i = 0; i < n; i += 3) values[i] = NAN;
      size_t best = 0;
      float low = INFINITY;
      for (size_t i = 0; i < n; ++i) {
        if (values[i] < low) {
          low = values[i];
          best = i;
        }
      }
      ASSERT_EQ(MinIndex(values.data(), n), best);
      ASSERT_EQ(MinIndex(std::vector<float>(n, 1.0f).data(), n), 0u);
    }
  });
}

TEST(Kernels, SubspaceTable) {
  OnEveryTarget([] {
    for (const size_t dim : {1, 3, 20}) {
      for (const size_t stride : {16, 48, 256}) {
        const std::vector<float> q = Noise(dim, 1), codebook = Noise(dim * stride, 2);
        std::vector<float> table(stride);
        for (const TableTerm term :
             {TableTerm::kSquare, TableTerm::kNegativeDot, TableTerm::kAbsolute}) {
          SubspaceTable(term, q.data(), codebook.data(), dim, stride, table.data());
          for (size_t j = 0; j < stride; ++j) {
            double sum = 0;
            for (size_t i = 0; i < dim; ++i) {
              const double c = codebook[i * stride + j], diff = q[i] - c;
              sum += term == TableTerm::kSquare        ? diff * diff
                     : term == TableTerm::kNegativeDot ? -q[i] * c
                                                       : std::abs(diff);
            }
            ASSERT_NEAR(table[j], sum, 1e-4);
          }
        }
      }
    }
  });
}

TEST(Kernels, Hadamard) {
  OnEveryTarget([] {
    for (size_t n = 1; n <= 128; n *= 2) {
      const std::vector<float> x = Noise(n, n);
      std::vector<float> y = x;
      Hadamard(y.data(), n);
      for (size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (size_t i = 0; i < n; ++i) sum += std::popcount(i & j) % 2 ? -x[i] : x[i];
        ASSERT_NEAR(y[j], sum / std::sqrt(static_cast<double>(n)), 1e-4) << n;
      }
    }
  });
}

TEST(Kernels, DotSignedPlanes) {
  OnEveryTarget([] {
    for (const size_t words : {1, 2, 7, 8, 9, 13, 250}) {
      Random random(words);
      const size_t plane = PlaneWords(words);
      std::vector<uint64_t> query(plane * (1 + kMagnitudePlanes));
      std::vector<uint8_t> bits(words * 8 + 1);
      for (uint8_t& byte : bits) byte = static_cast<uint8_t>(random.Next());
      uint64_t sum = 0;
      for (size_t w = 0; w < words; ++w) {
        uint64_t word;
        std::memcpy(&word, bits.data() + 1 + 8 * w, 8);
        query[w] = random.Next();
        for (size_t p = 0; p < kMagnitudePlanes; ++p) {
          uint64_t& magnitude = query[(1 + p) * plane + w] = random.Next();
          sum += static_cast<uint64_t>(std::popcount((word ^ query[w]) & magnitude)) << p;
        }
      }
      ASSERT_EQ(DotSignedPlanes(bits.data() + 1, query.data(), words), sum);
    }
  });
}

TEST(Kernels, DotNibbles) {
  OnEveryTarget([] {
    for (const size_t words : {1, 16, 17, 48, 208, 4000}) {
      Random random(words);
      std::vector<int16_t> q(4 * words);
      std::vector<uint8_t> codes(2 * words + 1);
      for (int16_t& value : q) value = static_cast<int16_t>(random.Below(16383)) - 8191;
      if (words == 4000) std::fill(q.begin(), q.end(), int16_t{8191});
      for (uint8_t& byte : codes) byte = words == 4000 ? 0xFF : static_cast<uint8_t>(random.Next());
      int64_t sum = 0;
      for (size_t i = 0; i < 4 * words; ++i) {
        sum += q[i % 4 * words + i / 4] * (codes[1 + i / 2] >> (4 * (i % 2)) & 15);
      }
      ASSERT_EQ(DotNibbles(q.data(), codes.data() + 1, words), sum);
    }
  });
}

TEST(Kernels, Expand) {
  OnEveryTarget([] {
    for (const size_t n : {64, 192}) {
      Random random(n);
      std::vector<uint8_t> code(n + 3);
      for (uint8_t& byte : code) byte = static_cast<uint8_t>(random.Next());
      const std::vector<float> base = Noise(n, 1);
      std::vector<float> bytes(n), bits(n), nibbles(n), three(3);
      const uint8_t* at = code.data() + 1;
      ExpandBytes(at, -3, 0.25f, n, bytes.data());
      ExpandBytes(at, -3, 0.25f, 3, three.data());
      ExpandBits(at, 0.5f, base.data(), n, bits.data());
      ExpandNibbles(at, 7.5f, 0.5f, base.data(), n, nibbles.data());
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(bytes[i], -3 + 0.25f * at[i], 1e-4);
        ASSERT_NEAR(three[i % 3], -3 + 0.25f * at[i % 3], 1e-4);
        ASSERT_NEAR(bits[i], base[i] + (at[i / 8] >> i % 8 & 1 ? 0.5f : -0.5f), 1e-5);
        const int nibble = at[i / 2] >> i % 2 * 4 & 15;
        ASSERT_NEAR(nibbles[i], base[i] + 0.5f * (static_cast<float>(nibble) - 7.5f), 1e-5);
      }
    }
  });
}

TEST(Rotation, KeepsLengthsAndTurnsBack) {
  for (const size_t dim : {1, 2, 3, 5, 64, 65, 100, 784, 16000}) {
    const std::vector<float> x = Noise(dim, dim);
    std::vector<float> y = x;
    RotateRandomly(y.data(), dim, 5);
    double before = 0, after = 0;
    for (size_t i = 0; i < dim; ++i) {
      before += x[i] * x[i];
      after += y[i] * y[i];
    }
    EXPECT_NEAR(after, before, 1e-4 * before);
    RotateBack(y.data(), dim, 5);
    for (size_t i = 0; i < dim; ++i) ASSERT_NEAR(y[i], x[i], 1e-4) << dim;
  }
}

TEST(Rotation, SpreadsASingleCoordinate) {
  for (const size_t dim : {64, 100, 784, 832, 1000, 1023, 16000}) {
    for (size_t i = 0; i < dim; i += dim / 7) {
      std::vector<float> x(dim);
      x[i] = 1;
      RotateRandomly(x.data(), dim, 5);
      float largest = 0;
      for (float value : x) largest = std::max(largest, std::abs(value));
      EXPECT_LT(largest, 5.5f / std::sqrt(static_cast<float>(dim))) << dim << " " << i;
    }
  }
}

TEST(KMeans, FindsSeparatedClusters) {
  constexpr size_t kClusters = 8, kRows = 400, kDim = 3;
  std::vector<float> rows = Noise(kRows * kDim, 1);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t i = 0; i < kDim; ++i) {
      rows[r * kDim + i] = 0.01f * rows[r * kDim + i] + 1000 + ((r % kClusters) >> i & 1) * 10;
    }
  }
  Random random(2);
  KMeans kmeans(rows.data(), kRows, kDim, kClusters * 2, &random);
  kmeans.Seed();
  ASSERT_TRUE(kmeans.Run(30, Poll{nullptr, nullptr}));
  for (size_t r = 0; r < kRows; ++r) {
    const float* centroid = kmeans.centroid(kmeans.assignment(r));
    for (size_t i = 0; i < kDim; ++i) EXPECT_NEAR(centroid[i], rows[r * kDim + i], 0.2f);
  }
}

TEST(KMeans, EmptyClustersAreFilled) {
  // Two thirds of the rows are equal, the others all differ: each can have a centroid of its own.
  constexpr size_t kRows = 90;
  std::vector<float> rows(kRows);
  for (size_t r = 0; r < kRows / 3; ++r) rows[3 * r] = static_cast<float>(r + 1);
  Random random(2);
  KMeans kmeans(rows.data(), kRows, 1, kRows / 3 + 1, &random);
  kmeans.Seed();
  ASSERT_TRUE(kmeans.Run(100, Poll{nullptr, nullptr}));
  std::set<uint32_t> used;
  for (size_t r = 0; r < kRows; ++r) used.insert(kmeans.assignment(r));
  EXPECT_GE(used.size(), kRows / 4);
}

TEST(KMeans, IdenticalRows) {
  const std::vector<float> rows(50 * 4, 2.5f);
  Random random(1);
  KMeans kmeans(rows.data(), 50, 4, 20, &random);
  kmeans.Seed();
  ASSERT_TRUE(kmeans.Run(5, Poll{nullptr, nullptr}));
  std::vector<float> codebook(4 * 32);
  kmeans.WriteCodebook(codebook.data());
  for (float value : codebook) EXPECT_EQ(value, 2.5f);
}

}  // namespace
}  // namespace helios::hnsw
