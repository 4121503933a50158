#include "syntax/core/relocate.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace helios::syntax {
namespace {

using Entry = std::array<uint8_t, kEntryBytes>;

constexpr uint64_t kAddress = 0x0000'5555'5540'1230;
constexpr uint64_t kReplacement = 0x0000'7fff'f7a0'1230;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSlot = kAddress - 0x230 - kMiB;

// Returns an entry that opens with some bytes and goes on with int3.
Entry BytesOf(const std::vector<uint8_t>& bytes) {
  Entry entry;
  entry.fill(0xcc);
  std::copy(bytes.begin(), bytes.end(), entry.begin());
  return entry;
}

// Returns why an entry is refused, or "".
std::string RefusalX86(const std::vector<uint8_t>& bytes, uint64_t slot = kSlot) {
  Relocation relocation{};
  const char* refusal = RelocateX86(BytesOf(bytes), kAddress, slot, kReplacement, &relocation);
  return refusal == nullptr ? "" : refusal;
}

// Returns where a jmp rel32 at some address goes.
uint64_t JumpTargetX86(const uint8_t* jump, uint64_t address) {
  EXPECT_EQ(jump[0], 0xe9);
  return address + 5 +
         static_cast<uint64_t>(int64_t{static_cast<int32_t>(GetLittleEndian32(jump + 1))});
}

// Verifies that the instructions, whole and at least 5 bytes, move unchanged, and all jumps.
void ExpectMovedX86(const std::vector<uint8_t>& bytes, size_t kept = 0) {
  SCOPED_TRACE(testing::PrintToString(bytes));
  Relocation relocation{};
  const char* refusal = RelocateX86(BytesOf(bytes), kAddress, kSlot, kReplacement, &relocation);
  ASSERT_EQ(refusal, nullptr) << refusal;
  ASSERT_EQ(relocation.kept, kept);
  ASSERT_EQ(relocation.kept + relocation.replaced, bytes.size());
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), relocation.slot.begin()));
  EXPECT_EQ(JumpTargetX86(&relocation.slot[bytes.size()], kSlot + bytes.size()),
            kAddress + bytes.size());
  EXPECT_EQ(JumpTargetX86(relocation.jump.data(), kAddress + kept), kSlot + kStubOffset);
  for (size_t i = 5; i < relocation.replaced; ++i) EXPECT_EQ(relocation.jump[i], 0x90);
  const std::array<uint8_t, 14> stub = {0xff, 0x25, 0,    0,    0,    0,    0x30,
                                        0x12, 0xa0, 0xf7, 0xff, 0x7f, 0x00, 0x00};
  EXPECT_TRUE(std::equal(stub.begin(), stub.end(), &relocation.slot[kStubOffset]));
}

TEST(RelocateX86, MovesPlainInstructions) {
  // Each opens with what is tested; nops fill up to 5 bytes.
  const std::vector<std::vector<uint8_t>> plain = {
      {0x55, 0x48, 0x89, 0xe5, 0x41, 0x57},                    // push; mov; push r15
      {0x48, 0x83, 0xec, 0x28, 0x90},                          // sub rsp, 40
      {0x48, 0x81, 0xec, 0x98, 0x00, 0x00, 0x00},              // sub rsp, 152
      {0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00},  // mov rax, fs:[40]
      {0x48, 0x89, 0x45, 0xf8, 0x90},                          // mov [rbp - 8], rax
      {0x48, 0x89, 0x85, 0x00, 0xff, 0xff, 0xff},              // mov [rbp - 256], rax
      {0x4c, 0x89, 0x64, 0x24, 0x08},                          // mov [rsp + 8], r12
      {0x4c, 0x8d, 0xa4, 0x24, 0x00, 0x01, 0x00, 0x00},        // lea r12, [rsp + 256]
      {0x8d, 0x04, 0x3f, 0x90, 0x90},                          // lea eax, [rdi + rdi]
      {0x31, 0xc0, 0x85, 0xff, 0x33, 0xd2},                    // xor; test; xor
      {0x39, 0xf7, 0x3b, 0x37, 0x01, 0xd8},                    // cmp; cmp [rdi]; add
      {0x48, 0x63, 0xf6, 0x0f, 0xb6, 0x07},                    // movslq; movzx [rdi]
      {0x0f, 0xbf, 0xc7, 0x0f, 0xb7, 0xff},                    // movsx; movzx
      {0x0f, 0x1f, 0x44, 0x00, 0x00},                          // nop of 5 bytes
      {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},              // nop of 7 bytes
      {0xb8, 0x01, 0x00, 0x00, 0x00},                          // mov eax, 1
      {0x41, 0xb8, 0x01, 0x00, 0x00, 0x00},                    // mov r8d, 1
      {0x49, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8},                    // mov r8, imm64
      {0x40, 0xb6, 0x01, 0xb0, 0x02},                          // mov sil, 1; mov al, 2
      {0x68, 0x00, 0x01, 0x00, 0x00},                          // push 256
      {0x6a, 0x01, 0x6a, 0x02, 0x50},                          // push 1; push 2; push rax
      {0xc6, 0x47, 0x10, 0x01, 0x90},                          // mov byte [rdi + 16], 1
      {0xc7, 0x07, 0x01, 0x00, 0x00, 0x00},                    // mov dword [rdi], 1
      {0x80, 0x3f, 0x00, 0x84, 0xc0},                          // cmp byte [rdi], 0; test al, al
      {0x88, 0x07, 0x8a, 0x06, 0x90},                          // mov [rdi], al; mov al, [rsi]
      {0x64, 0x48, 0xc7, 0x84, 0xc8, 1, 0, 0, 0, 2, 0, 0, 0},  // the longest one known
  };
  for (const std::vector<uint8_t>& bytes : plain) ExpectMovedX86(bytes);
}

