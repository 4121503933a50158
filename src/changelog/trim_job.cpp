// The background job that keeps logs within their retention: what heliosdb.trim_log() does, in short transactions.
#include "changelog/trim.hpp"

#include "budget/budget.hpp"
#include "changelog/catalog.hpp"
#include "changelog/snapshots.hpp"

#include <algorithm>

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// Small enough that a slice hardly exceeds its time.
constexpr int kBatch = 500;
// After a pass in vain, a consumer or a pin holds the records: a log is then read that often in its retention, but
// at least once an hour.
constexpr double kPasses = 8;
constexpr double kLongestRest = 3600;

// True if one of the logs has records that a recorded snapshot does not include.
bool HasRecordsBeyond(List *leaves, const RecordedSnapshot &snapshot) {
  const char *seen = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, snapshot.seen));
  ListCell *cell;
  foreach (cell, leaves) {
    TrackedTable tracked;
    if (!FindTracked(lfirst_oid(cell), &tracked)) continue;
    SPI_execute(psprintf("SELECT FROM %s l WHERE l.xid >= pg_catalog.pg_snapshot_xmin(%s) AND NOT "
                         "pg_catalog.pg_visible_in_snapshot(l.xid, %s) LIMIT 1",
                         LogName(tracked), quote_literal_cstr(seen), quote_literal_cstr(seen)),
                true, 1);
    if (SPI_processed > 0) return true;
  }
  return false;
}

// Records a snapshot that later passes can cut at, and forgets those that nobody needs any more.
void KeepSnapshots() {
  List *leaves = TrackedLeaves();
  RecordedSnapshot newest;
  if (leaves != NIL && (!FindNewestSnapshot(&newest) || HasRecordsBeyond(leaves, newest)))
    RecordSnapshot(nullptr);
  ForgetSnapshots();
}

// Tells the size of a log.
BlockNumber PagesOf(Oid log) {
  Relation relation = table_open(log, AccessShareLock);
  const BlockNumber pages = RelationGetNumberOfBlocks(relation);
  table_close(relation, AccessShareLock);
  return pages;
}

class TrimKind final : public budget::JobKind {
 public:
  // The lock of a writer: DDL is kept out, VACUUM and ANALYZE are not.
  constexpr TrimKind() : JobKind("trim_log", budget::Budget::kRest, RowExclusiveLock) {}

  // A log needs a pass when a newer snapshot has become older than its retention.
  void Find(budget::Findings *findings) const override {
    SPI_connect();
    ListCell *cell;
    foreach (cell, TrackedLeaves()) {
      TrackedTable tracked;
      Cut cut;
      if (FindTracked(lfirst_oid(cell), &tracked) && FindCut(tracked, &cut))
        findings->Add(tracked.relation, cut.scn, budget::Priority::kNormal);
    }
    findings->Add(InvalidOid, 0, budget::Priority::kNormal);
    SPI_finish();
  }

  void Work(budget::Slice *slice) const override {
    SPI_connect();
    if (OidIsValid(slice->object)) {
      Trim(slice);
    } else {
      KeepSnapshots();
      slice->is_done = true;
    }
    SPI_finish();
  }

 private:
  // Goes on with a pass: the upper half of the cursor counts what was deleted, the lower one is the block.
  static void Trim(budget::Slice *slice) {
    TrackedTable tracked;
    Cut cut;
    slice->is_done = true;
    if (!FindTracked(slice->object, &tracked) || !FindCut(tracked, &cut)) return;
    auto from = static_cast<BlockNumber>(slice->cursor & kBlockMask);
    bool has_deleted = (slice->cursor & ~kBlockMask) != 0;
    int64 deleted;
    do {
      const BlockNumber pages = std::max<BlockNumber>(PagesOf(tracked.log), 1);
      const BlockNumber left = from < pages ? pages - from : 0;
      budget::Report("trimming", 1 - static_cast<double>(left) / pages, left);
      deleted = TrimBatch(tracked, cut, kBatch, &from);
      has_deleted = has_deleted || deleted > 0;
    } while (deleted == kBatch && !budget::Throttle());
    slice->is_done = deleted < kBatch;
    slice->cursor = static_cast<int64>(from) | (has_deleted ? kHasDeleted : 0);
    if (slice->is_done && !has_deleted)
      slice->rest_seconds = std::min(cut.retention_seconds / kPasses, kLongestRest);
  }

  static constexpr int64 kBlockMask = 0xffffffff;
  static constexpr int64 kHasDeleted = kBlockMask + 1;
};

constinit const TrimKind kind;

}  // namespace

void InitTrimJob() { budget::Register(&kind); }

}  // namespace helios::changelog
