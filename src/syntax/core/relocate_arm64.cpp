// aarch64: displaces one instruction. "b" reaches 128 MiB only, but below an executable or a library
// that much is free in practice; in return the entry changes by one aligned word, and the trampoline
// resumes with "b" too, which needs no landing pad (BTI) where it arrives, as "br" would.
//
//   entry        [bti c]  b stub
//   trampoline   [bti c]  displaced instruction, or movz and 3 movk for adr and adrp  b resume
//   stub         ldr x17, stub + 8  br x17  8-byte address of the replacement
//
// x17 is the register that veneers between functions may use. paciasp is a landing pad too, but it
// signs the return address, which the replacement would do again: it is displaced, not kept.
#include <cstdio>

#include "syntax/core/relocate.hpp"

namespace helios::syntax {

namespace {

struct Pattern {
  uint32_t mask, value;
  constexpr bool Matches(uint32_t word) const { return (word & mask) == value; }
};

constexpr size_t kWordBytes = 4;
constexpr uint32_t kBtiC = 0xd503245f, kBtiJc = 0xd50324df;
constexpr uint32_t kBranch = 0x14000000, kBranchDistanceMask = 0x03ffffff;
constexpr uint32_t kLoadX17From8 = 0x58000051;                      // ldr x17, . + 8
constexpr uint32_t kBranchX17 = 0xd61f0220;                         // br x17
constexpr uint32_t kMoveZero = 0xd2800000, kMoveKeep = 0xf2800000;  // movz, movk of 64 bits
constexpr uint32_t kRegisterMask = 31;

constexpr Pattern kJump{0xfc000000, kBranch};
constexpr Pattern kLoadVeneerRegister{0xff00001e, 0x58000010};  // ldr x16 or x17, literal
constexpr Pattern kBreakpoint{0xffe0001f, 0xd4200000};
constexpr Pattern kAdr{0x9f000000, 0x10000000}, kAdrp{0x9f000000, 0x90000000};

constexpr Pattern kBranches[] = {
    {0x7c000000, 0x14000000},  // b, bl
    {0xfe000000, 0x54000000},  // b.cond
    {0x7c000000, 0x34000000},  // cbz, cbnz, tbz, tbnz
    {0x7c000000, 0x74000000},  // cb<cond>
    {0xfe000000, 0xd6000000},  // br, blr, ret
};
constexpr Pattern kLiteralLoad{0x3b000000, 0x18000000};

constexpr Pattern kMovable[] = {
    {0xffffffff, 0xd503201f},  // nop
    {0xffffffbf, 0xd503233f},  // paciasp, pacibsp
    {0x1f800000, 0x11000000},  // add, sub, cmp with immediate
    {0x1f800000, 0x12000000},  // and, orr, eor with immediate
    {0x1f800000, 0x12800000},  // movz, movn, movk
    {0x1f800000, 0x13000000},  // sbfm, bfm, ubfm: shifts and extensions
    {0x1f000000, 0x0a000000},  // and, orr, eor, mov of registers
    {0x1f000000, 0x0b000000},  // add, sub, cmp of registers
    {0x3a000000, 0x28000000},  // ldp, stp
    {0x3b000000, 0x39000000},  // ldr, str with scaled offset
    {0x3b200000, 0x38000000},  // ldr, str with unscaled offset, before or after
};

// Whether any of the patterns matches.
template <size_t n>
bool MatchesAny(const Pattern (&patterns)[n], uint32_t word) {
  for (const Pattern& pattern : patterns) {
    if (pattern.Matches(word)) return true;
  }
  return false;
}

// Returns the address that an adr or adrp at `address` computes.
uint64_t AddressFormed(uint32_t word, uint64_t address) {
  constexpr int kImmediateBits = 21, kPageShift = 12;
  const uint32_t immediate = (word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3);
  const uint64_t sign = uint64_t{1} << (kImmediateBits - 1);
  const uint64_t distance = (immediate ^ sign) - sign;
  if (kAdr.Matches(word)) return address + distance;
  return (address >> kPageShift << kPageShift) + (distance << kPageShift);
}

// Writes instructions one behind the other.
class Writer {
 public:
  Writer(uint8_t* at, uint64_t address) : at_(at), address_(address) {}

  void Put(uint32_t word) {
    PutLittleEndian(at_, word, kWordBytes);
    at_ += kWordBytes;
    address_ += kWordBytes;
  }

  bool PutJump(uint64_t destination) {
    const int64_t distance = Distance(address_, destination);
    Put(kBranch | (static_cast<uint32_t>(distance / int64_t{kWordBytes}) & kBranchDistanceMask));
    return Reaches(distance, kArm64ReachBytes);
  }

  void PutConstant(uint64_t value, uint32_t to) {
    for (uint32_t quarter = 0; quarter < 4; ++quarter) {
      const auto bits = static_cast<uint32_t>(value >> (16 * quarter) & 0xffff);
      Put((quarter == 0 ? kMoveZero : kMoveKeep) | quarter << 21 | bits << 5 | to);
    }
  }

  void PutAddress(uint64_t value) {
    Put(static_cast<uint32_t>(value));
    Put(static_cast<uint32_t>(value >> 32));
  }

 private:
  uint8_t* at_;
  uint64_t address_;
};

}  // namespace

const char* RelocateArm64(std::span<const uint8_t, kEntryBytes> entry, uint64_t address,
                          uint64_t slot_address, uint64_t replacement, Relocation* out) {
  const uint32_t pad = GetLittleEndian32(entry.data());
  out->kept = pad == kBtiC || pad == kBtiJc ? kWordBytes : 0;
  out->replaced = kWordBytes;
  const uint32_t word = GetLittleEndian32(&entry[out->kept]);
  if (kBreakpoint.Matches(word)) return "breakpoint at the function's entry";
  if (kJump.Matches(word) || kLoadVeneerRegister.Matches(word))
    return "function entry already redirected: it is a jump";

  Writer trampoline(out->slot.data(), slot_address);
  if (out->kept != 0) trampoline.Put(pad);
  if (kAdr.Matches(word) || kAdrp.Matches(word)) {
    trampoline.PutConstant(AddressFormed(word, address + out->kept), word & kRegisterMask);
  } else if (MatchesAny(kMovable, word)) {
    trampoline.Put(word);
  } else {
    const char* what = MatchesAny(kBranches, word)  ? "branch"
                       : kLiteralLoad.Matches(word) ? "literal load"
                                                    : "unknown instruction";
    std::snprintf(out->refusal.data(), out->refusal.size(), "%s at entry+%zu: %08x", what,
                  out->kept, word);
    return out->refusal.data();
  }
  Writer jump(out->jump.data(), address + out->kept);
  if (!trampoline.PutJump(address + out->kept + out->replaced) ||
      !jump.PutJump(slot_address + kStubOffset))
    return "trampoline is more than 128 MiB away from the function";
  Writer stub(&out->slot[kStubOffset], slot_address + kStubOffset);
  stub.Put(kLoadX17From8);
  stub.Put(kBranchX17);
  stub.PutAddress(replacement);
  return nullptr;
}

}  // namespace helios::syntax
