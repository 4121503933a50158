// Takes an encoding for a column.
#include <algorithm>

#include "codec/core/segment.hpp"

namespace helios::codec {

Status Encode(const Column &column, const Policy &policy, Stop stop, std::vector<uint8_t> *out,
              Encoding *taken) {
  std::vector<uint8_t> best, tried;
  for (const CodecInfo &info : Registry()) {
    tried.clear();
    const Encoding encoding = {info.codec, Wrap::kNone};
    const Status status = EncodeAs(column, encoding, policy.zstd_level, stop, &tried);
    if (status == Status::kInterrupted) return status;
    if (status != Status::kOk || (!best.empty() && tried.size() >= best.size())) continue;
    best.swap(tried);
    *taken = encoding;
  }
  out->insert(out->end(), best.begin(), best.end());
  return Status::kOk;
}

}  // namespace helios::codec
