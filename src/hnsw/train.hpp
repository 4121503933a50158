// Training of product and RaBitQ models: at build from a sample of the table, later from the index
// itself.
#pragma once

#include "hnsw/page.hpp"

#include <vector>

namespace helios::hnsw {

// Trains the model of a spec; raises on cancel, returns false when there are too few rows. The blob
// is valid on true.
bool TrainModel(Relation index, const CodecSpec &spec, const float *sample, size_t rows,
                std::vector<uint8_t> *model);

// Trains an index that still stores fallback codes, once it has MinimumTrainingRows, from those
// codes, and re-encodes its pages one by one; searches and insertions go on meanwhile. Does nothing
// on other indexes.
void TrainFromIndex(Relation index, BufferAccessStrategy strategy);

}  // namespace helios::hnsw