TEST(RelocateX86, KeepsTheLandingPad) {
  ExpectMovedX86({0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x53}, 4);
}

TEST(RelocateX86, TakesUpToFourBytesMore) {
  std::vector<uint8_t> bytes = {0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5};
  const std::vector<uint8_t> longest = {0x64, 0x48, 0xc7, 0x84, 0xc8, 1, 0, 0, 0, 2, 0, 0, 0};
  bytes.insert(bytes.end(), longest.begin(), longest.end());
  ExpectMovedX86(bytes, 4);
}

// Verifies that "push; lea rcx, [rip + before]" addresses the same byte from the slot.
void ExpectRebased(int32_t before, uint64_t slot) {
  std::vector<uint8_t> bytes = {0x55, 0x48, 0x8d, 0x0d, 0, 0, 0, 0};
  PutLittleEndian(&bytes[4], static_cast<uint32_t>(before), 4);
  Relocation relocation{};
  const char* refusal = RelocateX86(BytesOf(bytes), kAddress, slot, kReplacement, &relocation);
  ASSERT_EQ(refusal, nullptr) << refusal;
  const int64_t after = static_cast<int32_t>(GetLittleEndian32(&relocation.slot[4]));
  EXPECT_EQ(slot + 8 + static_cast<uint64_t>(after),
            kAddress + 8 + static_cast<uint64_t>(int64_t{before}));
}

TEST(RelocateX86, RebasesRelativeOperands) {
  for (int32_t before : {0, 1, -1, 0x4384d8, -0x4384d8}) {
    for (uint64_t slot : {kSlot, kSlot + 2 * kMiB, kAddress - 2000 * kMiB, kAddress + 2000 * kMiB})
      ExpectRebased(before, slot);
  }
  // To the last byte of the reach, on either side.
  ExpectRebased(INT32_MAX - int32_t{kMiB}, kAddress - kMiB);
  ExpectRebased(INT32_MIN + int32_t{kMiB}, kAddress + kMiB);
}

TEST(RelocateX86, RebasesBeforeAnImmediate) {
  // cmp dword [rip + 16], 1; the distance counts from the end of the immediate.
  Relocation relocation{};
  ASSERT_EQ(RelocateX86(BytesOf({0x83, 0x3d, 16, 0, 0, 0, 1}), kAddress, kAddress - kMiB,
                        kReplacement, &relocation),
            nullptr);
  EXPECT_EQ(GetLittleEndian32(&relocation.slot[2]), 16 + kMiB);
  EXPECT_EQ(relocation.slot[6], 1);
}

