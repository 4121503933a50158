// One slice: its transaction, its identity, its error.
#pragma once

#include "budget/shared.hpp"

#include <exception>

extern "C" {
#include "utils/elog.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

enum class SliceOutcome { kDone, kBusy, kGone, kFailed };

struct SliceEnd {
  SliceOutcome outcome;
  ErrorData *error;  // of kFailed
};

// Returns the extension in this database, or invalid; in a transaction.
Oid FindExtension();

// Begins and ends a transaction with a snapshot; a cancel counts only between them.
void BeginWork();
void EndWork();

// Ends the transaction of a failure.
void AbortWork();

// Returns what an exception that no error of the server explains is told as.
ErrorData *DescribeException(const char *what);

// Runs C++ in a transaction; returns the error in a memory context, which is reset first, or null.
template <typename Fn>
ErrorData *RunGuarded(MemoryContext context, Fn fn) {
  MemoryContextReset(context);
  MemoryContextSwitchTo(context);
  ErrorData *error = nullptr;
  try {
    pg::Call([&fn] {
      BeginWork();
      pg::Enter(fn);
      EndWork();
    });
  } catch (const pg::Error &failure) {
    error = failure.data();
  } catch (const std::exception &) {
    error = DescribeException("out of memory");
  }
  MemoryContextSwitchTo(context);
  if (error != nullptr) AbortWork();
  return error;
}

// Tells after an error whether the extension has been dropped meanwhile, which explains it; `now` is what is there.
bool HasExtensionChanged(MemoryContext context, Oid before, Oid *now);

// The memory of a slice: of its work and error, and of what comes after an error.
struct SliceContexts {
  MemoryContext work, later;
};

// Does a slice of a task that this worker has taken, as the owner of its relation, if the extension still is the one
// in which it was found.
SliceEnd RunSlice(const SliceContexts &contexts, Oid extension, int slot, const JobKind *kind,
                  Task *task, Slice *slice);

// Counts a failure and keeps its text; the caller has the lock.
void NoteFailure(Task *task, const ErrorData *error);

// Writes a failure to the log of the server.
void LogFailure(const char *kind, const char *object, const ErrorData *error);

}  // namespace helios::budget
