#include "hybrid/am.hpp"
#include "hybrid/size.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/heap.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

void Truncate(Relation rel) {
  Heap()->relation_nontransactional_truncate(rel);
  const Oid toast = rel->rd_rel->reltoastrelid;
  if (!OidIsValid(toast)) return;
  // PostgreSQL does this only after it has built the table's indexes, which would lead to what is gone.
  Relation store = table_open(toast, AccessExclusiveLock);
  heap_truncate_one_rel(store);
  table_close(store, NoLock);
  ForgetColdSize(rel);
}

}  // namespace helios::hybrid
