// The fence between C++ and PostgreSQL: exceptions stop at Enter, longjmps stop at Call.
//
//   PostgreSQL -> Enter(C++) : a C++ exception becomes an ereport, after every C++ frame is unwound.
//   C++ -> Call(PostgreSQL)  : an ereport becomes a pg::Error that carries the whole ErrorData.
//
// An Error that leaves through Enter is raised again with SQLSTATE, message, detail, hint and
// context kept.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

namespace helios::pg {

// A PostgreSQL error travelling as a C++ exception; owns nothing, the ErrorData lives in the memory
// context that was current at Call.
class Error : public std::exception {
 public:
  explicit Error(ErrorData *data) : data_(data) {}
  ErrorData *data() const { return data_; }
  const char *what() const noexcept override { return data_->message ? data_->message : "error"; }

 private:
  ErrorData *data_;
};

namespace detail {

// What a caught exception leaves behind: plain bytes, so that nothing is alive when ereport jumps.
struct Failure {
  static constexpr int kTextBytes = 512;
  int sqlstate;
  ErrorData *data;
  char text[kTextBytes];
};

// Fills a Failure from the exception being handled; call it inside a catch block only.
void Describe(Failure *failure) noexcept;

// Raises a Failure as a PostgreSQL error.
[[noreturn]] void Raise(const Failure &failure);

// Copies the pending PostgreSQL error into `context`, clears it, and throws it as an Error.
[[noreturn]] void ThrowPending(MemoryContext context);

}  // namespace detail

// Runs C++ code called by PostgreSQL and turns any exception into an ereport once all its frames
// are gone.
template <typename Fn>
auto Enter(Fn &&fn) -> decltype(fn()) {
  detail::Failure failure;
  try {
    return std::forward<Fn>(fn)();
  } catch (...) {
    detail::Describe(&failure);
  }
  detail::Raise(failure);
}

// Runs a PostgreSQL function from C++ code that holds live objects and turns an ereport into a
// pg::Error. The callee's own frames must hold only trivially destructible objects.
template <typename Fn>
auto Call(Fn &&fn) -> decltype(fn()) {
  using Result = decltype(fn());
  static_assert(std::is_void_v<Result> || std::is_trivially_copyable_v<Result>);
  MemoryContext context = CurrentMemoryContext;
  sigjmp_buf *const outer_stack = PG_exception_stack;
  ErrorContextCallback *const outer_context = error_context_stack;
  sigjmp_buf local;
  if (sigsetjmp(local, 0) == 0) {
    PG_exception_stack = &local;
    if constexpr (std::is_void_v<Result>) {
      std::forward<Fn>(fn)();
      PG_exception_stack = outer_stack;
      error_context_stack = outer_context;
      return;
    } else {
      Result result = std::forward<Fn>(fn)();
      PG_exception_stack = outer_stack;
      error_context_stack = outer_context;
      return result;
    }
  }
  PG_exception_stack = outer_stack;
  error_context_stack = outer_context;
  detail::ThrowPending(context);
}

// Lets a pending cancel or shutdown request interrupt C++ code as a pg::Error.
inline void CheckInterrupts() {
  if (INTERRUPTS_PENDING_CONDITION()) Call([] { ProcessInterrupts(); });
}

// The callback that pure kernels poll: true when they must return early, since CheckInterrupts is
// going to raise. Requests that end nothing (a barrier, a memory report) wait until the kernel is
// through.
inline bool StopRequested(void *) {
  return INTERRUPTS_PENDING_CONDITION() && (QueryCancelPending || ProcDiePending);
}

}  // namespace helios::pg

// Defines the SQL-callable C function helios_<name> whose body is C++ guarded by Enter.
#define HELIOS_FUNCTION(name)                                                        \
  static Datum helios_body_##name(PG_FUNCTION_ARGS);                                 \
  extern "C" {                                                                       \
  PG_FUNCTION_INFO_V1(helios_##name);                                                \
  Datum helios_##name(PG_FUNCTION_ARGS) {                                            \
    return helios::pg::Enter([&]() -> Datum { return helios_body_##name(fcinfo); }); \
  }                                                                                  \
  }                                                                                  \
  static Datum helios_body_##name(PG_FUNCTION_ARGS)
