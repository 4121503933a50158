#include "vector/io.hpp"

extern "C" {
#include "utils/array.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {

void RaiseParseError(const char *type, const char *text, const ParseResult &result, char opening,
                     int limit) {
  const bool dense = opening == '[';
  switch (result.status) {
    case ParseStatus::kEmpty:
      ereport(ERROR,
              (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", type)));
      break;
    case ParseStatus::kTooMany:
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                      errmsg("%s cannot have more than %d %s", type, limit,
                             dense ? "dimensions" : "non-zero elements")));
      break;
    case ParseStatus::kOutOfRange:
      ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                      errmsg("\"%.*s\" is out of range for type %s",
                             static_cast<int>(result.number.size()), result.number.data(), type)));
      break;
    case ParseStatus::kNan:
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", type)));
      break;
    case ParseStatus::kInfinite:
      ereport(ERROR,
              (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in %s", type)));
      break;
    default:
      break;
  }
  ereport(
      ERROR,
      (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
       errmsg("invalid input syntax for type %s: \"%s\"", type, text),
       result.status == ParseStatus::kNoOpening
           ? errdetail("Vector contents must start with \"%c\".", opening)
       : result.status == ParseStatus::kJunk ? (dense ? errdetail("Junk after closing right brace.")
                                                      : errdetail("Junk after closing."))
       : result.status == ParseStatus::kNoDimension ? errdetail("Unexpected end of input.")
                                                    : 0));
  pg_unreachable();
}

Datum TypmodIn(FunctionCallInfo fcinfo, const char *type, int max_dim) {
  ArrayType *const modifiers = PG_GETARG_ARRAYTYPE_P(0);
  int count;
  const int32 *const dim = ArrayGetIntegerTypmods(modifiers, &count);
  if (count != 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
  }
  if (*dim < 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("dimensions for type %s must be at least 1", type)));
  }
  if (*dim > max_dim) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("dimensions for type %s cannot exceed %d", type, max_dim)));
  }
  PG_RETURN_INT32(*dim);
}

void CheckUnused(int unused) {
  if (unused == 0) return;
  ereport(ERROR,
          (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));
}

}  // namespace helios::vector
