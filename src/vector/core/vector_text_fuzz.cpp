// Feeds texts to the dense parser; the corpus is regress/fuzz/vector_text.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "vector/core/parse.hpp"

// Checks that what parses is as promised: all elements written, finite, below the limit.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr size_t kMaxDim = 64;
  constexpr float kLimit = 65520;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  std::vector<float> out(std::min(kMaxDim, helios::vector::MaxElements(text)));
  const auto result = helios::vector::ParseDense(text, kLimit, out);
  if (result.status != helios::vector::ParseStatus::kOk) return 0;
  if (result.count != helios::vector::MaxElements(text)) std::abort();
  for (const float element : out) {
    if (!(std::fabs(element) < kLimit)) std::abort();
  }
  return 0;
}
