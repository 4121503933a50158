#include "pg/pg.hpp"

#include <cstring>
#include <new>
#include <stdexcept>

extern "C" {
#include "mb/pg_wchar.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg::detail {

namespace {

// Makes a text of the database's encoding: a letter cut at the end goes, foreign bytes become
// question marks.
void Legalize(char *text) {
  const int length = static_cast<int>(strlen(text));
  const int whole = pg_mbcliplen(text, length, length);
  text[whole] = '\0';
  if (pg_verify_mbstr(GetDatabaseEncoding(), text, whole, true)) return;
  for (char *at = text; *at != '\0'; at++) {
    if (IS_HIGHBIT_SET(*at)) *at = '?';
  }
}

}  // namespace

// Maps an exception type to the SQLSTATE a user can act on.
void Describe(Failure *failure) noexcept {
  failure->data = nullptr;
  failure->sqlstate = ERRCODE_INTERNAL_ERROR;
  const char *text = "unknown C++ exception";
  try {
    throw;
  } catch (const Error &error) {
    failure->data = error.data();
    text = "";
  } catch (const std::bad_alloc &) {
    failure->sqlstate = ERRCODE_OUT_OF_MEMORY;
    text = "out of memory";
  } catch (const std::invalid_argument &error) {
    failure->sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;
    strlcpy(failure->text, error.what(), Failure::kTextBytes);
    return;
  } catch (const std::length_error &error) {
    failure->sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    strlcpy(failure->text, error.what(), Failure::kTextBytes);
    return;
  } catch (const std::exception &error) {
    strlcpy(failure->text, error.what(), Failure::kTextBytes);
    return;
  } catch (...) {
  }
  strlcpy(failure->text, text, Failure::kTextBytes);
}

// Raises with nothing of C++ alive: the exception was destroyed when its catch block ended.
void Raise(const Failure &failure) {
  if (failure.data != nullptr) ReThrowError(failure.data);
  char text[Failure::kTextBytes];
  strlcpy(text, failure.text, sizeof(text));
  Legalize(text);
  ereport(ERROR, (errcode(failure.sqlstate), errmsg("%s", text)));
  pg_unreachable();
}

// Copies the error in a guarded scope of its own, because the copy itself can run out of memory.
void ThrowPending(MemoryContext context) {
  sigjmp_buf *const outer_stack = PG_exception_stack;
  ErrorData *volatile copy = nullptr;
  sigjmp_buf local;
  if (sigsetjmp(local, 0) == 0) {
    PG_exception_stack = &local;
    MemoryContextSwitchTo(context);
    copy = CopyErrorData();
  }
  PG_exception_stack = outer_stack;
  MemoryContextSwitchTo(context);
  FlushErrorState();
  if (copy == nullptr) throw std::bad_alloc();
  throw Error(copy);
}

}  // namespace helios::pg::detail
