// Segments of every codec, kind and wrap, round trips and damage.
#include <cmath>
#include <limits>

#include "codec/core/round_trip.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

TEST(SegmentTest, RawAndConstantRoundTripInEveryKindAndWrap) {
  const Owned ints(std::vector<int64_t>{1, -1, INT64_MIN, INT64_MAX});
  const Owned doubles(std::vector<double>{-0.0, 0.0, std::nan("1"), 5e-324});
  const Owned floats(std::vector<float>(3000, 1.5f));
  const Owned strings(std::vector<std::string>{"", "a", std::string(5000, 'b'), ""});
  const Owned same(std::vector<std::string>(2000, "abc"));
  for (const Owned *owned : {&ints, &doubles, &floats, &strings, &same}) {
    for (const Codec codec : {Codec::kRaw, Codec::kConstant}) {
      for (const Wrap wrap : {Wrap::kNone, Wrap::kLz4, Wrap::kZstd}) {
        std::vector<uint8_t> segment;
        const Status status = EncodeAs(owned->column, {codec, wrap}, 3, {}, &segment);
        if (status == Status::kUnfit) continue;
        ASSERT_EQ(status, Status::kOk);
        EXPECT_EQ(Difference(owned->column, segment), "") << EncodingName({codec, wrap});
      }
    }
  }
}

}  // namespace
}  // namespace helios::codec
