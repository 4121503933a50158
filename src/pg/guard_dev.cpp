// Functions that only the tests of the fence call (DEV=1); see regress/pg_fence.sql.
#include "pg/memory.hpp"
#include "pg/pg.hpp"

#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace helios::pg {

namespace {

constinit int alive = 0;  // objects that were constructed and not destroyed

// An object that must not be lost: counted, and large enough that losing it shows in the memory.
class Counted {
 public:
  Counted() : bytes_(kBytes) { alive++; }
  Counted(const Counted &) = delete;
  Counted &operator=(const Counted &) = delete;
  ~Counted() { alive--; }

 private:
  static constexpr size_t kBytes = 65536;
  std::vector<char> bytes_;
};

[[noreturn]] void Throw(const char *kind) {
  constexpr size_t kLong = 5000;
  if (strcmp(kind, "runtime_error") == 0) throw std::runtime_error("something failed at run time");
  if (strcmp(kind, "bad_alloc") == 0) throw std::bad_alloc();
  if (strcmp(kind, "invalid_argument") == 0) throw std::invalid_argument("the argument is invalid");
  if (strcmp(kind, "length_error") == 0) throw std::length_error("the value is too long");
  if (strcmp(kind, "int") == 0) throw 42;
  if (strcmp(kind, "format") == 0) throw std::runtime_error("100%s %n of a text that is no format");
  if (strcmp(kind, "long") == 0) throw std::runtime_error(std::string(kLong, 'x'));
  // Two bytes for each letter: a cut at an even length and one at an odd length.
  std::string letters;
  while (letters.size() < kLong) letters += "\u00e9";
  if (strcmp(kind, "letters") == 0) throw std::runtime_error(letters);
  if (strcmp(kind, "shifted letters") == 0) throw std::runtime_error("x" + letters);
  if (strcmp(kind, "no text") == 0) throw std::runtime_error("\xff\xfe");
  throw std::logic_error("no such kind");
}

// Keeps an object alive in each of `frames` frames below the exception.
[[noreturn]] void ThrowBelow(int frames, const char *kind) {
  Counted counted;
  if (frames <= 1) Throw(kind);
  ThrowBelow(frames - 1, kind);
}

// The same around a call of PostgreSQL, each frame with a fence crossing of its own on the way up.
Datum CallBelow(int frames, Oid function) {
  Counted counted;
  if (frames > 1) return CallBelow(frames - 1, function);
  return Call([&] { return OidFunctionCall0(function); });
}

// Sees the error as C++ does, and lets it go on.
Datum WatchError(Oid function) {
  try {
    return CallBelow(1, function);
  } catch (const Error &error) {
    if (error.data() == nullptr || strcmp(error.what(), error.data()->message) != 0)
      throw std::logic_error("the error lost its text");
    throw;
  }
}

// A kernel as in core/: it knows a callback and returns a status.
bool Kernel(bool (*interrupted)(void *), void *arg) {
  Counted counted;
  volatile double sum = 0;
  constexpr int kBatches = 1 << 30, kBatch = 10000;
  for (int batch = 0; batch < kBatches; batch++) {
    if (interrupted(arg)) return false;
    for (int i = 0; i < kBatch; i++) sum = sum + i;
  }
  return true;
}

}  // namespace

}  // namespace helios::pg

using namespace helios::pg;

// Throws an exception of a kind from the depth of several frames.
HELIOS_FUNCTION(test_throw) {
  constexpr int kFrames = 5;
  const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
  ThrowBelow(kFrames, kind);
}

// Calls an SQL function through the fence with objects alive in `frames` frames.
HELIOS_FUNCTION(test_call) { return CallBelow(PG_GETARG_INT32(1), PG_GETARG_OID(0)); }

// Catches what an SQL function raised, looks at it and throws it again.
HELIOS_FUNCTION(test_watch) { return WatchError(PG_GETARG_OID(0)); }

// Raises inside Enter inside Call inside Enter; the error passes all of them.
HELIOS_FUNCTION(test_nest) {
  const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
  Counted outer;
  Call([&] { Enter([&] { ThrowBelow(2, kind); }); });
  PG_RETURN_VOID();
}

// Returns through Call and Enter, whose stacks must be as before.
HELIOS_FUNCTION(test_return) {
  sigjmp_buf *const jump = PG_exception_stack;
  ErrorContextCallback *const context = error_context_stack;
  Counted outer;
  const int value = Call([&] { return Enter([&] { return Call([] { return 7; }); }); });
  bool caught = false;
  try {
    Call([] { ereport(ERROR, (errmsg("caught"))); });
  } catch (const Error &) {
    caught = true;
  }
  PG_RETURN_BOOL(caught && value == 7 && PG_exception_stack == jump &&
                 error_context_stack == context);
}

// Hangs an object on the transaction, and ends with an error when `fail`.
HELIOS_FUNCTION(test_own) {
  InContext<Counted>(TopTransactionContext);
  if (PG_GETARG_BOOL(0)) throw std::runtime_error("failed after taking an object");
  PG_RETURN_VOID();
}

// Runs until cancelled: 'kernel' polls StopRequested, 'fence' passes CheckInterrupts.
HELIOS_FUNCTION(test_spin) {
  const char *how = text_to_cstring(PG_GETARG_TEXT_PP(0));
  Counted counted;
  if (strcmp(how, "kernel") == 0) {
    if (!Kernel(StopRequested, nullptr)) CheckInterrupts();
  } else {
    for (;;) CheckInterrupts();
  }
  throw std::logic_error("it was not cancelled");
}

// Tells whether a request that is no cancel stops a kernel.
HELIOS_FUNCTION(test_other_interrupt) {
  (void)fcinfo;
  InterruptPending = true;
  PG_RETURN_BOOL(StopRequested(nullptr));
}

HELIOS_FUNCTION(test_alive) {
  (void)fcinfo;
  PG_RETURN_INT32(alive);
}

// Bytes of all memory contexts of the session.
HELIOS_FUNCTION(test_memory) {
  (void)fcinfo;
  PG_RETURN_INT64(static_cast<int64>(MemoryContextMemAllocated(TopMemoryContext, true)));
}
