// Feeds segments of strings in every codec to the reader; the corpus is regress/fuzz/strings.
#include <cstdlib>
#include <string>

#include "codec/core/codec.hpp"

namespace {

using helios::codec::Reader;
using helios::codec::Status;
using helios::codec::Values;

// Reads every byte of what was decoded, for the sanitizers to see.
void Touch(const Values &values) {
  for (size_t i = 0; i < values.count; ++i) {
    const std::string copy(values.strings[i]);
    const volatile size_t bytes = copy.size();
    static_cast<void>(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Reader reader;
  if (reader.Open({data, size}) != Status::kOk) return 0;
  if (reader.kind() != helios::codec::Kind::kBytes) return 0;
  Values values;
  helios::codec::Selection selection;
  for (size_t vector = 0; vector < reader.vectors(); ++vector) {
    const size_t first = vector * helios::codec::kVectorValues;
    reader.SelectEqual(vector, "e", &selection);
    if (reader.ReadOne(first, &values) == Status::kOk) Touch(values);
    if (reader.Read(vector, &values) != Status::kOk) continue;
    Touch(values);
    // What is decoded is also found by itself.
    const std::string whole(values.strings[0]);
    if (reader.ReadOne(first, &values) != Status::kOk || values.strings[0] != whole) std::abort();
  }
  return 0;
}
