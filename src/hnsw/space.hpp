// What an operator class means to the graph: how a column value becomes an item, and how far two
// items are.
//
// An item is the in-index form of a value:
//   vector     float[dim]                 (unit length for cosine)
//   halfvec    binary16[dim]              (unit length for cosine)
//   bit        bytes[ceil(dim / 8)]
//   sparsevec  int32 nnz | int32 index[nnz] | float value[nnz]   (unit length for cosine)
#pragma once

#include "pg/pg.hpp"

#include "hnsw/core/codec.hpp"
#include "hnsw/core/graph.hpp"

extern "C" {
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

enum class ElementType : uint8_t { kVector = 1, kHalfvec, kBit, kSparsevec };

// Distances of the operator classes; the first four have the values of the codecs' Metric.
enum class DistanceKind : uint8_t { kL2 = 1, kInnerProduct, kCosine, kL1, kHamming, kJaccard };

constexpr int kMaxPlainVectorDim = 2000;  // pgvector's limits for unquantized indexes
constexpr int kMaxPlainHalfvecDim = 4000;
constexpr int kMaxPlainBitDim = 64000;
constexpr int kMaxSparseElements = 1000;
constexpr int kMaxQuantizedDim = 16000;

// Element type, distance and dimension of one index; a plain value.
struct ItemSpace {
  ElementType type;
  DistanceKind distance;
  uint32 dim;

  bool dense() const { return type == ElementType::kVector || type == ElementType::kHalfvec; }
  Metric metric() const { return static_cast<Metric>(distance); }  // dense types only
};

// Reads element type and distance from the operator class, and the dimension from the column's
// typmod.
ItemSpace SpaceOf(Relation index);

// Bytes of one item, 0 when items vary in size (sparsevec).
uint32 ItemBytes(const ItemSpace &space);

// The largest item that one value may make (sparsevec: kMaxSparseElements elements).
uint32 MaxItemBytes(const ItemSpace &space);

// Returns the graph's distance function over two items of the space.
Space ItemDistance(const ItemSpace *space);

// Makes a palloc'd item from a detoasted column value; returns null for a zero vector under cosine,
// which is not indexed. Raises an error for a value of another dimension or with too many elements.
void *MakeItem(const ItemSpace &space, Datum value, uint32 *bytes);

// Writes the value's floats (unit length for cosine) to out[dim]; false for a zero vector under
// cosine. Dense types only.
bool MakeFloats(const ItemSpace &space, Datum value, float *out);

// Bytes of the item stored at `item`, which has at most `limit` bytes; 0 when the bytes are not an
// item.
uint32 StoredItemBytes(const ItemSpace &space, const void *item, uint32 limit);

// Exact working distance of a column value to the query value, in the order of the SQL operator.
float ExactDistance(const ItemSpace &space, Datum query, Datum value);

// Float distance of the space's metric over float[dim] items: what decoded codes are compared with.
Space FloatDistance(const ItemSpace *space);

}  // namespace helios::hnsw
