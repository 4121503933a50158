#include "hnsw/page.hpp"

#include "hnsw/model.hpp"
#include "hnsw/options.hpp"

#include "hnsw/core/codec.hpp"

namespace helios::hnsw {

void ReportCorruption(Relation index, BlockNumber block, const char *what) {
  ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
                  errmsg("index \"%s\" is corrupted at block %u: %s",
                         RelationGetRelationName(index), block, what),
                  errhint("REINDEX INDEX %s;", RelationGetRelationName(index))));
  pg_unreachable();
}

void InitPage(Page page, PageKind kind, PageFormat format, uint32 slot_bytes) {
  PageInit(page, BLCKSZ, sizeof(PageTrailer));
  PageTrailer *trailer = Trailer(page);
  trailer->magic = kPageMagic;
  trailer->kind = kind;
  trailer->format = format;
  trailer->slot_bytes = static_cast<uint16>(slot_bytes);
  trailer->slots = slot_bytes == 0 ? 0 : static_cast<uint16>(kPageBytes / slot_bytes);
}

void CompleteMeta(Meta *meta) {
  for (int format = 0; format < kFormats; format++) {
    const uint32 with_code = NodeSlotBytes(meta->m, meta->code_bytes[format]);
    meta->inline_codes[format] = meta->code_bytes[format] != 0 && with_code <= kPageBytes;
    meta->slot_bytes[format] = meta->inline_codes[format] ? with_code : NodeSlotBytes(meta->m, 0);
  }
  // A fallback page must never hold more nodes than the ids of a page can name.
  meta->slot_bytes[kFallbackFormat] =
      meta->slot_bytes[kFallbackFormat] < meta->slot_bytes[kOwnFormat]
          ? meta->slot_bytes[kOwnFormat]
          : meta->slot_bytes[kFallbackFormat];
  meta->nodes_per_page = kPageBytes / meta->slot_bytes[kOwnFormat];
  meta->uppers_per_page = kPageBytes / UpperSlotBytes(meta->m);
}

void CheckPage(Relation index, Buffer buffer, Page page, PageKind kind) {
  const BlockNumber block = BufferGetBlockNumber(buffer);
  if (PageIsNew(page)) ReportCorruption(index, block, "the page is empty");
  if (PageGetSpecialSize(page) != MAXALIGN(sizeof(PageTrailer)))
    ReportCorruption(index, block, "the page has a foreign trailer");
  const PageTrailer *trailer = Trailer(page);
  if (trailer->magic != kPageMagic) ReportCorruption(index, block, "the page has no hnsw magic");
  if (trailer->kind != kind) ReportCorruption(index, block, "the page is of another kind");
  if (kind != PageKind::kNode && kind != PageKind::kUpper) return;
  if (trailer->format >= kFormats || trailer->slot_bytes == 0 || trailer->used > trailer->slots ||
      static_cast<uint32>(trailer->slots) * trailer->slot_bytes > kPageBytes ||
      (kind == PageKind::kNode && trailer->slot_bytes < sizeof(Node))) {
    ReportCorruption(index, block, "the page trailer is inconsistent");
  }
}

void CheckUpper(Relation index, const Meta &meta, Buffer buffer, Page page, uint32 slot,
                uint32 count) {
  CheckPage(index, buffer, page, PageKind::kUpper);
  const PageTrailer *trailer = Trailer(page);
  if (trailer->slot_bytes != UpperSlotBytes(meta.m) || slot + count > trailer->slots) {
    ReportCorruption(index, BufferGetBlockNumber(buffer), "upper slots do not fit the page");
  }
}

uint32 CheckedId(Relation index, uint32 per_page, BlockNumber block, uint32 slot) {
  const uint64 id = static_cast<uint64>(block) * per_page + slot;
  if (id > UINT32_MAX) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("index \"%s\" is too large: block %u cannot be named",
                           RelationGetRelationName(index), block),
                    errhint("Partition the table.")));
  }
  return static_cast<uint32>(id);
}

Node *CheckedNode(Relation index, const Meta &meta, Buffer buffer, Page page, uint32 slot) {
  CheckPage(index, buffer, page, PageKind::kNode);
  const PageTrailer *trailer = Trailer(page);
  if (trailer->slot_bytes < meta.slot_bytes[trailer->format]) {
    ReportCorruption(index, BufferGetBlockNumber(buffer), "node slots are too small");
  }
  if (slot >= trailer->used) return nullptr;
  Node *node = NodeAt(page, slot);
  if (node->count > 2 * meta.m || node->level > kMaxGraphLevel || node->level > node->upper_slots) {
    ReportCorruption(index, BufferGetBlockNumber(buffer), "a node header is inconsistent");
  }
  return node;
}

// Recomputes everything that follows from the other fields: sizes on a damaged page would lead
// reads astray.
static bool MetaIsConsistent(const Meta &meta) {
  const ItemSpace space{meta.type, meta.distance, meta.dim};
  const bool bit = meta.type == ElementType::kBit;
  const bool known = meta.type >= ElementType::kVector && meta.type <= ElementType::kSparsevec &&
                     meta.distance >= (bit ? DistanceKind::kHamming : DistanceKind::kL2) &&
                     meta.distance <= (bit ? DistanceKind::kJaccard : DistanceKind::kL1) &&
                     meta.quantization <= Quantization::kRabitq &&
                     meta.rerank <= RerankSource::kIndex;
  const bool in_range = known && meta.m >= kMinM && meta.m <= kMaxM && meta.dim > 0 &&
                        meta.entry_level >= 0 && meta.entry_level <= kMaxGraphLevel;
  if (!in_range) return false;
  Meta expected = meta;
  if (meta.quantization == Quantization::kNone) {
    if (space.type != ElementType::kSparsevec && meta.dim > kMaxPlainBitDim) return false;
    expected.code_bytes[kOwnFormat] = expected.code_bytes[kFallbackFormat] = ItemBytes(space);
    expected.copy_bytes = 0;
  } else {
    const char *why;
    if (!space.dense() || !CheckSpec(SpecOf(meta, kOwnFormat), &why)) return false;
    const auto scalar_bytes = static_cast<uint32>(Codec::CodeBytes(ScalarSpec(meta)));
    expected.code_bytes[kOwnFormat] =
        static_cast<uint32>(Codec::CodeBytes(SpecOf(meta, kOwnFormat)));
    expected.code_bytes[kFallbackFormat] = scalar_bytes;
    expected.copy_bytes = meta.rerank == RerankSource::kIndex ? scalar_bytes : 0;
  }
  CompleteMeta(&expected);
  return memcmp(&expected, &meta, sizeof(Meta)) == 0;
}

void ReadMeta(Relation index, Meta *meta) {
  Buffer buffer = ReadBuffer(index, kMetaBlock);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  CheckPage(index, buffer, page, PageKind::kMeta);
  *meta = *MetaOf(page);
  UnlockReleaseBuffer(buffer);
  if (meta->magic != kMetaMagic) ReportCorruption(index, kMetaBlock, "the meta page has no magic");
  if (meta->version != kFormatVersion) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("index \"%s\" has on-disk format %u, this library reads %u",
                           RelationGetRelationName(index), meta->version, kFormatVersion),
                    errhint("REINDEX INDEX %s;", RelationGetRelationName(index))));
  }
  if (!MetaIsConsistent(*meta))
    ReportCorruption(index, kMetaBlock, "the meta page is inconsistent");
}

}  // namespace helios::hnsw
