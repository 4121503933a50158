#include "pg/range_table.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

RangeTblEntry *MakeTableEntry(Relation relation) {
  RangeTblEntry *entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = RelationGetRelid(relation);
  entry->relkind = relation->rd_rel->relkind;
  entry->rellockmode = AccessShareLock;
  List *names = NIL;
  const TupleDesc row = RelationGetDescr(relation);
  for (int i = 0; i < row->natts; i++)
    names = lappend(names, makeString(pstrdup(NameStr(TupleDescAttr(row, i)->attname))));
  entry->eref = makeAlias(RelationGetRelationName(relation), names);
  return entry;
}

}  // namespace helios::pg
