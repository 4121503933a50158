// x86-64: knows the lengths of the plain instructions that compilers open functions with.
//
//   entry        [endbr64]  jmp stub (5 bytes)  nop ...
//   trampoline   [endbr64]  displaced instructions  jmp entry + kept + replaced
//   stub         jmp [rip + 0]  8-byte address of the replacement
#include <cstdio>
#include <cstring>

#include "syntax/core/relocate.hpp"

namespace helios::syntax {

namespace {

constexpr uint8_t kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};  // landing pad of indirect calls
constexpr uint8_t kNop = 0x90;
constexpr uint8_t kJumpRelative = 0xe9;  // followed by a 32-bit distance from the next instruction
constexpr size_t kJumpBytes = 5;
constexpr uint8_t kJumpShort = 0xeb;
constexpr uint8_t kBreakpoint = 0xcc;
constexpr uint8_t kGroup5 = 0xff;
constexpr uint8_t kGroup5Jump = 4;
constexpr uint8_t kJumpThroughNextBytes[] = {0xff, 0x25, 0, 0, 0, 0};  // jmp [rip + 0]

constexpr size_t kAddressBytes = 8;
constexpr size_t kMaxInstructionBytes = 13;  // mov fs:disp32(base, index), imm32 with prefixes
static_assert(kMaxReplacedBytes >= kJumpBytes - 1 + kMaxInstructionBytes);
static_assert(kEntryBytes >= sizeof kEndbr64 + kMaxReplacedBytes);
static_assert(kStubOffset >= sizeof kEndbr64 + kMaxReplacedBytes + kJumpBytes);
static_assert(kSlotBytes >= kStubOffset + sizeof kJumpThroughNextBytes + kAddressBytes);

constexpr uint8_t kPrefixFs = 0x64;
constexpr uint8_t kRexMask = 0xf0, kRex = 0x40;
constexpr uint8_t kRexWideMask = 0xf8, kRexWide = 0x48;  // operands of 64 bits
constexpr uint8_t kTwoByteOpcode = 0x0f;

struct Opcode {
  uint8_t mask, value;
  bool modrm;
  size_t immediate;     // bytes
  bool extension_zero;  // whether the other values of the ModRM byte's middle field are refused
};

constexpr Opcode kOneByteOpcodes[] = {
    {0xc5, 0x01, true, 0, false},   // add, or, adc, sbb, and, sub, xor, cmp of 32 and 64 bits
    {0xf8, 0x50, false, 0, false},  // push register
    {0xff, 0x63, true, 0, false},   // movslq
    {0xff, 0x68, false, 4, false},  // push imm32
    {0xff, 0x6a, false, 1, false},  // push imm8
    {0xff, 0x80, true, 1, false},   // add to cmp r/m8, imm8
    {0xff, 0x81, true, 4, false},   // add to cmp r/m, imm32
    {0xff, 0x83, true, 1, false},   // add to cmp r/m, imm8
    {0xfe, 0x84, true, 0, false},   // test
    {0xfc, 0x88, true, 0, false},   // mov
    {0xff, 0x8d, true, 0, false},   // lea
    {0xff, kNop, false, 0, false},  // nop
    {0xf8, 0xb0, false, 1, false},  // mov register, imm8
    {0xf8, 0xb8, false, 4, false},  // mov register, imm32; imm64 when wide
    {0xff, 0xc6, true, 1, true},    // mov r/m8, imm8; the rest aborts transactions
    {0xff, 0xc7, true, 4, true},    // mov r/m, imm32; the rest branches
};
constexpr uint8_t kMoveImmediateMask = 0xf8, kMoveImmediate = 0xb8;
constexpr size_t kWideImmediateBytes = 8;

constexpr Opcode kTwoByteOpcodes[] = {
    {0xff, 0x1f, true, 0, false},  // nop
    {0xf6, 0xb6, true, 0, false},  // movzx, movsx
};

// Finds an opcode; null: unknown.
const Opcode* Find(std::span<const Opcode> opcodes, uint8_t byte) {
  for (const Opcode& opcode : opcodes) {
    if ((byte & opcode.mask) == opcode.value) return &opcode;
  }
  return nullptr;
}

// The ModRM byte: mode, extension of the opcode or a register, register or base of the address.
constexpr uint8_t kModeByte = 1, kModeLong = 2, kModeRegister = 3;
constexpr uint8_t kBaseSib = 4;   // another byte describes the address
constexpr uint8_t kBaseNone = 5;  // with mode 0: 32 bits instead of a register
constexpr uint8_t Mode(uint8_t modrm) { return modrm >> 6; }
constexpr uint8_t Extension(uint8_t modrm) { return modrm >> 3 & 7; }
constexpr uint8_t Base(uint8_t modrm_or_sib) { return modrm_or_sib & 7; }

struct Instruction {
  size_t size;         // 0: unknown
  size_t relative_at;  // offset of a 32-bit distance from the instruction's end, 0: none
};

// Measures one instruction.
Instruction Decode(const uint8_t* code) {
  constexpr Instruction kUnknown{0, 0};
  const uint8_t* at = code;
  if (*at == kPrefixFs) ++at;
  const bool wide = (*at & kRexWideMask) == kRexWide;
  if ((*at & kRexMask) == kRex) ++at;
  const bool two_bytes = *at == kTwoByteOpcode;
  if (two_bytes) ++at;
  const uint8_t byte = *at++;
  const Opcode* opcode = two_bytes ? Find(kTwoByteOpcodes, byte) : Find(kOneByteOpcodes, byte);
  if (opcode == nullptr) return kUnknown;

  size_t relative_at = 0;
  if (opcode->modrm) {
    const uint8_t modrm = *at++;
    if (opcode->extension_zero && Extension(modrm) != 0) return kUnknown;
    if (Mode(modrm) != kModeRegister) {
      const bool sib = Base(modrm) == kBaseSib;
      const uint8_t base = sib ? Base(*at++) : Base(modrm);
      if (Mode(modrm) == 0 && base == kBaseNone) {
        if (!sib) relative_at = static_cast<size_t>(at - code);
        at += 4;
      }
      if (Mode(modrm) == kModeByte) at += 1;
      if (Mode(modrm) == kModeLong) at += 4;
    }
  }
  const bool wide_immediate = !two_bytes && wide && (byte & kMoveImmediateMask) == kMoveImmediate;
  at += wide_immediate ? kWideImmediateBytes : opcode->immediate;
  return {static_cast<size_t>(at - code), relative_at};
}

// Writes a jump that will run at `address`.
bool PutJump(uint8_t* at, uint64_t address, uint64_t destination) {
  const int64_t distance = Distance(address + kJumpBytes, destination);
  at[0] = kJumpRelative;
  PutLittleEndian(at + 1, static_cast<uint64_t>(distance), kJumpBytes - 1);
  return Reaches(distance, kX86ReachBytes);
}

}  // namespace

