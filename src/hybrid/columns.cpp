#include "hybrid/columns.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "optimizer/optimizer.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Null means all columns: a set without a column has this member, which is none.
constexpr int kNoColumn = MaxHeapAttributeNumber;

}  // namespace

bool AddColumnsOf(Node *expressions, Index varno, Bitmapset **columns) {
  if (*columns == nullptr) *columns = bms_make_singleton(kNoColumn);
  Bitmapset *found = nullptr;
  pull_varattnos(expressions, varno, &found);
  int member = -1;
  while ((member = bms_next_member(found, member)) >= 0) {
    const int attribute = member + FirstLowInvalidHeapAttributeNumber;
    if (attribute == 0) return false;
    if (attribute > 0) *columns = bms_add_member(*columns, attribute - 1);
  }
  bms_free(found);
  return true;
}

Bitmapset *ColumnsOfIndex(IndexInfo *info) {
  Bitmapset *columns = nullptr;
  if (!AddColumnsOf(reinterpret_cast<Node *>(info->ii_Expressions), 1, &columns)) return nullptr;
  if (!AddColumnsOf(reinterpret_cast<Node *>(info->ii_Predicate), 1, &columns)) return nullptr;
  for (int i = 0; i < info->ii_NumIndexAttrs; i++) {
    const AttrNumber attribute = info->ii_IndexAttrNumbers[i];
    if (attribute > 0) columns = bms_add_member(columns, attribute - 1);
  }
  return columns;
}

std::span<const int> ListColumns(TupleDesc tupdesc, const Bitmapset *columns) {
  auto *list = static_cast<int *>(palloc((tupdesc->natts + 1) * sizeof(int)));
  size_t count = 0;
  for (int a = 0; a < tupdesc->natts; a++) {
    if (TupleDescAttr(tupdesc, a)->attisdropped) continue;
    if (columns == nullptr || bms_is_member(a, columns)) list[count++] = a;
  }
  return {list, count};
}

}  // namespace helios::hybrid
