#include "vector/vector.hpp"

namespace helios::vector {

// The types need no settings and no hooks: their kernels choose the CPU's instructions by themselves.
void InitVector() {}

}  // namespace helios::vector
