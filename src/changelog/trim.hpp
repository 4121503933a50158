// Trimming in steps, for the function and for the background job.
#pragma once

#include "changelog/changelog.hpp"

extern "C" {
#include "storage/block.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// The newest recorded snapshot whose past may be forgotten.
struct Cut {
  FullTransactionId since;
  TimestampTz at;
  int64 scn;
  const char *seen;
  double retention_seconds;  // of the table
};

// Finds the cut of a table; false if there is none. Needs a connection to SPI, as does what follows.
bool FindCut(const TrackedTable &tracked, Cut *cut);

// Deletes up to `limit` records before the cut, from a block of the log on; returns how many, and moves `from` on.
// The caller has locked the table against DDL.
int64 TrimBatch(const TrackedTable &tracked, const Cut &cut, int limit, BlockNumber *from);

// Forgets what is older than the newest snapshot that every retention has passed, and subtransactions that had
// ended in all snapshots that are left and before every history.
void ForgetSnapshots();

// Registers the background job that trims every log.
void InitTrimJob();

}  // namespace helios::changelog
