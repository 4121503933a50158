// Redirects a function of the running process to another one of the same signature, and keeps the
// original callable. Linux on x86-64 and aarch64; every refusal leaves the function as it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "syntax/core/relocate.hpp"

namespace helios::syntax {

// One redirected function. No constructor or destructor runs: make it a global with constinit.
// Only for a process with one thread, and for functions that are not being executed. Every reason
// returned is static text or belongs to the object, which overwrites it with the next one.
class Redirect {
 public:
  // Copies the first instructions of `target` to a page near it, which stays mapped for the life of
  // the process. Nothing of the target changes. Returns null, or why platform or entry refuses.
  const char* Prepare(void* target, void* replacement);

  // Makes the target's entry jump to the replacement. Returns null, or why not: memory protection,
  // not prepared, applied already, or the entry has changed since.
  const char* Apply();

  // Puts the entry's bytes back. Returns null, or why not: memory protection, not applied, or the
  // entry has changed since. The original stays callable.
  const char* Revert();

  // Calls as the target did before Apply; null before Prepare.
  void* original() const { return original_; }

 private:
  using EntryBytes = std::array<uint8_t, kMaxReplacedBytes>;

  const char* Exchange(const EntryBytes& expected, const EntryBytes& wanted);
  const char* Refuse(const char* format, ...) __attribute__((format(printf, 2, 3)));

  void* original_ = nullptr;
  uint8_t* entry_ = nullptr;  // where the jump goes: behind the landing pad
  size_t size_ = 0;           // of what the jump replaces
  EntryBytes before_{}, jump_{};
  bool applied_ = false;
  std::array<char, 160> reason_{};
};

}  // namespace helios::syntax
