#include "pg/indexes.hpp"

extern "C" {
#include "access/stratnum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

Oid EqualityOf(Relation index, int column) {
  const Oid type = index->rd_opcintype[column];
  const Oid op = get_opfamily_member(index->rd_opfamily[column], type, type, BTEqualStrategyNumber);
  if (!OidIsValid(op))
    elog(ERROR, "column %d of index %u has no equality", column + 1, RelationGetRelid(index));
  return op;
}

}  // namespace helios::pg
