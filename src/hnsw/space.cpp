#include "hnsw/space.hpp"

#include "vector/vector.hpp"

#include <cmath>
#include <cstring>

extern "C" {
#include "access/genam.h"
#include "utils/varbit.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

using vector::HalfVector;
using vector::SparseVector;
using vector::SparseView;
using vector::Vector;

constexpr int kSpaceFunction = 1;  // support function number: element type * 16 + distance
constexpr int kSpaceShift = 4;

uint32 DimOf(const void *ctx) { return static_cast<const ItemSpace *>(ctx)->dim; }
const float *Floats(const void *item) { return static_cast<const float *>(item); }
const uint16 *Halves(const void *item) { return static_cast<const uint16 *>(item); }
const uint8 *Bytes(const void *item) { return static_cast<const uint8 *>(item); }

float FloatL2(const void *ctx, const void *a, const void *b) {
  return vector::L2Squared(Floats(a), Floats(b), DimOf(ctx));
}
float FloatIp(const void *ctx, const void *a, const void *b) {
  return -vector::Dot(Floats(a), Floats(b), DimOf(ctx));
}
float FloatCosine(const void *ctx, const void *a, const void *b) {
  return 1 - vector::Dot(Floats(a), Floats(b), DimOf(ctx));
}
float FloatL1(const void *ctx, const void *a, const void *b) {
  return vector::L1(Floats(a), Floats(b), DimOf(ctx));
}
float HalfL2(const void *ctx, const void *a, const void *b) {
  return vector::L2SquaredHalf(Halves(a), Halves(b), DimOf(ctx));
}
float HalfIp(const void *ctx, const void *a, const void *b) {
  return -vector::DotHalf(Halves(a), Halves(b), DimOf(ctx));
}
float HalfCosine(const void *ctx, const void *a, const void *b) {
  return 1 - vector::DotHalf(Halves(a), Halves(b), DimOf(ctx));
}
float HalfL1(const void *ctx, const void *a, const void *b) {
  return vector::L1Half(Halves(a), Halves(b), DimOf(ctx));
}
uint32 BitBytes(uint32 dim) { return (dim + 7) / 8; }
float BitHamming(const void *ctx, const void *a, const void *b) {
  return static_cast<float>(vector::Hamming(Bytes(a), Bytes(b), BitBytes(DimOf(ctx))));
}
float BitJaccard(const void *ctx, const void *a, const void *b) {
  const vector::JaccardCounts counts = vector::Jaccard(Bytes(a), Bytes(b), BitBytes(DimOf(ctx)));
  if (counts.both == 0) return 1;
  return static_cast<float>(1 -
                            static_cast<double>(counts.both) / static_cast<double>(counts.either));
}
SparseView View(const void *item) {
  const auto *words = static_cast<const int32 *>(item);
  return {words[0], words + 1, reinterpret_cast<const float *>(words + 1 + words[0])};
}
float SparseL2(const void *, const void *a, const void *b) {
  return static_cast<float>(vector::SparseL2Squared(View(a), View(b)));
}
float SparseIp(const void *, const void *a, const void *b) {
  return static_cast<float>(-vector::SparseDot(View(a), View(b)));
}
float SparseCosine(const void *, const void *a, const void *b) {
  return static_cast<float>(1 - vector::SparseDot(View(a), View(b)));
}
float SparseL1Distance(const void *, const void *a, const void *b) {
  return static_cast<float>(vector::SparseL1(View(a), View(b)));
}

using DistanceFunction = float (*)(const void *, const void *, const void *);
constexpr DistanceFunction kFloat[] = {FloatL2, FloatIp, FloatCosine, FloatL1};
constexpr DistanceFunction kHalf[] = {HalfL2, HalfIp, HalfCosine, HalfL1};
constexpr DistanceFunction kSparse[] = {SparseL2, SparseIp, SparseCosine, SparseL1Distance};

[[noreturn]] void WrongDimensions(uint32 expected, uint32 got) {
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                  errmsg("expected %u dimensions, not %u", expected, got)));
  pg_unreachable();
}

// Scales to unit length in place; false when the length is zero.
bool Normalize(float *x, uint32 n) {
  const double norm = std::sqrt(static_cast<double>(vector::Dot(x, x, n)));
  if (!(norm > 0)) return false;
  for (uint32 i = 0; i < n; i++) x[i] = static_cast<float>(x[i] / norm);
  return true;
}

}  // namespace

