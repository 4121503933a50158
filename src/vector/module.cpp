#include "vector/vector.hpp"

namespace helios::vector {

// Does nothing: types need no settings, and the kernels choose the CPU's instructions themselves.
void InitVector() {}

}  // namespace helios::vector
