// Puts a redirect into memory: finds a page for the trampoline, writes the jump, takes it back.
//
//   caller ──call──► entry of the target            replacement
//                    [landing pad]                       ▲   │ calls original()
//                    jump ─────────────► stub ───────────┘   │
//                    rest of the target               trampoline
//                        ▲                            [landing pad]
//                        │                            displaced instructions
//                        └────────────────────────────jump
//
//   The slot, one page near the target:   0 trampoline        48 stub           64
//
// The stub is there because the jump at the entry is short and reaches the slot but not any address.
// Protection of the slot: read, write, then read, execute, never again writable. Protection of the
// target's page: read, execute; all three while the jump is written; read, execute. A platform that
// forbids either step is obeyed.
#include "syntax/core/redirect.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace helios::syntax {

namespace {

struct Platform {
  Relocator* relocate;
  uint64_t reach_bytes;  // 0: no redirector
  const char* no_page;
};
#if defined(__linux__) && defined(__x86_64__)
constexpr Platform kPlatform{RelocateX86, kX86ReachBytes,
                             "no free page within 2 GiB of the function"};
#elif defined(__linux__) && defined(__aarch64__)
constexpr Platform kPlatform{RelocateArm64, kArm64ReachBytes,
                             "no free page within 128 MiB of the function"};
#else
constexpr Platform kPlatform{};
#endif

// Distance between the places that are tried for a page, and kept from the limits of the reach.
constexpr uint64_t kSearchStepBytes = uint64_t{1} << 20;

constexpr int kCodeProtection = PROT_READ | PROT_EXEC;

uint64_t PageBytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// Maps a writable page at exactly this address, or returns null.
void* MapPageAt(uint64_t address) {
  void* wanted = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  void* page = mmap(wanted, PageBytes(), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page == wanted) return page;
  // Kernels before 4.17 take the address as a mere wish.
  if (page != MAP_FAILED) munmap(page, PageBytes());
  return nullptr;
}

// Maps a writable page near an address, or returns null.
void* MapPageNear(uint64_t address) {
  const uint64_t home = address - address % PageBytes();
  const uint64_t limit = kPlatform.reach_bytes - kSearchStepBytes;
  // Below first: above an executable the heap grows.
  for (uint64_t away = kSearchStepBytes; away < limit && away < home; away += kSearchStepBytes) {
    if (void* page = MapPageAt(home - away)) return page;
  }
  for (uint64_t away = kSearchStepBytes; away < limit; away += kSearchStepBytes) {
    if (void* page = MapPageAt(home + away)) return page;
  }
  return nullptr;
}

// Sets the protection of the pages that hold some bytes.
bool Protect(uint8_t* at, size_t size, int protection) {
  const uint64_t before = AddressOf(at) % PageBytes();
  return mprotect(at - before, before + size, protection) == 0;
}

// Writes code where a processor may have read other code before.
void WriteCode(uint8_t* at, const uint8_t* bytes, size_t size) {
  std::memcpy(at, bytes, size);
  __builtin___clear_cache(reinterpret_cast<char*>(at), reinterpret_cast<char*>(at + size));
}

// No signal handler runs, and so none calls a function half written, while this exists.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

const char* Redirect::Prepare(void* target, void* replacement) {
  if (kPlatform.reach_bytes == 0) return "no redirector for this processor architecture";
  if (original_ != nullptr) return "prepared already";
  auto* code = static_cast<uint8_t*>(target);
  void* page = MapPageNear(AddressOf(code));
  if (page == nullptr) return kPlatform.no_page;
  Relocation relocation{};
  const char* refusal =
      kPlatform.relocate(std::span<const uint8_t, kEntryBytes>(code, kEntryBytes), AddressOf(code),
                         AddressOf(page), AddressOf(replacement), &relocation);
  if (refusal != nullptr) {
    refusal = Refuse("%s", refusal);
  } else {
    WriteCode(static_cast<uint8_t*>(page), relocation.slot.data(), relocation.slot.size());
    if (mprotect(page, PageBytes(), kCodeProtection) != 0)
      refusal = Refuse("mprotect(read, execute) of a new page refused: %s", std::strerror(errno));
  }
  if (refusal != nullptr) {
    munmap(page, PageBytes());
    return refusal;
  }
  entry_ = code + relocation.kept;
  size_ = relocation.replaced;
  std::memcpy(before_.data(), entry_, size_);
  jump_ = relocation.jump;
  original_ = page;
  return nullptr;
}

const char* Redirect::Apply() {
  if (original_ == nullptr) return "not prepared";
  if (applied_) return "applied already";
  const char* refusal = Exchange(before_, jump_);
  applied_ = refusal == nullptr;
  return refusal;
}

const char* Redirect::Revert() {
  if (!applied_) return "not applied";
  const char* refusal = Exchange(jump_, before_);
  applied_ = refusal != nullptr;
  return refusal;
}

// Overwrites the entry, which must hold what is expected; otherwise, or when refused, it stays.
const char* Redirect::Exchange(const EntryBytes& expected, const EntryBytes& wanted) {
  if (std::memcmp(entry_, expected.data(), size_) != 0)
    return "function entry has been changed by somebody else";
  const SignalsBlocked blocked;
  // On aarch64 the page loses PROT_BTI, the guard of landing pads, if the loader has set it. That is
  // wanted: where paciasp is displaced, calls through a pointer arrive at a plain jump.
  if (!Protect(entry_, size_, kCodeProtection | PROT_WRITE))
    return Refuse("mprotect(read, write, execute) refused: %s", std::strerror(errno));
  WriteCode(entry_, wanted.data(), size_);
  if (Protect(entry_, size_, kCodeProtection)) return nullptr;
  const int error = errno;
  WriteCode(entry_, expected.data(), size_);
  return Refuse("mprotect(read, execute) refused: %s; the entry is as before, its page is writable",
                std::strerror(error));
}

// Formats a reason.
const char* Redirect::Refuse(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(reason_.data(), reason_.size(), format, arguments);
  va_end(arguments);
  return reason_.data();
}

}  // namespace helios::syntax
