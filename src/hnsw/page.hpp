// On-disk layout of an hnsw index, format 1. Every page is a standard page with this trailer:
//
//   PageTrailer | magic "HN" | kind | format | slot_bytes | slots | used | free |      (16 bytes, special space)
//
//   block 0        meta page: Meta (below); locked page-wise as the lock between inserts and vacuum
//   kModel         up to kModelPageBytes bytes of the model blob; the blob is a run of consecutive pages
//   kNode          fixed slots, slot s at 24 + s * slot_bytes:
//                    | Node 24 | links of level 0: uint32[2m] | code (when stored inline) |
//                  a duplicate has no links; the id of the node whose chain it is in stands in their place
//   kUpper         fixed slots: | uint16 count | uint16 0 | links: uint32[m] | ; a node of level L owns L slots in a row
//   kPayload       line-pointer items: | ItemPointer next | uint16 0 | bytes | ; large payloads are chains of items
//
// A node is named by a 32-bit id = block * nodes_per_page + slot, an upper slot by block *
// uppers_per_page + slot; 0 names nothing, since block 0 is the meta page. All pages of a kind
// share that arithmetic although a page written in the fallback format holds fewer, larger slots.
//
// Page format byte: 0 = codes of the index's own quantization, 1 = fallback 8-bit scalar codes,
// written while there were too few rows to train the model.
#pragma once

#include "pg/pg.hpp"

#include "hnsw/space.hpp"

extern "C" {
#include "access/itup.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

constexpr uint32 kMetaMagic = 0x484E5357;  // "HNSW"
constexpr uint32 kFormatVersion = 1;
constexpr uint16 kPageMagic = 0x484E;
constexpr BlockNumber kMetaBlock = 0;
constexpr uint32 kNoNode = 0;
constexpr int kMaxGraphLevel = kMaxLevelEver;

enum class PageKind : uint8 { kMeta = 1, kModel, kNode, kUpper, kPayload };
enum PageFormat : uint8 { kOwnFormat = 0, kFallbackFormat = 1 };
constexpr int kFormats = 2;

enum class Quantization : uint8 { kNone = 0, kScalar, kProduct, kRabitq, kAuto };
enum class RerankSource : uint8 { kHeap = 0, kIndex };

struct PageTrailer {
  uint16 magic;
  PageKind kind;
  PageFormat format;
  uint16 slot_bytes;
  uint16 slots;  // capacity
  uint16 used;   // slots ever used, from the front
  uint16 free;   // of these, given back by vacuum
  uint32 unused;
};

constexpr uint32 kPageBytes =
    BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(PageTrailer));
constexpr uint32 kModelPageBytes = kPageBytes;

enum class NodeState : uint8 {
  kFree = 0,       // the slot can be used again
  kLive = 1,       // in the graph
  kDead = 2,       // being removed: walked through, never returned nor linked
  kDuplicate = 3,  // equal to the node whose chain it is in; not in the graph
};

struct Node {
  ItemPointerData tid;  // heap row; invalid when it was vacuumed but the chain of duplicates lives
  NodeState state;
  uint8 level;
  uint32 upper;             // first of `upper_slots` upper slots
  uint32 duplicate;         // next node of the chain of equal vectors
  ItemPointerData payload;  // what does not fit the slot, or the scalar copy
  uint8 count;              // links of level 0
  uint8 upper_slots;        // kept when the slot is used again
};
static_assert(sizeof(Node) == 24);

struct UpperSlot {
  uint16 count;
  uint16 unused;
  uint32 links[FLEXIBLE_ARRAY_MEMBER];
};

struct PayloadHeader {
  ItemPointerData next;
  uint16 unused;
};
constexpr uint32 kPayloadChunk = 8100;  // bytes of one item of a chain, a multiple of four

// Why `auto` chose what it chose; shown by heliosdb.vector_index_info().
struct AutoChoice {
  float recall_rabitq;   // recall of 1-bit codes on the sample, -1 when not measured
  float recall_product;  // the same for product codes
  uint32 sample;         // rows measured
  uint32 unused;
};

