// Models of quantized indexes: their place in the index, and the backend's cache of them.
#pragma once

#include "hnsw/page.hpp"

#include "hnsw/core/codec.hpp"

namespace helios::hnsw {

// The codec parameters that an index's meta page implies, for its own or for the fallback format.
CodecSpec SpecOf(const Meta &meta, PageFormat format);

// The scalar codec of copies for re-ranking and of the fallback format.
CodecSpec ScalarSpec(const Meta &meta);

// Appends the model's pages to the index (not WAL-logged when `logged` is false) and returns the
// first block.
BlockNumber WriteModel(Relation index, ForkNumber fork, const uint8 *model, uint32 bytes,
                       bool logged);

// Returns the codec of a page format; null for unquantized indexes. It stays valid until `owner` is
// reset. The own format of an index that is not trained yet has none either.
const Codec *OpenCodec(Relation index, const Meta &meta, PageFormat format, MemoryContext owner);

// Returns the codec of the scalar copies, valid until `owner` is reset.
const Codec *OpenScalarCodec(Relation index, const Meta &meta, MemoryContext owner);

}  // namespace helios::hnsw