// The dimension comes from the typmod: an index over values of mixed dimensions has no meaning.
ItemSpace SpaceOf(Relation index) {
  const FmgrInfo *proc = index_getprocinfo(index, 1, kSpaceFunction);
  const int32 code = DatumGetInt32(FunctionCall0Coll(const_cast<FmgrInfo *>(proc), InvalidOid));
  ItemSpace space;
  space.type = static_cast<ElementType>(code >> kSpaceShift);
  space.distance = static_cast<DistanceKind>(code & ((1 << kSpaceShift) - 1));
  const int32 typmod = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
  if (typmod < 1) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column does not have dimensions"),
             errhint("Declare the column with its dimension, such as vector(768), or index a cast "
                     "to such a type.")));
  }
  space.dim = static_cast<uint32>(typmod);
  return space;
}

// Sparse vectors hold only what is not zero.
uint32 ItemBytes(const ItemSpace &space) {
  switch (space.type) {
    case ElementType::kVector:
      return space.dim * sizeof(float);
    case ElementType::kHalfvec:
      return space.dim * sizeof(uint16);
    case ElementType::kBit:
      return BitBytes(space.dim);
    case ElementType::kSparsevec:
      return 0;
  }
  elog(ERROR, "unknown element type %d", static_cast<int>(space.type));
}

uint32 MaxItemBytes(const ItemSpace &space) {
  if (space.type != ElementType::kSparsevec) return ItemBytes(space);
  return sizeof(int32) + kMaxSparseElements * (sizeof(int32) + sizeof(float));
}

Space ItemDistance(const ItemSpace *space) {
  const int which = static_cast<int>(space->distance) - 1;
  switch (space->type) {
    case ElementType::kVector:
      return {kFloat[which], space};
    case ElementType::kHalfvec:
      return {kHalf[which], space};
    case ElementType::kSparsevec:
      return {kSparse[which], space};
    case ElementType::kBit:
      return {space->distance == DistanceKind::kHamming ? BitHamming : BitJaccard, space};
  }
  elog(ERROR, "unknown element type %d", static_cast<int>(space->type));
}

Space FloatDistance(const ItemSpace *space) {
  return {kFloat[static_cast<int>(space->distance) - 1], space};
}

void *MakeItem(const ItemSpace &space, Datum value, uint32 *bytes) {
  const bool cosine = space.distance == DistanceKind::kCosine;
  switch (space.type) {
    case ElementType::kVector: {
      *bytes = space.dim * sizeof(float);
      auto *out = static_cast<float *>(palloc(*bytes));
      return MakeFloats(space, value, out) ? out : nullptr;
    }
    case ElementType::kHalfvec: {
      const auto *half = reinterpret_cast<const HalfVector *>(DatumGetPointer(value));
      if (static_cast<uint32>(half->dim) != space.dim) WrongDimensions(space.dim, half->dim);
      *bytes = space.dim * sizeof(uint16);
      void *out = palloc(*bytes);
      if (!cosine) {
        memcpy(out, half->x, *bytes);
        return out;
      }
      auto *floats = static_cast<float *>(palloc(space.dim * sizeof(float)));
      if (!MakeFloats(space, value, floats)) return nullptr;
      vector::FloatToHalf(floats, static_cast<uint16 *>(out), space.dim);
      pfree(floats);
      return out;
    }
    case ElementType::kBit: {
      const auto *bits = reinterpret_cast<const VarBit *>(DatumGetPointer(value));
      if (static_cast<uint32>(VARBITLEN(bits)) != space.dim)
        WrongDimensions(space.dim, VARBITLEN(bits));
      *bytes = BitBytes(space.dim);
      void *out = palloc(*bytes);
      memcpy(out, VARBITS(bits), *bytes);
      return out;
    }
    case ElementType::kSparsevec: {
      const auto *sparse = reinterpret_cast<const SparseVector *>(DatumGetPointer(value));
      if (static_cast<uint32>(sparse->dim) != space.dim) WrongDimensions(space.dim, sparse->dim);
      if (sparse->nnz > kMaxSparseElements) {
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("sparsevec cannot have more than %d non-zero elements for hnsw index",
                        kMaxSparseElements)));
      }
      const int32 nnz = sparse->nnz;
      *bytes = sizeof(int32) + nnz * (sizeof(int32) + sizeof(float));
      auto *out = static_cast<int32 *>(palloc(*bytes));
      out[0] = nnz;
      memcpy(out + 1, sparse->indices, nnz * sizeof(int32));
      auto *values = reinterpret_cast<float *>(out + 1 + nnz);
      memcpy(values, vector::SparseValues(sparse), nnz * sizeof(float));
      if (cosine && !Normalize(values, nnz)) return nullptr;
      return out;
    }
  }
  elog(ERROR, "unknown element type %d", static_cast<int>(space.type));
}