TEST(RelocateX86, RefusesWhatIsOutOfReach) {
  std::vector<uint8_t> bytes = {0x90, 0x48, 0x8d, 0x0d, 0, 0, 0, 0};
  const std::string reason = "operand of the instruction at entry+1 is out of reach";
  PutLittleEndian(&bytes[4], uint32_t{INT32_MAX} - kMiB + 1, 4);
  EXPECT_EQ(RefusalX86(bytes, kAddress - kMiB), reason);
  PutLittleEndian(&bytes[4], (uint32_t{1} << 31) + kMiB - 1, 4);
  EXPECT_EQ(RefusalX86(bytes, kAddress + kMiB), reason);
  const std::vector<uint8_t> plain = {0x55, 0x48, 0x89, 0xe5, 0x53};
  const std::string far = "trampoline is more than 2 GiB away from the function";
  EXPECT_EQ(RefusalX86(plain, kAddress - 2047 * kMiB), "");
  EXPECT_EQ(RefusalX86(plain, kAddress + 2047 * kMiB), "");
  EXPECT_EQ(RefusalX86(plain, kAddress - 2049 * kMiB), far);
  EXPECT_EQ(RefusalX86(plain, kAddress + 2049 * kMiB), far);
  EXPECT_EQ(RefusalX86(plain, kAddress + 2048 * kMiB - kStubOffset + 5), far);
  EXPECT_EQ(RefusalX86(plain, kAddress + 2048 * kMiB - kStubOffset + 4), "");
}

TEST(RelocateX86, RefusesAlteredEntries) {
  const std::string redirected = "function entry already redirected: it is a jump";
  EXPECT_EQ(RefusalX86({0xe9, 1, 2, 3, 4}), redirected);
  EXPECT_EQ(RefusalX86({0xeb, 0x10}), redirected);
  EXPECT_EQ(RefusalX86({0xff, 0x25, 0, 0, 0, 0}), redirected);
  EXPECT_EQ(RefusalX86({0xff, 0xe0}), redirected);  // jmp rax
  EXPECT_EQ(RefusalX86({0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 1, 2, 3, 4}), redirected);
  EXPECT_EQ(RefusalX86({0xcc, 0x48, 0x89, 0xe5}), "breakpoint at the function's entry");
  EXPECT_EQ(RefusalX86({0xf3, 0x0f, 0x1e, 0xfa, 0xcc}), "breakpoint at the function's entry");
}

