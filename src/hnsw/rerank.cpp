#include "hnsw/rerank.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

extern "C" {
#include "access/tableam.h"
#include "catalog/index.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

void HeapReader::Open(IndexScanDesc scan, const ItemSpace &space, Datum query) {
  query_ = query;
  if (opened()) return;
  scan_ = scan;
  space_ = space;
  row_context_ =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw rerank row", ALLOCSET_DEFAULT_SIZES);
  info_ = BuildIndexInfo(scan->indexRelation);
  slot_ = table_slot_create(scan->heapRelation, nullptr);
  if (info_->ii_Expressions != NIL) {
    estate_ = CreateExecutorState();
    GetPerTupleExprContext(estate_)->ecxt_scantuple = slot_;
  }
  fetch_ = table_index_fetch_begin(scan->heapRelation);
  toast_.Start(CurrentMemoryContext);
}

// The fetched version may differ from the indexed one only within a HOT chain, whose indexed value
// is the same.
bool HeapReader::Distance(ItemPointerData tid, float *distance) {
  bool call_again = false;
  bool all_dead = false;
  if (!table_index_fetch_tuple(fetch_, &tid, scan_->xs_snapshot, slot_, &call_again, &all_dead))
    return false;
  MemoryContextReset(row_context_);
  MemoryContext outer = MemoryContextSwitchTo(row_context_);
  Datum value;
  bool isnull;
  const AttrNumber column = info_->ii_IndexAttrNumbers[0];
  if (column != 0) {
    value = slot_getattr(slot_, column, &isnull);
  } else {
    ResetPerTupleExprContext(estate_);
    FormIndexDatum(info_, slot_, estate_, &value, &isnull);
  }
  const bool found = !isnull;
  if (found) {
    *distance = DatumGetPointer(query_) == nullptr
                    ? 0
                    : ExactDistance(space_, query_, PointerGetDatum(toast_.Detoast(value)));
    if (std::isnan(*distance)) *distance = std::numeric_limits<float>::infinity();
  }
  MemoryContextSwitchTo(outer);
  ExecClearTuple(slot_);
  return found;
}

void HeapReader::Close() {
  if (!opened()) return;
  toast_.Close();
  table_index_fetch_end(fetch_);
  ExecDropSingleTupleTableSlot(slot_);
  if (estate_ != nullptr) FreeExecutorState(estate_);
  fetch_ = nullptr;
}

bool Reranker::LaterWaiting(const Waiting &a, const Waiting &b) { return a.lower() > b.lower(); }
bool Reranker::LaterFetched(const Waiting &a, const Waiting &b) {
  return a.estimate.distance > b.estimate.distance;
}

void Reranker::Start(bool exact, bool strict) {
  exact_ = exact;
  strict_ = strict;
  first_ = true;
  allowance_ = 0;
  boundary_ = INFINITY;
  waiting_.clear();
  fetched_.clear();
}

// Share of the error of coarse codes by which the next batch may bring something nearer: half of
// what covers all but a few in ten thousand. Filters that let 1 % pass lose a third of their recall
// without it.
constexpr float kBoundaryMargin = 0.5F;
// The same for walks over codes whose copies are precise, in mean differences of the two.
constexpr float kDriftMargin = 2;

void Reranker::AddBatch(Walker *walker, const std::vector<Hit> &batch, bool refine, size_t limit) {
  const size_t before = waiting_.size();
  float farthest = -INFINITY;
  float drift = 0;
  for (const Hit &hit : batch) {
    Waiting entry{hit, {hit.distance, 0}};
    if (refine && !walker->Refine(hit, &entry.estimate)) continue;
    if (std::isnan(entry.lower())) {
      entry.estimate = {0, std::numeric_limits<float>::infinity()};
    }
    if (!exact_) entry.estimate.error = 0;
    waiting_.push_back(entry);
    drift += std::abs(hit.distance - entry.estimate.distance) / static_cast<float>(batch.size());
    const float margin = first_ ? 0 : kBoundaryMargin * entry.estimate.error;
    farthest = std::max(farthest, hit.distance - margin);
  }
  if (limit != 0 && waiting_.size() > before + limit) {
    const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(before);
    const auto last = first + static_cast<std::ptrdiff_t>(limit);
    std::nth_element(first, last, waiting_.end(), [](const Waiting &a, const Waiting &b) {
      return a.estimate.distance < b.estimate.distance;
    });
    farthest = last->hit.distance;
    for (auto entry = last; entry != waiting_.end(); ++entry) walker->PutBack(entry->hit);
    waiting_.erase(last, waiting_.end());
  }
  std::make_heap(waiting_.begin(), waiting_.end(), LaterWaiting);
  // What the walk has not returned yet is farther by the distances that the walk goes by. Half of the
  // first batch goes out regardless: it is what hnsw.ef_search asks for, and who takes no more does
  // not pay for the margins.
  if (strict_ || refine) boundary_ = farthest - (first_ ? 0 : kDriftMargin * drift);
  allowance_ = first_ ? (batch.size() + 1) / 2 : 0;
  first_ = false;
}

// Reads the next members of a chain at once, so that vacuum has little time to change it between
// them; what is longer goes on from the last one.
void Reranker::AddChain(Walker *walker, const Waiting &from) {
  constexpr int kMembers = 256;
  uint32 next = from.hit.duplicate;
  for (int i = 0; i < kMembers && next != kNoNode; i++) {
    Waiting member{{}, from.estimate};
    if (!walker->ReadDuplicate(next, from.hit.head, &member.hit)) return;
    next = member.hit.duplicate;
    member.hit.distance = from.hit.distance;
    if (i + 1 < kMembers) member.hit.duplicate = kNoNode;
    waiting_.push_back(member);
    std::push_heap(waiting_.begin(), waiting_.end(), LaterWaiting);
  }
}

// A chain of duplicates is followed when its node leaves the waiting, so that each member, whose
// value may differ within the precision of a code, is compared by its own exact distance.
bool Reranker::Next(Walker *walker, HeapReader *reader, Hit *hit, float *distance) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    const bool take =
        !waiting_.empty() && (!exact_ || fetched_.empty() ||
                              !(fetched_.front().estimate.distance <= waiting_.front().lower()));
    if (!take || (!exact_ && Beyond(waiting_.front()))) break;
    std::pop_heap(waiting_.begin(), waiting_.end(), LaterWaiting);
    Waiting entry = waiting_.back();
    waiting_.pop_back();
    AddChain(walker, entry);
    if (!ItemPointerIsValid(&entry.hit.tid)) continue;
    if (!exact_) {
      if (allowance_ > 0) allowance_--;
      *hit = entry.hit;
      *distance = entry.estimate.distance;
      return true;
    }
    if (!reader->Distance(entry.hit.tid, &entry.estimate.distance)) continue;
    fetched_.push_back(entry);
    std::push_heap(fetched_.begin(), fetched_.end(), LaterFetched);
  }
  if (fetched_.empty() || Beyond(fetched_.front())) return false;
  if (allowance_ > 0) allowance_--;
  std::pop_heap(fetched_.begin(), fetched_.end(), LaterFetched);
  *hit = fetched_.back().hit;
  *distance = fetched_.back().estimate.distance;
  fetched_.pop_back();
  return true;
}

}  // namespace helios::hnsw
