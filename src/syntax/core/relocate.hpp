// Computes what redirects a function: the jump for its entry, and the copy of the instructions that the
// jump displaces. Pure functions over bytes with explicit addresses, one per processor architecture,
// each compiled and tested on every platform; redirect.cpp draws the result and puts it into memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace helios::syntax {

inline constexpr size_t kEntryBytes = 32;        // of the function that a relocator may look at
inline constexpr size_t kMaxReplacedBytes = 17;  // of the entry, by one jump
inline constexpr size_t kSlotBytes = 64;         // trampoline and stub of one function
inline constexpr size_t kStubOffset = 48;        // of the stub in its slot

struct Relocation {
  size_t kept;      // bytes of the landing pad that stay at the entry
  size_t replaced;  // bytes behind the landing pad that the jump overwrites: whole instructions
  std::array<uint8_t, kMaxReplacedBytes> jump;  // what the replaced bytes become
  std::array<uint8_t, kSlotBytes> slot;         // the trampoline at 0, the stub at kStubOffset
  std::array<char, 96> refusal;
};

// Plans the redirect of a function that starts at `address` with the bytes `entry`, through a slot at
// `slot_address`, to `replacement`. Returns null, or why not: static text, or text in `out->refusal`.
// A function that jumps back into its own replaced bytes is not recognized; compilers put a prologue
// or a loop's alignment there.
using Relocator = const char*(std::span<const uint8_t, kEntryBytes> entry, uint64_t address,
                              uint64_t slot_address, uint64_t replacement, Relocation* out);
Relocator RelocateX86, RelocateArm64;

inline constexpr uint64_t kX86ReachBytes = uint64_t{1} << 31;    // of a jump with a 32-bit distance
inline constexpr uint64_t kArm64ReachBytes = uint64_t{1} << 27;  // of "b"

// Writes the `bytes` low bytes of a value, lowest first.
inline void PutLittleEndian(uint8_t* at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

// Reads 32 bits, lowest byte first.
inline uint32_t GetLittleEndian32(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

// Returns how far it is between two addresses, negative for backwards.
inline int64_t Distance(uint64_t from, uint64_t to) { return static_cast<int64_t>(to - from); }

// Whether a signed distance fits a field that reaches `reach` bytes both ways.
inline bool Reaches(int64_t distance, uint64_t reach) {
  const auto limit = static_cast<int64_t>(reach);
  return distance >= -limit && distance < limit;
}

}  // namespace helios::syntax
