#include "changelog/log_index.hpp"

#include "changelog/catalog.hpp"
#include "changelog/log_table.hpp"

extern "C" {
#include "access/brin_revmap.h"
#include "access/genam.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::changelog {

namespace {

constexpr Oid kCharNotEqual = 630;  // pg_operator.dat names no symbol for it

// What a btree index is on, in columns of the table.
struct Shape {
  Oid index;
  int count;
  AttrNumber columns[INDEX_MAX_KEYS];
  Oid opclasses[INDEX_MAX_KEYS];
  Oid collations[INDEX_MAX_KEYS];
  int16 options[INDEX_MAX_KEYS];
  bool operator==(const Shape &other) const {
    return count == other.count && std::memcmp(columns, other.columns, sizeof(columns)) == 0 &&
           std::memcmp(opclasses, other.opclasses, sizeof(opclasses)) == 0 &&
           std::memcmp(collations, other.collations, sizeof(collations)) == 0 &&
           std::memcmp(options, other.options, sizeof(options)) == 0;
  }
};

// The shapes of one relation's indexes.
struct Shapes {
  int count;
  Shape *shapes;
  bool has_xid_index;  // of a log
  bool Have(const Shape &wanted) const {
    for (int i = 0; i < count; i++) {
      if (shapes[i] == wanted) return true;
    }
    return false;
  }
};

// Builds `op <> 'I'` over a log.
List *NotInsert() {
  Expr *op = reinterpret_cast<Expr *>(makeVar(1, kLogOp, CHAROID, -1, InvalidOid, 0));
  Expr *insert = reinterpret_cast<Expr *>(
      makeConst(CHAROID, -1, InvalidOid, sizeof(char), CharGetDatum(kOpInsert), false, true));
  Expr *differs = make_opclause(kCharNotEqual, BOOLOID, false, op, insert, InvalidOid, InvalidOid);
  reinterpret_cast<OpExpr *>(differs)->opfuncid = F_CHARNE;
  return list_make1(differs);
}

Oid AccessMethodOf(Oid index) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid method = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam;
  ReleaseSysCache(tuple);
  return method;
}

template <typename Vector>
const auto *VectorOf(HeapTuple tuple, AttrNumber column) {
  bool is_null;
  return reinterpret_cast<const Vector *>(
             DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, column, &is_null)))
      ->values;
}

// Reads what an index is on, column 1 of the table being column 1 + `offset` of the relation; false if
// it is not a valid btree index on plain columns, or not partial as those of logs are. Without a lock on
// the index, which DROP INDEX CONCURRENTLY may be dropping.
bool ReadShape(Oid index, int offset, Shape *shape) {
  if (AccessMethodOf(index) != BTREE_AM_OID) return false;
  HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  const auto *form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
  const bool is_partial = !heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
  const bool fits = form->indisvalid && is_partial == (offset > 0) &&
                    heap_attisnull(tuple, Anum_pg_index_indexprs, nullptr);
  if (fits) {
    *shape = {};
    shape->index = index;
    shape->count = form->indnkeyatts;
    const Oid *opclasses = VectorOf<oidvector>(tuple, Anum_pg_index_indclass);
    const Oid *collations = VectorOf<oidvector>(tuple, Anum_pg_index_indcollation);
    const int16 *options = VectorOf<int2vector>(tuple, Anum_pg_index_indoption);
    for (int i = 0; i < shape->count; i++) {
      shape->columns[i] = static_cast<AttrNumber>(form->indkey.values[i] - offset);
      shape->opclasses[i] = opclasses[i];
      shape->collations[i] = collations[i];
      shape->options[i] = options[i];
    }
  }
  ReleaseSysCache(tuple);
  return fits;
}

// Reads the shapes of a relation's indexes.
Shapes ReadShapes(Relation relation, int offset) {
  List *indexes = RelationGetIndexList(relation);
  Shapes shapes = {};
  shapes.shapes = static_cast<Shape *>(palloc((list_length(indexes) + 1) * sizeof(Shape)));
  ListCell *cell;
  foreach (cell, indexes) {
    if (ReadShape(lfirst_oid(cell), offset, &shapes.shapes[shapes.count])) shapes.count++;
    if (AccessMethodOf(lfirst_oid(cell)) == BRIN_AM_OID) shapes.has_xid_index = true;
  }
  list_free(indexes);
  return shapes;
}

// Creates an index of the pre-images.
void CreateMirror(Relation table, Relation log, const Shape &shape) {
  IndexInfo *info = makeIndexInfo(shape.count, shape.count, BTREE_AM_OID, NIL, NotInsert(), false,
                                  false, true, false);
  Shape copy = shape;
  List *names = NIL;
  char *columns = nullptr;
  for (int i = 0; i < shape.count; i++) {
    const char *name = ColumnName(shape.columns[i] - 1);
    info->ii_IndexAttrNumbers[i] = static_cast<AttrNumber>(shape.columns[i] + kLogColumns);
    names = lappend(names, pstrdup(name));
    columns = columns == nullptr ? pstrdup(name) : psprintf("%s_%s", columns, name);
  }
  const bool is_key = shape.index == RelationGetPrimaryKeyIndex(table);
  char *name = is_key ? psprintf("log_%u_key", RelationGetRelid(table))
                      : ChooseRelationName(RelationGetRelationName(log), columns, "idx",
                                           RelationGetNamespace(log), false);
  index_create(log, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info, names, BTREE_AM_OID,
               InvalidOid, copy.collations, copy.opclasses, copy.options, static_cast<Datum>(0), 0,
               0, false, true, nullptr);
  CommandCounterIncrement();
}

