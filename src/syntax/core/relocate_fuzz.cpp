// Feeds arbitrary code to both relocators, and verifies what they accept: it fits, it covers whole
// instructions, and the jumps meet. The corpus is regress/fuzz/relocate.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "syntax/core/relocate.hpp"

namespace {

using helios::syntax::GetLittleEndian32;
using helios::syntax::kEntryBytes;
using helios::syntax::Relocation;

constexpr uint64_t kAddress = 0x555555401230, kSlot = 0x555555300000, kReplacement = 0x7ffff7a01230;

// Ends the process when a property does not hold.
void Demand(bool holds) {
  if (!holds) std::abort();
}

// Verifies what x86-64 accepts; an operand that is re-based shows as up to four changed bytes.
void CheckX86(const std::array<uint8_t, kEntryBytes>& entry, const Relocation& relocation) {
  constexpr size_t kJumpBytes = 5;
  const size_t taken = relocation.kept + relocation.replaced;
  Demand(relocation.replaced >= kJumpBytes &&
         relocation.replaced <= helios::syntax::kMaxReplacedBytes);
  Demand(taken + kJumpBytes <= helios::syntax::kStubOffset);
  Demand(std::memcmp(entry.data(), relocation.slot.data(), relocation.kept) == 0);
  const auto distance = static_cast<int32_t>(GetLittleEndian32(&relocation.slot[taken + 1]));
  Demand(kSlot + taken + kJumpBytes + static_cast<uint64_t>(int64_t{distance}) == kAddress + taken);
}

// Verifies what aarch64 accepts: one word moves as it is, or is materialized in four.
void CheckArm64(const std::array<uint8_t, kEntryBytes>& entry, const Relocation& relocation) {
  constexpr size_t kWordBytes = 4;
  Demand(relocation.replaced == kWordBytes && relocation.kept <= kWordBytes);
  const uint32_t word = GetLittleEndian32(&entry[relocation.kept]);
  const bool forms_address = (word >> 24 & 0x1f) == 0x10;
  const size_t written = relocation.kept + (forms_address ? 4 : 1) * kWordBytes;
  if (!forms_address) Demand(GetLittleEndian32(&relocation.slot[relocation.kept]) == word);
  const uint32_t jump = GetLittleEndian32(&relocation.slot[written]);
  Demand(jump >> 26 == 5);
  const int64_t distance = int64_t{static_cast<int32_t>(jump << 6)} >> 4;
  Demand(kSlot + written + static_cast<uint64_t>(distance) ==
         kAddress + relocation.kept + relocation.replaced);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::array<uint8_t, kEntryBytes> entry{};
  std::copy_n(data, std::min(size, entry.size()), entry.begin());
  Relocation relocation{};
  if (helios::syntax::RelocateX86(entry, kAddress, kSlot, kReplacement, &relocation) == nullptr)
    CheckX86(entry, relocation);
  if (helios::syntax::RelocateArm64(entry, kAddress, kSlot, kReplacement, &relocation) == nullptr)
    CheckArm64(entry, relocation);
  return 0;
}