struct Meta {
  uint32 magic;
  uint32 version;
  ElementType type;
  DistanceKind distance;
  Quantization quantization;  // resolved: never kAuto
  Quantization requested;
  RerankSource rerank;
  uint8 rabitq_bits;
  uint8 trained;                 // 1 when the model is in the index (scalar and none: always)
  uint8 inline_codes[kFormats];  // whether codes of that page format lie in the node slots
  uint8 rotate;  // values are rotated before they are coded (scalar: randomly, product: as learned)
  uint8 converted;  // 1 when no page of the fallback format is left to re-encode
  uint8 unused;
  uint32 dim;
  uint16 m;
  uint16 ef_construction;
  uint16 subquantizers;
  uint16 centroids;
  uint32 nodes_per_page;  // of the own format: the divisor of ids
  uint32 uppers_per_page;
  uint32 slot_bytes[kFormats];
  uint32 code_bytes[kFormats];  // in-graph code of a node; 0 = varying (sparsevec)
  uint32 copy_bytes;            // scalar copy for re-ranking, 0 when there is none
  BlockNumber model_block;      // first page of the model blob
  uint32 model_bytes;
  uint32 model_version;  // changes when a model is stored
  uint32 entry;          // node id, kNoNode when empty
  int32 entry_level;
  BlockNumber insert_node;  // where to look for room first
  BlockNumber insert_upper;
  BlockNumber insert_payload;
  AutoChoice choice;
};

inline PageTrailer *Trailer(Page page) {
  return reinterpret_cast<PageTrailer *>(PageGetSpecialPointer(page));
}
inline Meta *MetaOf(Page page) { return reinterpret_cast<Meta *>(PageGetContents(page)); }
inline char *SlotAt(Page page, uint32 slot) {
  return PageGetContents(page) + static_cast<Size>(slot) * Trailer(page)->slot_bytes;
}
inline Node *NodeAt(Page page, uint32 slot) { return reinterpret_cast<Node *>(SlotAt(page, slot)); }
inline uint32 *LinksOf(Node *node) { return reinterpret_cast<uint32 *>(node + 1); }
inline uint8 *CodeOf(Node *node, uint32 m) {
  return reinterpret_cast<uint8 *>(node + 1) + 2 * m * sizeof(uint32);
}

inline uint32 NodeSlotBytes(uint32 m, uint32 inline_code_bytes) {
  return MAXALIGN(sizeof(Node) + 2 * m * sizeof(uint32) + inline_code_bytes);
}
inline uint32 UpperSlotBytes(uint32 m) { return offsetof(UpperSlot, links) + m * sizeof(uint32); }

inline BlockNumber NodeBlock(const Meta &meta, uint32 id) { return id / meta.nodes_per_page; }
inline uint32 NodeSlot(const Meta &meta, uint32 id) { return id % meta.nodes_per_page; }
inline uint32 NodeId(const Meta &meta, BlockNumber block, uint32 slot) {
  return block * meta.nodes_per_page + slot;
}

// Initialises an empty page of a kind; slot_bytes 0 for pages without slots.
void InitPage(Page page, PageKind kind, PageFormat format, uint32 slot_bytes);

// Computes slot sizes and page arithmetic from the fields that are already set.
void CompleteMeta(Meta *meta);

// Raises ERRCODE_INDEX_CORRUPTED unless the page has the kind and a sane trailer.
void CheckPage(Relation index, Buffer buffer, Page page, PageKind kind);

// Raises ERRCODE_INDEX_CORRUPTED unless a locked page is an upper page with `count` slots from
// `slot` on.
void CheckUpper(Relation index, const Meta &meta, Buffer buffer, Page page, uint32 slot,
                uint32 count);

// Returns the id of a slot; raises an error when the index is too large for 32 bits.
uint32 CheckedId(Relation index, uint32 per_page, BlockNumber block, uint32 slot);

// Returns the node of a share- or exclusive-locked buffer's page, checked; null when the slot was
// never used.
Node *CheckedNode(Relation index, const Meta &meta, Buffer buffer, Page page, uint32 slot);

// Copies the meta page, checked.
void ReadMeta(Relation index, Meta *meta);

[[noreturn]] void ReportCorruption(Relation index, BlockNumber block, const char *what);

}  // namespace helios::hnsw