TEST(RelocateX86, RefusesWhatItDoesNotKnow) {
  const std::vector<std::vector<uint8_t>> unknown = {
      {0x0f, 0x0b},                    // ud2
      {0xe8, 0, 0, 0, 0},              // call
      {0x74, 0x10},                    // je
      {0x0f, 0x84, 0, 0, 0, 0},        // je, far
      {0xc3},                          // ret
      {0xff, 0x35, 0, 0, 0, 0},        // push [rip]
      {0xff, 0xd0},                    // call rax
      {0xc7, 0xf8, 0, 0, 0, 0},        // xbegin
      {0xc6, 0xf8, 0x00},              // xabort
      {0x66, 0x81, 0xc0, 0, 0},        // add ax, imm16
      {0xf3, 0x0f, 0x1e, 0xc8},        // rdsspd
      {0xf0, 0x01, 0x07},              // lock add
      {0xc5, 0xf8, 0x77},              // vzeroupper
      {0x48, 0x48, 0x89, 0xe5},        // two REX prefixes
      {0x48, 0x64, 0x89, 0x04, 0x25},  // REX before fs
      {0x67, 0x8d, 0x07},              // lea with 32-bit address
  };
  for (const std::vector<uint8_t>& bytes : unknown) {
    std::vector<uint8_t> code = {0x55, 0x48, 0x89, 0xe5};
    code.insert(code.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(RefusalX86(code).rfind("unknown instruction at entry+4: ", 0), 0u)
        << testing::PrintToString(bytes);
  }
  EXPECT_EQ(RefusalX86({0x55, 0x48, 0x89, 0xe5, 0x0f, 0x0b}),
            "unknown instruction at entry+4: 0f 0b cc cc");
  EXPECT_EQ(RefusalX86({0xf3, 0x0f, 0x1e, 0xfa, 0x90, 0xc3}),
            "unknown instruction at entry+5: c3 cc cc cc");
}

// Returns an entry that opens with some words and goes on with udf.
Entry WordsOf(std::initializer_list<uint32_t> words) {
  Entry entry{};
  uint8_t* at = entry.data();
  for (uint32_t word : words) {
    PutLittleEndian(at, word, 4);
    at += 4;
  }
  return entry;
}

// Returns word i of some bytes.
uint32_t WordAt(const uint8_t* code, size_t i) { return GetLittleEndian32(code + 4 * i); }

// Returns where a "b" at some address goes.
uint64_t JumpTargetArm64(uint32_t word, uint64_t address) {
  EXPECT_EQ(word >> 26, 5u);
  return address + static_cast<uint64_t>(int64_t{static_cast<int32_t>(word << 6)} >> 4);
}

// Returns why an entry is refused, or "".
std::string RefusalArm64(std::initializer_list<uint32_t> words, uint64_t slot = kSlot) {
  Relocation relocation{};
  const char* refusal = RelocateArm64(WordsOf(words), kAddress, slot, kReplacement, &relocation);
  return refusal == nullptr ? "" : refusal;
}

constexpr uint32_t kBtiC = 0xd503245f;

TEST(RelocateArm64, MovesPlainInstructions) {
  const uint32_t plain[] = {
      0xa9bf7bfd,  // stp x29, x30, [sp, #-16]!
      0xa9017bfd,  // stp x29, x30, [sp, #16]
      0x6dbd23e9,  // stp d9, d8, [sp, #-48]!
      0xd503233f,  // paciasp
      0xd503237f,  // pacibsp
      0xd503201f,  // nop
      0xd10083ff,  // sub sp, sp, #32
      0x910003fd,  // mov x29, sp
      0x7100041f,  // cmp w0, #1
      0x12001c00,  // and w0, w0, #255
      0xd2800020,  // mov x0, #1
      0x53001c00,  // uxtb w0, w0
      0xaa0003f3,  // mov x19, x0
      0x8b010000,  // add x0, x0, x1
      0xcb2063ff,  // sub sp, sp, x0
      0xf9400013,  // ldr x19, [x0]
      0x39400000,  // ldrb w0, [x0]
      0xf81f0ffe,  // str x30, [sp, #-16]!
      0xf85f8000,  // ldur x0, [x0, #-8]
  };
  for (uint32_t word : plain) {
    SCOPED_TRACE(testing::Message() << std::hex << word);
    Relocation relocation{};
    ASSERT_EQ(RelocateArm64(WordsOf({word}), kAddress, kSlot, kReplacement, &relocation), nullptr);
    EXPECT_EQ(relocation.kept, 0u);
    ASSERT_EQ(relocation.replaced, 4u);
    EXPECT_EQ(WordAt(relocation.slot.data(), 0), word);
    EXPECT_EQ(JumpTargetArm64(WordAt(relocation.slot.data(), 1), kSlot + 4), kAddress + 4);
    EXPECT_EQ(JumpTargetArm64(WordAt(relocation.jump.data(), 0), kAddress), kSlot + kStubOffset);
    const uint8_t* stub = &relocation.slot[kStubOffset];
    EXPECT_EQ(WordAt(stub, 0), 0x58000051u);  // ldr x17, . + 8
    EXPECT_EQ(WordAt(stub, 1), 0xd61f0220u);  // br x17
    EXPECT_EQ(WordAt(stub, 2), kReplacement & UINT32_MAX);
    EXPECT_EQ(WordAt(stub, 3), kReplacement >> 32);
  }
}

TEST(RelocateArm64, KeepsTheLandingPad) {
  for (uint32_t pad : {kBtiC, 0xd50324dfu}) {
    Relocation relocation{};
    ASSERT_EQ(RelocateArm64(WordsOf({pad, 0xa9bf7bfd}), kAddress, kSlot, kReplacement, &relocation),
              nullptr);
    EXPECT_EQ(relocation.kept, 4u);
    EXPECT_EQ(relocation.replaced, 4u);
    EXPECT_EQ(WordAt(relocation.slot.data(), 0), pad);
    EXPECT_EQ(WordAt(relocation.slot.data(), 1), 0xa9bf7bfdu);
    EXPECT_EQ(JumpTargetArm64(WordAt(relocation.slot.data(), 2), kSlot + 8), kAddress + 8);
    EXPECT_EQ(JumpTargetArm64(WordAt(relocation.jump.data(), 0), kAddress + 4),
              kSlot + kStubOffset);
  }
}

// Returns the value that movz and three movk leave in register `to`.
uint64_t Materialized(const uint8_t* code, uint32_t to) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t word = WordAt(code, i);
    EXPECT_EQ(word >> 23, i == 0 ? 0x1a5u : 0x1e5u);
    EXPECT_EQ(word >> 21 & 3, i);
    EXPECT_EQ(word & 31, to);
    value |= uint64_t{word >> 5 & 0xffff} << (16 * i);
  }
  return value;
}