// Creates the block range index on the ending transaction.
void CreateXidIndex(Relation table, Relation log) {
  IndexInfo *info = makeIndexInfo(1, 1, BRIN_AM_OID, NIL, NIL, false, false, true, false);
  info->ii_IndexAttrNumbers[0] = kLogXid;
  Oid collation = InvalidOid;
  Oid opclass = get_opclass_oid(
      BRIN_AM_OID,
      list_make2(makeString(pstrdup(kAdminSchema)), makeString(pstrdup("xid8_minmax_ops"))), false);
  int16 option = 0;
  constexpr int kPagesPerRange = 16;
  List *options = list_make1(makeDefElem(
      pstrdup("pages_per_range"), reinterpret_cast<Node *>(makeInteger(kPagesPerRange)), -1));
  index_create(log, psprintf("log_%u_xid", RelationGetRelid(table)), InvalidOid, InvalidOid,
               InvalidOid, InvalidOid, info, list_make1(pstrdup("xid")), BRIN_AM_OID, InvalidOid,
               &collation, &opclass, &option,
               transformRelOptions(static_cast<Datum>(0), options, nullptr, nullptr, false, false),
               0, 0, false, true, nullptr);
  CommandCounterIncrement();
  LeaveFirstRangeOpen(log);
}

void DropIndex(Oid index) {
  ObjectAddress self;
  ObjectAddressSet(self, RelationRelationId, index);
  performDeletion(&self, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
  CommandCounterIncrement();
}

// Drops the indexes of a log that its table has no longer.
void DropSurplus(const Shapes &present, const Shapes &wanted) {
  for (int i = 0; i < present.count; i++) {
    if (!wanted.Have(present.shapes[i])) DropIndex(present.shapes[i].index);
  }
}

// Creates the indexes that a log lacks, the one of the primary key first, whose name is known.
void CreateMissing(Relation table, Relation log, const Shapes &present, const Shapes &wanted) {
  const Oid primary = RelationGetPrimaryKeyIndex(table);
  Shapes created = {};
  created.shapes = static_cast<Shape *>(palloc((wanted.count + 1) * sizeof(Shape)));
  for (const bool key_turn : {true, false}) {
    for (int i = 0; i < wanted.count; i++) {
      const Shape &shape = wanted.shapes[i];
      if (key_turn != (shape.index == primary) || present.Have(shape) || created.Have(shape))
        continue;
      CreateMirror(table, log, shape);
      created.shapes[created.count++] = shape;
    }
  }
  if (!present.has_xid_index) CreateXidIndex(table, log);
}

// Tells how strong a lock on a log is needed to bring its indexes in line.
LOCKMODE LockToMirror(const Shapes &present, const Shapes &wanted) {
  for (int i = 0; i < present.count; i++) {
    if (!wanted.Have(present.shapes[i])) return AccessExclusiveLock;
  }
  if (!present.has_xid_index) return ShareRowExclusiveLock;
  for (int i = 0; i < wanted.count; i++) {
    if (!present.Have(wanted.shapes[i])) return ShareRowExclusiveLock;
  }
  return AccessShareLock;
}

}  // namespace

void LeaveFirstRangeOpen(Relation log) {
  List *indexes = RelationGetIndexList(log);
  ListCell *cell;
  foreach (cell, indexes) {
    if (AccessMethodOf(lfirst_oid(cell)) != BRIN_AM_OID) continue;
    Relation index = index_open(lfirst_oid(cell), ShareUpdateExclusiveLock);
    while (!brinRevmapDesummarizeRange(index, 0)) CHECK_FOR_INTERRUPTS();
    index_close(index, NoLock);
  }
  list_free(indexes);
}

bool IsMirror(Relation index) {
  return index->rd_rel->relam == BTREE_AM_OID && !index->rd_index->indisunique &&
         equal(RelationGetIndexPredicate(index), NotInsert());
}

void MirrorIndexes(Relation table, Oid log_oid) {
  Relation log = table_open(log_oid, AccessShareLock);
  const Shapes wanted = ReadShapes(table, 0);
  Shapes present = ReadShapes(log, kLogColumns);
  const LOCKMODE lock = LockToMirror(present, wanted);
  if (lock != AccessShareLock) {
    LockRelationOid(log_oid, lock);
    present = ReadShapes(log, kLogColumns);  // somebody else may have done it meanwhile
    DropSurplus(present, wanted);
    CreateMissing(table, log, present, wanted);
  }
  table_close(log, NoLock);
}

}  // namespace helios::changelog
