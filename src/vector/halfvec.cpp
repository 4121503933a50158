// Input and output functions of type halfvec; the layout is drawn in vector.hpp.
#include "vector/io.hpp"

namespace helios::vector {

HELIOS_FUNCTION(halfvec_in) { return DenseIn<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_out) { return DenseOut<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_recv) { return DenseRecv<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_send) { return DenseSend<HalfVector>(fcinfo); }

HELIOS_FUNCTION(halfvec_typmod_in) {
  return TypmodIn(fcinfo, Traits<HalfVector>::kName, Traits<HalfVector>::kMaxDim);
}

}  // namespace helios::vector