bool MakeFloats(const ItemSpace &space, Datum value, float *out) {
  if (space.type == ElementType::kVector) {
    const auto *v = reinterpret_cast<const Vector *>(DatumGetPointer(value));
    if (static_cast<uint32>(v->dim) != space.dim) WrongDimensions(space.dim, v->dim);
    memcpy(out, v->x, space.dim * sizeof(float));
  } else {
    const auto *half = reinterpret_cast<const HalfVector *>(DatumGetPointer(value));
    if (static_cast<uint32>(half->dim) != space.dim) WrongDimensions(space.dim, half->dim);
    vector::HalfToFloat(half->x, out, space.dim);
  }
  return space.distance != DistanceKind::kCosine || Normalize(out, space.dim);
}

uint32 StoredItemBytes(const ItemSpace &space, const void *item, uint32 limit) {
  const uint32 fixed = ItemBytes(space);
  if (fixed != 0) return fixed <= limit ? fixed : 0;
  int32 nnz;
  if (limit < sizeof(nnz)) return 0;
  memcpy(&nnz, item, sizeof(nnz));
  if (nnz < 0 || nnz > kMaxSparseElements) return 0;
  const uint32 bytes = sizeof(int32) + nnz * (sizeof(int32) + sizeof(float));
  return bytes <= limit ? bytes : 0;
}

// Uses the kernels of the SQL operators on the values as stored, so that both order alike.
float ExactDistance(const ItemSpace &space, Datum query, Datum value) {
  const uint32 dim = space.dim;
  if (space.type == ElementType::kVector) {
    const auto *a = reinterpret_cast<const Vector *>(DatumGetPointer(query));
    const auto *b = reinterpret_cast<const Vector *>(DatumGetPointer(value));
    if (static_cast<uint32>(b->dim) != dim) WrongDimensions(dim, b->dim);
    if (space.distance != DistanceKind::kCosine)
      return ItemDistance(&space).distance(&space, a->x, b->x);
    const vector::CosineParts parts = vector::Cosine(a->x, b->x, dim);
    return static_cast<float>(
        1 - static_cast<double>(parts.dot) /
                std::sqrt(static_cast<double>(parts.norm_a) * static_cast<double>(parts.norm_b)));
  }
  const auto *a = reinterpret_cast<const HalfVector *>(DatumGetPointer(query));
  const auto *b = reinterpret_cast<const HalfVector *>(DatumGetPointer(value));
  if (static_cast<uint32>(b->dim) != dim) WrongDimensions(dim, b->dim);
  if (space.distance != DistanceKind::kCosine)
    return ItemDistance(&space).distance(&space, a->x, b->x);
  const vector::CosineParts parts = vector::CosineHalf(a->x, b->x, dim);
  return static_cast<float>(
      1 - static_cast<double>(parts.dot) /
              std::sqrt(static_cast<double>(parts.norm_a) * static_cast<double>(parts.norm_b)));
}

}  // namespace helios::hnsw

// Describes the spaces of the operator classes: element type * 16 + distance.
#define HELIOS_SPACE(name, type, distance)                                     \
  HELIOS_FUNCTION(hnsw_space_##name) {                                         \
    (void)fcinfo;                                                              \
    PG_RETURN_INT32((static_cast<int>(helios::hnsw::ElementType::type) << 4) | \
                    static_cast<int>(helios::hnsw::DistanceKind::distance));   \
  }

HELIOS_SPACE(vector_l2, kVector, kL2)
HELIOS_SPACE(vector_ip, kVector, kInnerProduct)
HELIOS_SPACE(vector_cosine, kVector, kCosine)
HELIOS_SPACE(vector_l1, kVector, kL1)
HELIOS_SPACE(halfvec_l2, kHalfvec, kL2)
HELIOS_SPACE(halfvec_ip, kHalfvec, kInnerProduct)
HELIOS_SPACE(halfvec_cosine, kHalfvec, kCosine)
HELIOS_SPACE(halfvec_l1, kHalfvec, kL1)
HELIOS_SPACE(sparsevec_l2, kSparsevec, kL2)
HELIOS_SPACE(sparsevec_ip, kSparsevec, kInnerProduct)
HELIOS_SPACE(sparsevec_cosine, kSparsevec, kCosine)
HELIOS_SPACE(sparsevec_l1, kSparsevec, kL1)
HELIOS_SPACE(bit_hamming, kBit, kHamming)
HELIOS_SPACE(bit_jaccard, kBit, kJaccard)
