#include "pg/tables.hpp"

extern "C" {
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

BlockNumber PagesOf(Relation table) {
  if (table->rd_tableam == GetHeapamTableAmRoutine()) return RelationGetNumberOfBlocks(table);
  BlockNumber pages;
  double rows, all_visible;
  table_relation_estimate_size(table, nullptr, &pages, &rows, &all_visible);
  return pages;
}

}  // namespace helios::pg
