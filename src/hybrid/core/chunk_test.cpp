#include "hybrid/core/chunk.hpp"

#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace helios::hybrid {
namespace {

// The meta bytes of a chunk of two columns, of which the first has nulls and a zone.
std::vector<uint64_t> Sound() {
  ChunkHeader header = {kChunkMagic, kChunkVersion, 2, 100, 0, 0, 0, 0};
  ChunkColumn columns[2] = {};
  header.meta_bytes = sizeof(header) + sizeof(columns) + 16;
  header.bytes = header.meta_bytes + 1000;
  columns[0].attribute = 1;
  columns[0].form = Form::kInt;
  columns[0].type = 23;
  columns[0].nulls = 3;
  columns[0].nulls_offset = header.meta_bytes;
  columns[0].segment_offset = header.meta_bytes + 16;
  columns[0].segment_bytes = 500;
  columns[0].zone_offset = sizeof(header) + sizeof(columns);
  columns[0].least_bytes = columns[0].greatest_bytes = 8;
  columns[1].attribute = 2;
  columns[1].form = Form::kVarlena;
  columns[1].type = 25;
  columns[1].nulls = 100;
  std::vector<uint64_t> bytes((header.meta_bytes + 7) / 8);
  auto *to = reinterpret_cast<uint8_t *>(bytes.data());
  memcpy(to, &header, sizeof(header));
  memcpy(to + sizeof(header), columns, sizeof(columns));
  return bytes;
}

std::span<const uint8_t> Bytes(const std::vector<uint64_t> &words) {
  return {reinterpret_cast<const uint8_t *>(words.data()),
          reinterpret_cast<const ChunkHeader *>(words.data())->meta_bytes};
}

TEST(Chunk, TakesWhatWasWritten) {
  const std::vector<uint64_t> bytes = Sound();
  ChunkMeta meta;
  ASSERT_TRUE(ParseChunk(Bytes(bytes), &meta));
  EXPECT_EQ(meta.columns.size(), 2u);
  EXPECT_EQ(meta.columns[0].segment_bytes, 500u);
}

TEST(Chunk, RefusesOffsetsBeyondTheChunk) {
  for (uint32_t ChunkColumn::*field :
       {&ChunkColumn::nulls_offset, &ChunkColumn::segment_offset, &ChunkColumn::segment_bytes,
        &ChunkColumn::zone_offset, &ChunkColumn::nulls}) {
    std::vector<uint64_t> bytes = Sound();
    auto *column = reinterpret_cast<ChunkColumn *>(reinterpret_cast<uint8_t *>(bytes.data()) +
                                                   sizeof(ChunkHeader));
    column->*field = 100000;
    ChunkMeta meta;
    EXPECT_FALSE(ParseChunk(Bytes(bytes), &meta));
  }
}

TEST(Chunk, SurvivesAnyBytes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; i++) {
    std::vector<uint64_t> bytes = Sound();
    const std::span<const uint8_t> span = Bytes(bytes);
    auto *raw = reinterpret_cast<uint8_t *>(bytes.data());
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; flips--) {
      raw[random() % span.size()] ^= static_cast<uint8_t>(1u << random() % 8);
    }
    ChunkMeta meta;
    ParseChunk(span.first(random() % (span.size() + 1)), &meta);
    if (!ParseChunk(span, &meta)) continue;
    for (const ChunkColumn &column : meta.columns) {
      ASSERT_LE(uint64_t{column.segment_offset} + column.segment_bytes, meta.header->bytes);
      ASSERT_LE(uint64_t{column.zone_offset} + column.least_bytes + column.greatest_bytes,
                span.size());
    }
  }
}

}  // namespace
}  // namespace helios::hybrid