TEST(RelocateArm64, MaterializesAddresses) {
  const struct {
    uint32_t word, to;
    uint64_t kept, value;
  } cases[] = {
      {0x90000002, 2, 0, 0x555555401000},       // adrp x2, . + 0
      {0xb0000002, 2, 0, 0x555555402000},       // adrp x2, . + 1 page
      {0xf0ffffe2, 2, 0, 0x555555400000},       // adrp x2, . - 1 page
      {0x9080001e, 30, 0, 0x555455401000},      // adrp x30, . - 4 GiB
      {0xf07fffe2, 2, 0, 0x555655400000},       // adrp x2, . + 4 GiB - 1 page
      {0x10000000, 0, 0, kAddress},             // adr x0, .
      {0x30000001, 1, 0, kAddress + 1},         // adr x1, . + 1
      {0x70ffffe1, 1, 0, kAddress - 1},         // adr x1, . - 1
      {0x10800001, 1, 0, kAddress - kMiB},      // adr x1, . - 1 MiB
      {0x707fffe1, 1, 0, kAddress + kMiB - 1},  // adr x1, . + 1 MiB - 1
      {0x10000000, 0, 4, kAddress + 4},         // behind a landing pad
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(testing::Message() << std::hex << c.word);
    Relocation relocation{};
    const Entry entry = c.kept != 0 ? WordsOf({kBtiC, c.word}) : WordsOf({c.word});
    ASSERT_EQ(RelocateArm64(entry, kAddress, kSlot, kReplacement, &relocation), nullptr);
    EXPECT_EQ(Materialized(&relocation.slot[c.kept], c.to), c.value);
    EXPECT_EQ(JumpTargetArm64(WordAt(&relocation.slot[c.kept], 4), kSlot + c.kept + 16),
              kAddress + c.kept + 4);
  }
}

TEST(RelocateArm64, RefusesWhatIsOutOfReach) {
  const std::string far = "trampoline is more than 128 MiB away from the function";
  EXPECT_EQ(RefusalArm64({0xa9bf7bfd}, kAddress - 127 * kMiB), "");
  EXPECT_EQ(RefusalArm64({0xa9bf7bfd}, kAddress + 127 * kMiB), "");
  EXPECT_EQ(RefusalArm64({0xa9bf7bfd}, kAddress + 128 * kMiB - kStubOffset - 4), "");
  EXPECT_EQ(RefusalArm64({0xa9bf7bfd}, kAddress + 128 * kMiB - kStubOffset), far);
  EXPECT_EQ(RefusalArm64({0xa9bf7bfd}, kAddress - 129 * kMiB), far);
}

TEST(RelocateArm64, RefusesAlteredEntries) {
  const std::string redirected = "function entry already redirected: it is a jump";
  EXPECT_EQ(RefusalArm64({0x14000010}), redirected);
  EXPECT_EQ(RefusalArm64({kBtiC, 0x17ffffff}), redirected);
  EXPECT_EQ(RefusalArm64({0x58000051, 0xd61f0220}), redirected);
  EXPECT_EQ(RefusalArm64({0x58000050, 0xd61f0200}), redirected);
  EXPECT_EQ(RefusalArm64({0xd4200000}), "breakpoint at the function's entry");
}

TEST(RelocateArm64, RefusesWhatCannotMove) {
  const uint32_t branches[] = {
      0x94000010,  // bl
      0x54000080,  // b.eq
      0x54000090,  // bc.eq
      0xb4000080,  // cbz x0
      0x35000080,  // cbnz w0
      0x36000080,  // tbz w0, #0
      0xb7f80080,  // tbnz x0, #63
      0xd65f03c0,  // ret
      0xd61f0200,  // br x16
      0xd63f0000,  // blr x0
      0x74000000,  // cbgt
  };
  for (uint32_t word : branches) {
    EXPECT_EQ(RefusalArm64({word}).rfind("branch at entry+0: ", 0), 0u) << std::hex << word;
  }
  const uint32_t literals[] = {
      0x58000080,  // ldr x0, literal
      0x18000080,  // ldr w0, literal
      0x98000080,  // ldrsw x0, literal
      0xd8000080,  // prfm literal
      0x9c000080,  // ldr q0, literal
  };
  for (uint32_t word : literals) {
    EXPECT_EQ(RefusalArm64({word}).rfind("literal load at entry+0: ", 0), 0u) << std::hex << word;
  }
  EXPECT_EQ(RefusalArm64({0xd4000001}), "unknown instruction at entry+0: d4000001");  // svc
  EXPECT_EQ(RefusalArm64({kBtiC, 0xdac1a3fe}),  // paciasppc signs its own address too
            "unknown instruction at entry+4: dac1a3fe");
  EXPECT_EQ(RefusalArm64({0}), "unknown instruction at entry+0: 00000000");
}

}  // namespace
}  // namespace helios::syntax
