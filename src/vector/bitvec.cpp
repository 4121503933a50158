// Distances of PostgreSQL's own type bit, which serves as the binary vector.
#include "pg/pg.hpp"

#include "vector/core/distance.hpp"

extern "C" {
#include "utils/varbit.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {

// Checks that two bit strings have the same length; the bits that pad their last bytes are zero.
static void CheckSameLength(VarBit *a, VarBit *b) {
  if (likely(VARBITLEN(a) == VARBITLEN(b))) return;
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                  errmsg("different bit lengths %u and %u", VARBITLEN(a), VARBITLEN(b))));
}

HELIOS_FUNCTION(hamming_distance) {
  VarBit *const a = PG_GETARG_VARBIT_P(0);
  VarBit *const b = PG_GETARG_VARBIT_P(1);
  CheckSameLength(a, b);
  PG_RETURN_FLOAT8(static_cast<double>(Hamming(VARBITS(a), VARBITS(b), VARBITBYTES(a))));
}

// 1 - |a and b| / |a or b|; strings without a common bit are at distance 1, even if both are empty.
HELIOS_FUNCTION(jaccard_distance) {
  VarBit *const a = PG_GETARG_VARBIT_P(0);
  VarBit *const b = PG_GETARG_VARBIT_P(1);
  CheckSameLength(a, b);
  const JaccardCounts counts = Jaccard(VARBITS(a), VARBITS(b), VARBITBYTES(a));
  if (counts.both == 0) PG_RETURN_FLOAT8(1);
  PG_RETURN_FLOAT8(1 - static_cast<double>(counts.both) / static_cast<double>(counts.either));
}

}  // namespace helios::vector
