// A random sample of the table's vectors, for training and for choosing a quantization.
#pragma once

#include "hnsw/options.hpp"
#include "hnsw/page.hpp"

#include <vector>

extern "C" {
#include "nodes/execnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

// Reads up to `limit` rows into *sample (rows x dim, unit length for cosine), from random blocks;
// returns the rows.
size_t SampleTable(Relation heap, Relation index, IndexInfo *info, const ItemSpace &space,
                   size_t limit, std::vector<float> *sample);

// Recall of the 10 nearest by plain scalar codes among the 10 nearest of a sample.
float ScalarRecall(Relation index, const Meta &meta, const float *sample, size_t rows);

// Chooses the smallest quantization whose codes keep the neighbours of a sample, and records the
// measurement: 1-bit RaBitQ, then product codes, then 8-bit scalar codes. The rule is in
// docs/vector.md.
Quantization ChooseQuantization(Relation index, const Options &options, Meta *meta,
                                const float *sample, size_t rows);

}  // namespace helios::hnsw
