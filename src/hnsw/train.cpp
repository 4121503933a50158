#include "hnsw/train.hpp"

#include "hnsw/store.hpp"
#include "hnsw/walk.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/pause.hpp"

#include <algorithm>

extern "C" {
#include "access/generic_xlog.h"
#include "common/pg_prng.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

struct Trainer {
  IndexHandle index;
  std::vector<float> sample;
  std::vector<uint8_t> model;
  std::vector<uint8_t> code;
  std::vector<uint8_t> payload;
  std::vector<float> floats;
  std::vector<float> scratch;
};

// Reads a node's scalar code of a locked fallback page; null when its payload is gone.
const uint8 *FallbackCode(Trainer *trainer, BlockNumber block, Node *node) {
  const Meta &meta = trainer->index.meta;
  if (meta.inline_codes[kFallbackFormat]) return CodeOf(node, meta.m);
  trainer->payload.resize(meta.code_bytes[kFallbackFormat]);
  if (!ReadPayload(trainer->index.rel, block, node->payload, meta.code_bytes[kFallbackFormat],
                   trainer->payload.data()))
    return nullptr;
  return trainer->payload.data();
}

bool IsFallbackPage(Page page) {
  return !PageIsNew(page) && PageGetSpecialSize(page) == MAXALIGN(sizeof(PageTrailer)) &&
         Trailer(page)->magic == kPageMagic && Trailer(page)->kind == PageKind::kNode &&
         Trailer(page)->format == kFallbackFormat;
}

// Decodes a reservoir sample of the stored vectors; returns how many vectors the index has.
size_t SampleIndex(Trainer *trainer, size_t limit, BufferAccessStrategy strategy) {
  IndexHandle &index = trainer->index;
  const Codec *codec = index.codec[kFallbackFormat];
  const uint32 dim = index.meta.dim;
  trainer->scratch.resize(codec->scratch_floats());
  size_t seen = 0;
  const BlockNumber blocks = RelationGetNumberOfBlocks(index.rel);
  for (BlockNumber block = kMetaBlock + 1; block < blocks; block++) {
    pg::VacuumDelay();
    Buffer buffer = ReadBufferExtended(index.rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    for (uint32 slot = 0; IsFallbackPage(page) && slot < Trailer(page)->used; slot++) {
      Node *node = CheckedNode(index.rel, index.meta, buffer, page, slot);
      if (node->state != NodeState::kLive) continue;
      const size_t at = seen < limit ? seen : pg_prng_uint64_range(&pg_global_prng_state, 0, seen);
      seen++;
      if (at >= limit) continue;
      const uint8 *code = FallbackCode(trainer, block, node);
      if (code == nullptr) continue;
      if ((at + 1) * dim > trainer->sample.size()) trainer->sample.resize((at + 1) * dim);
      codec->Decode(code, trainer->sample.data() + at * dim, trainer->scratch.data());
    }
    UnlockReleaseBuffer(buffer);
  }
  return seen;
}

// Re-encodes one page under its lock: whoever reads it before sees scalar codes, after the trained
// ones.
void ConvertPage(Trainer *trainer, BlockNumber block) {
  IndexHandle &index = trainer->index;
  const Meta &meta = index.meta;
  const Codec *from = index.codec[kFallbackFormat];
  const Codec *to = index.codec[kOwnFormat];
  Buffer buffer = ReadBuffer(index.rel, block);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  if (!IsFallbackPage(BufferGetPage(buffer))) {
    UnlockReleaseBuffer(buffer);
    return;
  }
  CheckPage(index.rel, buffer, BufferGetPage(buffer), PageKind::kNode);
  GenericXLogState *state = GenericXLogStart(index.rel);
  Page page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
  trainer->floats.resize(meta.dim);
  trainer->code.resize(to->code_bytes());
  trainer->scratch.resize(std::max(from->scratch_floats(), to->scratch_floats()));
  const bool inline_code = meta.inline_codes[kOwnFormat];
  for (uint32 slot = 0; slot < Trailer(page)->used; slot++) {
    Node *node = NodeAt(page, slot);
    if (node->state == NodeState::kFree) continue;
    const uint8 *code = FallbackCode(trainer, block, node);
    if (code == nullptr) ReportCorruption(index.rel, block, "a payload is missing");
    from->Decode(code, trainer->floats.data(), trainer->scratch.data());
    to->Encode(trainer->floats.data(), trainer->code.data(), trainer->scratch.data());
    if (!inline_code || meta.copy_bytes != 0) {
      // A fresh payload: until this page's record is written, the old one is what the page refers
      // to.
      ItemPointerData fresh;
      ItemPointerSetInvalid(&fresh);
      node->payload = StorePayload(index, block, trainer->code.data(),
                                   inline_code ? 0 : static_cast<uint32>(trainer->code.size()),
                                   code, meta.copy_bytes, fresh);
    }
    if (inline_code) memcpy(CodeOf(node, meta.m), trainer->code.data(), trainer->code.size());
  }
  Trailer(page)->format = kOwnFormat;
  GenericXLogFinish(state);
  UnlockReleaseBuffer(buffer);
}

void Retrain(Trainer *trainer, Relation rel, MemoryContext context, BufferAccessStrategy strategy) {
  OpenIndex(rel, context, &trainer->index);
  const Meta &meta = trainer->index.meta;
  if (meta.quantization == Quantization::kNone || meta.converted) return;
  if (!meta.trained) {
    const CodecSpec spec = SpecOf(meta, kOwnFormat);
    const size_t memory_rows = maintenance_work_mem * size_t{1024} / 2 / (meta.dim * sizeof(float));
    const size_t limit =
        std::min(UsefulTrainingRows(spec), std::max(memory_rows, MinimumTrainingRows(spec)));
    const size_t seen = SampleIndex(trainer, limit, strategy);
    const size_t rows = std::min({seen, limit, trainer->sample.size() / meta.dim});
    if (rows < MinimumTrainingRows(spec) ||
        !TrainModel(rel, spec, trainer->sample.data(), rows, &trainer->model))
      return;
    trainer->sample = {};
    // Waits for insertions that know no model and holds up others: nobody else extends the index
    // meanwhile, and pages of the fallback format are not added any more.
    LockPage(rel, kMetaBlock, ExclusiveLock);
    const BlockNumber first = WriteModel(rel, MAIN_FORKNUM, trainer->model.data(),
                                         static_cast<uint32>(trainer->model.size()), true);
    SetModel(rel, first, static_cast<uint32>(trainer->model.size()));
    UnlockPage(rel, kMetaBlock, ExclusiveLock);
    pg::Pause("hnsw-vacuum-trained");
    OpenIndex(rel, context, &trainer->index);
  }
  const BlockNumber blocks = RelationGetNumberOfBlocks(rel);
  for (BlockNumber block = kMetaBlock + 1; block < blocks; block++) {
    pg::VacuumDelay();
    Buffer buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const bool fallback = IsFallbackPage(BufferGetPage(buffer));
    UnlockReleaseBuffer(buffer);
    if (fallback) ConvertPage(trainer, block);
  }
  SetConverted(rel);
}

}  // namespace

bool TrainModel(Relation index, const CodecSpec &spec, const float *sample, size_t rows,
                std::vector<uint8_t> *model) {
  const size_t memory = static_cast<size_t>(maintenance_work_mem) * 1024;
  const TrainStatus status = Train(spec, sample, rows, memory, pg::StopRequested, nullptr, model);
  if (status == TrainStatus::kInterrupted) {
    CHECK_FOR_INTERRUPTS();
    elog(ERROR, "training of index \"%s\" was interrupted", RelationGetRelationName(index));
  }
  if (status == TrainStatus::kUnsupported)
    elog(ERROR, "index \"%s\" has a quantization that its distance does not support",
         RelationGetRelationName(index));
  return status == TrainStatus::kOk;
}

void TrainFromIndex(Relation index, BufferAccessStrategy strategy) {
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw training", ALLOCSET_DEFAULT_SIZES);
  pg::Enter([&] { Retrain(pg::InContext<Trainer>(context), index, context, strategy); });
  MemoryContextDelete(context);
}

}  // namespace helios::hnsw
