#include "hnsw/model.hpp"

#include "pg/compat.hpp"
#include "pg/memory.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

extern "C" {
#include "access/generic_xlog.h"
#include "access/xloginsert.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

constexpr Size kCacheBytes = 64 * 1024 * 1024;  // models nobody uses are dropped beyond this
constexpr Size kModelAlignment = 64;
// Scalar codecs need no stored model; these stand for the plain and the rotated one.
constexpr uint32 kScalarVersion = 0;
constexpr uint32 kRotatedScalarVersion = UINT32_MAX;
constexpr uint64 kSeed = 0x68656C696F73;  // any fixed number: same data, same index

// One cached model; lives in a memory context of its own.
struct CachedModel {
  CachedModel *next;
  MemoryContext context;
  Oid index;  // relfilenode: changes with every rebuild
  Oid database;
  uint32 version;  // of the stored model; scalar codecs have none, see kScalarVersion
  uint32 pins;
  Size bytes;
  Codec codec;
};

constinit CachedModel *cache = nullptr;
constinit Size cached_bytes = 0;

// Keeps a cached model pinned for the life of a memory context.
class Pin {
 public:
  explicit Pin(CachedModel *model) : model_(model) { model_->pins++; }
  ~Pin() { model_->pins--; }
  Pin(const Pin &) = delete;
  Pin &operator=(const Pin &) = delete;

 private:
  CachedModel *model_;
};

// Drops unpinned models, oldest first, until the cache has room.
void MakeRoom(Size bytes) {
  CachedModel **link = &cache;
  while (*link != nullptr && cached_bytes + bytes > kCacheBytes) {
    CachedModel *model = *link;
    if (model->pins > 0) {
      link = &model->next;
      continue;
    }
    *link = model->next;
    cached_bytes -= model->bytes;
    MemoryContextDelete(model->context);
  }
}

// Reads the model's pages into an aligned chunk of `context`.
uint8 *ReadModel(Relation index, const Meta &meta, MemoryContext context) {
  constexpr uint32 kLargestModel = 512u * 1024 * 1024;
  if (meta.model_bytes == 0 || meta.model_bytes > kLargestModel)
    ReportCorruption(index, kMetaBlock, "the model has an impossible size");
  auto *raw =
      static_cast<char *>(MemoryContextAllocHuge(context, meta.model_bytes + kModelAlignment));
  auto *bytes = reinterpret_cast<uint8 *>(TYPEALIGN(kModelAlignment, raw));
  BlockNumber block = meta.model_block;
  for (uint32 done = 0; done < meta.model_bytes; done += kModelPageBytes, block++) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    CheckPage(index, buffer, page, PageKind::kModel);
    memcpy(bytes + done, PageGetContents(page), std::min(kModelPageBytes, meta.model_bytes - done));
    UnlockReleaseBuffer(buffer);
  }
  return bytes;
}

// Makes the blob of a codec that needs no training.
uint8 *UntrainedModel(const CodecSpec &spec, MemoryContext context, uint32 *bytes) {
  return pg::Enter([&]() -> uint8 * {
    std::vector<uint8_t> blob;
    if (Train(spec, nullptr, 0, 0, nullptr, nullptr, &blob) != TrainStatus::kOk) return nullptr;
    *bytes = static_cast<uint32>(blob.size());
    // No error may jump over the vector, so running out of memory comes back as null.
    auto *raw = static_cast<char *>(
        MemoryContextAllocExtended(context, blob.size() + kModelAlignment, MCXT_ALLOC_NO_OOM));
    if (raw == nullptr) throw std::bad_alloc();
    auto *aligned = reinterpret_cast<uint8 *>(TYPEALIGN(kModelAlignment, raw));
    memcpy(aligned, blob.data(), blob.size());
    return aligned;
  });
}

