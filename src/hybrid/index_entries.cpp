#include "hybrid/index_entries.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/owner.hpp"

extern "C" {
#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

TableIndexes OpenTableIndexes(Relation rel) {
  TableIndexes indexes;
  indexes.estate = CreateExecutorState();
  indexes.context = GetPerTupleExprContext(indexes.estate);
  indexes.table = makeNode(ResultRelInfo);
  InitResultRelInfo(indexes.table, rel, 0, nullptr, 0);
  // Constant calls in index expressions are evaluated here already.
  AsOwner as_owner;
  as_owner.Begin(rel);
  ExecOpenIndices(indexes.table, false);
  as_owner.End();
  return indexes;
}

void CloseTableIndexes(TableIndexes *indexes) {
  ExecCloseIndices(indexes->table);
  FreeExecutorState(indexes->estate);
}

Bitmapset *ColumnsOfIndexes(const TableIndexes &indexes) {
  Bitmapset *columns = nullptr;
  AddColumnsOf(nullptr, 1, &columns);
  for (int i = 0; i < indexes.table->ri_NumIndices; i++) {
    Bitmapset *own = ColumnsOfIndex(indexes.table->ri_IndexRelationInfo[i]);
    if (own == nullptr) return nullptr;
    columns = bms_add_members(columns, own);
  }
  return columns;
}

void AddIndexEntries(TableIndexes *indexes, TupleTableSlot *slot) {
  MemoryContextReset(indexes->context->ecxt_per_tuple_memory);
  indexes->context->ecxt_scantuple = slot;
  for (int i = 0; i < indexes->table->ri_NumIndices; i++) {
    Relation index = indexes->table->ri_IndexRelationDescs[i];
    IndexInfo *info = indexes->table->ri_IndexRelationInfo[i];
    if (!info->ii_ReadyForInserts) continue;
    if (info->ii_Predicate != NIL) {
      if (info->ii_PredicateState == nullptr) {
        info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, indexes->estate);
      }
      if (!ExecQual(info->ii_PredicateState, indexes->context)) continue;
    }
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    FormIndexDatum(info, slot, indexes->estate, values, nulls);
    index_insert(index, values, nulls, &slot->tts_tid, indexes->table->ri_RelationDesc,
                 UNIQUE_CHECK_NO, false, info);
  }
}

}  // namespace helios::hybrid
