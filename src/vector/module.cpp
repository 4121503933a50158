#include "vector/vector.hpp"

#include "vector/core/distance.hpp"

namespace helios::vector {

// Does nothing: types need no settings, and the kernels choose the CPU's instructions themselves.
void InitVector() {}

}  // namespace helios::vector

// Names the instruction set that the kernels use on this machine.
HELIOS_FUNCTION(simd_target) {
  (void)fcinfo;
  PG_RETURN_TEXT_P(cstring_to_text(helios::vector::SimdTargetName()));
}