const char* RelocateX86(std::span<const uint8_t, kEntryBytes> entry, uint64_t address,
                        uint64_t slot_address, uint64_t replacement, Relocation* out) {
  const bool landing_pad = std::memcmp(entry.data(), kEndbr64, sizeof kEndbr64) == 0;
  out->kept = landing_pad ? sizeof kEndbr64 : 0;
  const uint8_t first = entry[out->kept], second = entry[out->kept + 1];
  if (first == kBreakpoint) return "breakpoint at the function's entry";
  if (first == kJumpRelative || first == kJumpShort ||
      (first == kGroup5 && Extension(second) == kGroup5Jump))
    return "function entry already redirected: it is a jump";

  size_t taken = out->kept;  // in entry as in slot: an instruction keeps its length
  std::memcpy(out->slot.data(), entry.data(), taken);
  while (taken < out->kept + kJumpBytes) {
    const Instruction instruction = Decode(&entry[taken]);
    if (instruction.size == 0) {
      std::snprintf(out->refusal.data(), out->refusal.size(),
                    "unknown instruction at entry+%zu: %02x %02x %02x %02x", taken, entry[taken],
                    entry[taken + 1], entry[taken + 2], entry[taken + 3]);
      return out->refusal.data();
    }
    std::memcpy(&out->slot[taken], &entry[taken], instruction.size);
    if (instruction.relative_at != 0) {
      uint8_t* operand = &out->slot[taken + instruction.relative_at];
      const int64_t distance =
          static_cast<int32_t>(GetLittleEndian32(operand)) + Distance(slot_address, address);
      if (!Reaches(distance, kX86ReachBytes)) {
        std::snprintf(out->refusal.data(), out->refusal.size(),
                      "operand of the instruction at entry+%zu is out of reach", taken);
        return out->refusal.data();
      }
      PutLittleEndian(operand, static_cast<uint64_t>(distance), sizeof(int32_t));
    }
    taken += instruction.size;
  }
  out->replaced = taken - out->kept;

  if (!PutJump(&out->slot[taken], slot_address + taken, address + taken) ||
      !PutJump(out->jump.data(), address + out->kept, slot_address + kStubOffset))
    return "trampoline is more than 2 GiB away from the function";
  std::memset(&out->jump[kJumpBytes], kNop, out->replaced - kJumpBytes);
  uint8_t* stub = &out->slot[kStubOffset];
  std::memcpy(stub, kJumpThroughNextBytes, sizeof kJumpThroughNextBytes);
  PutLittleEndian(stub + sizeof kJumpThroughNextBytes, replacement, kAddressBytes);
  return nullptr;
}

}  // namespace helios::syntax
