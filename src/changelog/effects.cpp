// What one transaction did: the records that bear its number, and versions of its making that others ended.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "pg/pg.hpp"
#include "pg/rows.hpp"

extern "C" {
#include "access/attmap.h"
#include "access/genam.h"
#include "access/table.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cstring>

namespace helios::changelog {

List *TrackedLeaves() {
  Relation table = table_open(OwnRelation(kAdminSchema, "tracked"), AccessShareLock);
  Relation index = index_open(OwnRelation(kAdminSchema, "tracked_pkey"), AccessShareLock);
  SysScanDesc scan = systable_beginscan_ordered(table, index, nullptr, 0, nullptr);
  List *relations = NIL;
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection))) {
    bool is_null;
    const Datum relation = heap_getattr(tuple, 1, RelationGetDescr(table), &is_null);
    TrackedTable tracked;
    if (FindTracked(DatumGetObjectId(relation), &tracked) && OidIsValid(tracked.log))
      relations = lappend_oid(relations, tracked.relation);
  }
  systable_endscan_ordered(scan);
  index_close(index, AccessShareLock);
  table_close(table, AccessShareLock);
  return relations;
}

bool BeganWithTracking(const TrackedTable &tracked) {
  return std::strcmp(tracked.reason, kTracked) == 0;
}

char *CreatorsOf(FullTransactionId xid, bool read_only) {
  const uint64 number = U64FromFullTransactionId(xid);
  // Subtransactions have greater numbers than the transaction. Rows of those that were rolled back are not seen,
  // nor is what they wrote.
  RunAsOwner(psprintf("SELECT sub FROM heliosdb_log.subxacts WHERE sub > '" UINT64_FORMAT
                      "' AND top = '" UINT64_FORMAT "'",
                      number, number),
             read_only, SPI_OK_SELECT);
  StringInfoData creators;
  initStringInfo(&creators);
  appendStringInfo(&creators, "{" UINT64_FORMAT, number);
  for (uint64 row = 0; row < SPI_processed; row++)
    appendStringInfo(&creators, ",%s",
                     SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
  appendStringInfoChar(&creators, '}');
  return creators.data;
}

bool HasRecords(const TrackedTable &leaf, FullTransactionId xid, bool read_only) {
  RunAsOwner(psprintf("SELECT FROM %s WHERE xid = '" UINT64_FORMAT "'", LogName(leaf),
                      U64FromFullTransactionId(xid)),
             read_only, SPI_OK_SELECT, 1);
  return SPI_processed > 0;
}

void ReadVersions(const TrackedTable &leaf, Relation shape, const Effects &effects, bool read_only,
                  pg::StoredRows *versions) {
  const uint64 number = U64FromFullTransactionId(effects.xid);
  // Whoever ended a version of the transaction had not ended itself when that committed.
  const uint64 floor = std::min(number, U64FromFullTransactionId(FloorAt(leaf, effects.committed)));
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql,
                   "SELECT CASE WHEN xid <> '" UINT64_FORMAT
                   "' THEN '%c' WHEN op = '%c' THEN '%c' ELSE '%c' END::\"char\" AS kind",
                   number, kVersionLeft, kOpInsert, kVersionKey, kVersionFormer);
  Relation table = table_open(leaf.relation, AccessShareLock);
  const AttrMap *attributes =
      build_attrmap_by_name(RelationGetDescr(table), RelationGetDescr(shape));
  for (int i = 0; i < RelationGetDescr(shape)->natts; i++) {
    if (TupleDescAttr(RelationGetDescr(shape), i)->attisdropped) continue;
    appendStringInfo(&sql, ", c%d AS c%d", attributes->attnums[i], i + 1);
  }
  table_close(table, NoLock);
  appendStringInfo(&sql,
                   " FROM %s WHERE xid >= '" UINT64_FORMAT "' AND (xid = '" UINT64_FORMAT
                   "' AND (op = '%c' OR creator <> ALL ('%s'::xid8[])) OR xid <> '" UINT64_FORMAT
                   "' AND op <> '%c' AND creator = ANY ('%s'::xid8[]))",
                   LogName(leaf), floor, number, kOpInsert, effects.creators, number, kOpInsert,
                   effects.creators);
  OwnerScope owner;
  owner.Enter();
  pg::StoreRows(sql.data, read_only, versions);
  owner.Leave();
}

}  // namespace helios::changelog