// Finds, loads or makes the model of a spec.
const Codec *Open(Relation index, const Meta &meta, const CodecSpec &spec, uint32 version,
                  MemoryContext owner) {
  const bool stored = spec.kind != CodecKind::kScalar;
  const Oid file = pg::FileOf(index);
  CachedModel *found = cache;
  while (found != nullptr &&
         (found->index != file || found->database != MyDatabaseId || found->version != version)) {
    found = found->next;
  }
  if (found == nullptr) {
    MakeRoom(meta.model_bytes);
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "hnsw model", ALLOCSET_SMALL_SIZES);
    uint32 bytes = meta.model_bytes;
    uint8 *blob = stored ? ReadModel(index, meta, context) : UntrainedModel(spec, context, &bytes);
    auto *model = static_cast<CachedModel *>(MemoryContextAllocZero(context, sizeof(CachedModel)));
    const char *why = "the codec cannot be made";
    if (blob == nullptr || !Codec::Open(blob, bytes, &model->codec, &why))
      ReportCorruption(index, meta.model_block, why);
    const CodecSpec &got = model->codec.spec();
    if (got.kind != spec.kind || got.dim != spec.dim || got.metric != spec.metric ||
        model->codec.code_bytes() != Codec::CodeBytes(spec)) {
      ReportCorruption(index, meta.model_block, "the model does not belong to this index");
    }
    model->index = file;
    model->database = MyDatabaseId;
    model->version = version;
    model->bytes = bytes;
    model->context = context;
    model->next = cache;
    MemoryContextSetParent(context, TopMemoryContext);
    cache = model;
    cached_bytes += bytes;
    found = model;
  }
  pg::InContext<Pin>(owner, found);
  return &found->codec;
}

}  // namespace

CodecSpec ScalarSpec(const Meta &meta) {
  CodecSpec spec;
  spec.metric = static_cast<Metric>(meta.distance);
  spec.kind = CodecKind::kScalar;
  spec.dim = meta.dim;
  spec.seed = kSeed;
  return spec;
}

CodecSpec SpecOf(const Meta &meta, PageFormat format) {
  CodecSpec spec = ScalarSpec(meta);
  if (format == kFallbackFormat) return spec;
  if (meta.quantization == Quantization::kScalar) {
    spec.rotate = meta.rotate != 0;
    return spec;
  }
  if (meta.quantization == Quantization::kProduct) {
    spec.kind = CodecKind::kProduct;
    spec.subquantizers = meta.subquantizers;
    spec.centroids = meta.centroids;
    spec.rotate = meta.rotate != 0;
  } else {
    spec.kind = CodecKind::kRabitq;
    spec.bits = meta.rabitq_bits;
  }
  return spec;
}

// The pages are consecutive: the extension lock of a new index is not contended, and a trained one
// is extended by the vacuum alone for this purpose, so it retries from a fresh run when another
// page slips in.
BlockNumber WriteModel(Relation index, ForkNumber fork, const uint8 *model, uint32 bytes,
                       bool logged) {
  const uint32 pages = (bytes + kModelPageBytes - 1) / kModelPageBytes;
  BlockNumber first = InvalidBlockNumber;
  uint32 written = 0;
  while (written < pages) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = pg::ExtendLocked(index, fork);
    const BlockNumber block = BufferGetBlockNumber(buffer);
    if (first == InvalidBlockNumber || block != first + written) {
      first = block;
      written = 0;
    }
    GenericXLogState *state = logged ? GenericXLogStart(index) : nullptr;
    Page page = logged ? GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE)
                       : BufferGetPage(buffer);
    InitPage(page, PageKind::kModel, kOwnFormat, 0);
    const uint32 chunk = std::min(kModelPageBytes, bytes - written * kModelPageBytes);
    memcpy(PageGetContents(page), model + static_cast<Size>(written) * kModelPageBytes, chunk);
    reinterpret_cast<PageHeader>(page)->pd_lower =
        static_cast<LocationIndex>(PageGetContents(page) + chunk - page);
    if (logged) {
      GenericXLogFinish(state);
    } else {
      MarkBufferDirty(buffer);
    }
    UnlockReleaseBuffer(buffer);
    written++;
  }
  return first;
}

const Codec *OpenCodec(Relation index, const Meta &meta, PageFormat format, MemoryContext owner) {
  if (meta.quantization == Quantization::kNone) return nullptr;
  if (format == kFallbackFormat) return OpenScalarCodec(index, meta, owner);
  if (!meta.trained) return nullptr;
  const CodecSpec spec = SpecOf(meta, format);
  const bool scalar = spec.kind == CodecKind::kScalar;
  return Open(index, meta, spec,
              !scalar       ? meta.model_version
              : spec.rotate ? kRotatedScalarVersion
                            : kScalarVersion,
              owner);
}

const Codec *OpenScalarCodec(Relation index, const Meta &meta, MemoryContext owner) {
  return Open(index, meta, ScalarSpec(meta), kScalarVersion, owner);
}

}  // namespace helios::hnsw
