#include "vector/value.hpp"

extern "C" {
#include "common/shortest_dec.h"
}

namespace helios::vector {

void RaiseCorrupt(const char *type, const char *detail) {
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("corrupted value of type %s", type),
                  errdetail("%s", detail)));
  pg_unreachable();
}

void CheckElementCount(int nnz, int dim) {
  if (nnz < 0) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("sparsevec cannot have negative number of elements")));
  }
  if (nnz > kMaxSparsevecElements) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("sparsevec cannot have more than %d non-zero elements",
                           kMaxSparsevecElements)));
  }
  if (nnz > dim) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("sparsevec cannot have more elements than dimensions")));
  }
}

void CheckIndex(const int32 *indices, int i, int dim) {
  const int32 index = indices[i];
  if (index < 0 || index >= dim) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec index out of bounds")));
  }
  if (i == 0) return;
  if (index < indices[i - 1]) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("sparsevec indices must be in ascending order")));
  }
  if (index == indices[i - 1]) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("sparsevec indices must not contain duplicates")));
  }
}

uint16 NarrowChecked(float value, const HalfVector *) {
  if (unlikely(std::fabs(value) >= Traits<HalfVector>::kTextLimit && std::isfinite(value))) {
    char text[FLOAT_SHORTEST_DECIMAL_LEN];
    float_to_shortest_decimal_buf(value, text);
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("\"%s\" is out of range for type halfvec", text)));
  }
  return FloatToHalf(value);
}

}  // namespace helios::vector
