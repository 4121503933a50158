// Feeds texts to the sparse parser; the corpus is regress/fuzz/sparsevec_text.
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "vector/core/parse.hpp"

// Checks that what parses is what the parser promises: finite elements, none zero, sorted by index.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  std::vector<helios::vector::SparseElement> out(helios::vector::MaxElements(text));
  const auto result = helios::vector::ParseSparse(text, out);
  if (result.status != helios::vector::ParseStatus::kOk) return 0;
  for (size_t i = 0; i < result.count; ++i) {
    if (!std::isfinite(out[i].value) || out[i].value == 0) std::abort();
    if (i > 0 && out[i].index < out[i - 1].index) std::abort();
  }
  return 0;
}
