#include "syntax/core/redirect.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// What the next calls of mprotect with this protection fail with; 0: nothing.
int forbidden_protection = 0;
int forbidden_errno = 0;

}  // namespace

// Displaces the C library's, for the kernels that are linked into this program.
extern "C" int mprotect(void* at, size_t size, int protection) noexcept {
  if (forbidden_errno != 0 && protection == forbidden_protection) {
    errno = forbidden_errno;
    return -1;
  }
  return static_cast<int>(syscall(SYS_mprotect, at, size, protection));
}

namespace helios::syntax {
namespace {

using Entry = std::array<uint8_t, kEntryBytes>;

constexpr uint64_t kMiB = 1 << 20;

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

// Toys in one page, with prologues as compilers write them. All of them take and return an int.
//   toy_plain(x) = x + 1, toy_guarded(x) = x + 2 behind a landing pad, toy_relative(x) = x + toy_addend
//   toy_refused begins with what no relocator accepts.
#if defined(__x86_64__)
asm(R"(
  .globl toy_plain, toy_guarded, toy_relative, toy_refused
  .text
  .p2align 12
toy_plain:
  push %rbp
  mov %rsp, %rbp
  sub $16, %rsp
  lea 1(%rdi), %eax
  leave
  ret
  .p2align 4
toy_guarded:
  endbr64
  push %rbp
  mov %rsp, %rbp
  lea 2(%rdi), %eax
  pop %rbp
  ret
  .p2align 4
toy_relative:
  mov toy_addend(%rip), %eax
  add %edi, %eax
  ret
  .p2align 4
toy_refused:
  ud2
  .p2align 12
  .data
toy_addend:
  .long 3
  .text
)");
constexpr const char* kRefused = "unknown instruction at entry+0: 0f 0b ";
#else
asm(R"(
  .globl toy_plain, toy_guarded, toy_relative, toy_refused
  .text
  .p2align 12
toy_plain:
  stp x29, x30, [sp, #-16]!
  mov x29, sp
  add w0, w0, #1
  ldp x29, x30, [sp], #16
  ret
  .p2align 4
toy_guarded:
  hint #34
  stp x29, x30, [sp, #-16]!
  add w0, w0, #2
  ldp x29, x30, [sp], #16
  ret
  .p2align 4
toy_relative:
  adrp x1, toy_addend
  ldr w1, [x1, :lo12:toy_addend]
  add w0, w0, w1
  ret
  .p2align 4
toy_refused:
  udf #0
  .p2align 12
  .data
toy_addend:
  .word 3
  .text
)");
constexpr const char* kRefused = "unknown instruction at entry+0: 00000000";
#endif

extern "C" {
int toy_plain(int x);
int toy_guarded(int x);
int toy_relative(int x);
int toy_refused(int x);
}

using Toy = int (*)(int);

// What a test redirects to; tells the original's answer from its own.
Redirect* in_use = nullptr;
int Replacement(int x) { return reinterpret_cast<Toy>(in_use->original())(x) + 1000; }
int OtherReplacement(int) { return -1; }

void* CodeOf(Toy toy) { return reinterpret_cast<void*>(toy); }

// Runs a body in a child, which may spoil its own process; the body returns its exit status.
int StatusOfChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Redirect, RedirectsAndReverts) {
  const struct {
    Toy toy;
    int adds;
  } toys[] = {{toy_plain, 1}, {toy_guarded, 2}, {toy_relative, 3}};
  for (const auto& [toy, adds] : toys) {
    Entry before;
    std::memcpy(before.data(), CodeOf(toy), before.size());
    Redirect redirect;
    in_use = &redirect;
    EXPECT_EQ(redirect.original(), nullptr);
    ASSERT_STREQ(redirect.Prepare(CodeOf(toy), CodeOf(Replacement)), nullptr);
    const Toy original = reinterpret_cast<Toy>(redirect.original());
    EXPECT_EQ(toy(10), 10 + adds);
    EXPECT_EQ(original(10), 10 + adds);
    EXPECT_EQ(std::memcmp(before.data(), CodeOf(toy), before.size()), 0);
    for (int round = 0; round < 2; ++round) {
      ASSERT_STREQ(redirect.Apply(), nullptr);
      EXPECT_EQ(toy(10), 1010 + adds);
      EXPECT_EQ(original(10), 10 + adds);
      ASSERT_STREQ(redirect.Revert(), nullptr);
      EXPECT_EQ(toy(10), 10 + adds);
      EXPECT_EQ(original(10), 10 + adds);
      EXPECT_EQ(std::memcmp(before.data(), CodeOf(toy), before.size()), 0);
    }
  }
}

TEST(Redirect, SharesAPageInAnyOrder) {
  Redirect first, second;
  in_use = &first;
  ASSERT_STREQ(first.Prepare(CodeOf(toy_plain), CodeOf(Replacement)), nullptr);
  ASSERT_STREQ(second.Prepare(CodeOf(toy_relative), CodeOf(OtherReplacement)), nullptr);
  EXPECT_NE(first.original(), second.original());
  ASSERT_STREQ(first.Apply(), nullptr);
  ASSERT_STREQ(second.Apply(), nullptr);
  EXPECT_EQ(toy_plain(1), 1002);
  EXPECT_EQ(toy_relative(1), -1);
  EXPECT_EQ(toy_guarded(1), 3);
  ASSERT_STREQ(first.Revert(), nullptr);
  EXPECT_EQ(toy_plain(1), 2);
  EXPECT_EQ(toy_relative(1), -1);
  ASSERT_STREQ(second.Revert(), nullptr);
  EXPECT_EQ(toy_relative(1), 4);
  EXPECT_EQ(reinterpret_cast<Toy>(second.original())(1), 4);
}

TEST(Redirect, RefusesCallsOutOfOrder) {
  Redirect redirect, other;
  in_use = &redirect;
  EXPECT_STREQ(redirect.Apply(), "not prepared");
  EXPECT_STREQ(redirect.Revert(), "not applied");
  EXPECT_EQ(
      std::string(redirect.Prepare(CodeOf(toy_refused), CodeOf(Replacement))).rfind(kRefused, 0),
      0u);
  EXPECT_EQ(redirect.original(), nullptr);
  ASSERT_STREQ(redirect.Prepare(CodeOf(toy_plain), CodeOf(Replacement)), nullptr);
  EXPECT_STREQ(redirect.Prepare(CodeOf(toy_plain), CodeOf(Replacement)), "prepared already");
  EXPECT_STREQ(redirect.Revert(), "not applied");
  ASSERT_STREQ(other.Prepare(CodeOf(toy_plain), CodeOf(OtherReplacement)), nullptr);
  ASSERT_STREQ(redirect.Apply(), nullptr);
  EXPECT_STREQ(redirect.Apply(), "applied already");
  EXPECT_STREQ(other.Apply(), "function entry has been changed by somebody else");
  Redirect late;
  EXPECT_STREQ(late.Prepare(CodeOf(toy_plain), CodeOf(OtherReplacement)),
               "function entry already redirected: it is a jump");
  EXPECT_EQ(toy_plain(1), 1002);
  ASSERT_STREQ(redirect.Revert(), nullptr);
  EXPECT_STREQ(redirect.Revert(), "not applied");
  EXPECT_EQ(toy_plain(1), 2);
}

// Makes mprotect fail while it exists.
class Forbid {
 public:
  explicit Forbid(int protection) {
    forbidden_protection = protection;
    forbidden_errno = EACCES;
  }
  ~Forbid() { forbidden_errno = 0; }
};

TEST(Redirect, ObeysRefusalsOfTheKernel) {
  constexpr int kCode = PROT_READ | PROT_EXEC;
  Redirect redirect;
  in_use = &redirect;
  {
    Forbid forbid(kCode);
    EXPECT_STREQ(redirect.Prepare(CodeOf(toy_plain), CodeOf(Replacement)),
                 "mprotect(read, execute) of a new page refused: Permission denied");
    EXPECT_EQ(redirect.original(), nullptr);
  }
  ASSERT_STREQ(redirect.Prepare(CodeOf(toy_plain), CodeOf(Replacement)), nullptr);
  {
    Forbid forbid(kCode | PROT_WRITE);
    EXPECT_STREQ(redirect.Apply(), "mprotect(read, write, execute) refused: Permission denied");
    EXPECT_EQ(toy_plain(1), 2);
  }
  {
    Forbid forbid(kCode);
    EXPECT_STREQ(redirect.Apply(),
                 "mprotect(read, execute) refused: Permission denied; the entry is as before, its "
                 "page is writable");
    EXPECT_EQ(toy_plain(1), 2);
  }
  ASSERT_STREQ(redirect.Apply(), nullptr);
  EXPECT_EQ(toy_plain(1), 1002);
  {
    Forbid forbid(kCode);
    EXPECT_NE(redirect.Revert(), nullptr);
    EXPECT_EQ(toy_plain(1), 1002);
  }
  ASSERT_STREQ(redirect.Revert(), nullptr);
  EXPECT_EQ(toy_plain(1), 2);
}

TEST(Redirect, ObeysMemoryDenyWriteExecute) {
  constexpr int kSetMdwe = 65, kRefuseExecGain = 1, kNoMdwe = 77;  // linux/prctl.h, since 6.3
  static Redirect prepared, late;
  in_use = &prepared;
  ASSERT_STREQ(prepared.Prepare(CodeOf(toy_plain), CodeOf(Replacement)), nullptr);
  const int status = StatusOfChild([] {
    if (prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0) != 0) return kNoMdwe;
    const char* refusal = prepared.Apply();
    if (refusal == nullptr ||
        std::strcmp(refusal, "mprotect(read, write, execute) refused: Permission denied") != 0)
      return 1;
    if (toy_plain(1) != 2) return 2;
    refusal = late.Prepare(CodeOf(toy_guarded), CodeOf(Replacement));
    if (refusal == nullptr ||
        std::strcmp(refusal, "mprotect(read, execute) of a new page refused: Permission denied") !=
            0)
      return 3;
    return toy_guarded(1) == 3 ? 0 : 4;
  });
  if (status == kNoMdwe) GTEST_SKIP() << "the kernel has no PR_SET_MDWE";
  EXPECT_EQ(status, 0);
}

TEST(Redirect, ReportsThatNoPageIsFree) {
  const int status = StatusOfChild([] {
    // Twice what any processor reaches, in pieces that halve where something is in the way.
    const uint64_t home = reinterpret_cast<uintptr_t>(CodeOf(toy_plain)) & ~(kMiB - 1);
    const std::function<void(uint64_t, uint64_t)> occupy = [&](uint64_t at, uint64_t size) {
      void* wanted = reinterpret_cast<void*>(static_cast<uintptr_t>(at));
      constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
      if (mmap(wanted, size, PROT_NONE, kFlags, -1, 0) == wanted) return;
      if (size <= static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) return;
      occupy(at, size / 2);
      occupy(at + size / 2, size / 2);
    };
    occupy(home - 4096 * kMiB, 4096 * kMiB);
    occupy(home, 4096 * kMiB);
    Redirect redirect;
    const char* refusal = redirect.Prepare(CodeOf(toy_plain), CodeOf(Replacement));
    return refusal != nullptr && std::strncmp(refusal, "no free page within ", 20) == 0 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

#else

TEST(Redirect, RefusesOtherProcessors) {
  Redirect redirect;
  EXPECT_STREQ(redirect.Prepare(nullptr, nullptr), "no redirector for this processor architecture");
}

#endif

}  // namespace
}  // namespace helios::syntax
