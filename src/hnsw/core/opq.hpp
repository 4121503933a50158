// Learned rotation for product quantization.
#pragma once

#include "hnsw/core/model.hpp"
#include "hnsw/core/random.hpp"

namespace helios::hnsw {

// Finds the rotation that lowers the quantization error of the sample, non-parametric OPQ (Ge, He,
// Ke, Sun, "Optimized Product Quantization", CVPR 2013, section 3.2): rotation[dim][dim], y = R x.
// False when interrupted.
bool LearnRotation(const CodecSpec& spec, const float* sample, size_t n, size_t memory, Poll poll,
                   Random* random, std::vector<float>* rotation);

}  // namespace helios::hnsw
