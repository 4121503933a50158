// Input and output functions of type vector; the layout is drawn in vector.hpp.
#include "vector/io.hpp"

namespace helios::vector {

HELIOS_FUNCTION(vector_in) { return DenseIn<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_out) { return DenseOut<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_recv) { return DenseRecv<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_send) { return DenseSend<Vector>(fcinfo); }

HELIOS_FUNCTION(vector_typmod_in) {
  return TypmodIn(fcinfo, Traits<Vector>::kName, Traits<Vector>::kMaxDim);
}

}  // namespace helios::vector
