#include "changelog/changes.hpp"

#include "changelog/catalog.hpp"
#include "pg/indexes.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// Writes ROW(...)::shape over the columns of a leaf or of its log, in the order of `shape`.
void AppendRow(StringInfo sql, Relation shape, Relation leaf, const char *alias, bool of_log) {
  appendStringInfoString(sql, "ROW(");
  const char *separator = "";
  for (int i = 0; i < RelationGetDescr(shape)->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(shape), i);
    if (attribute->attisdropped) continue;
    const AttrNumber number = get_attnum(RelationGetRelid(leaf), NameStr(attribute->attname));
    if (of_log) {
      appendStringInfo(sql, "%s%s.c%d", separator, alias, number);
    } else {
      appendStringInfo(sql, "%s%s.%s", separator, alias,
                       quote_identifier(NameStr(attribute->attname)));
    }
    separator = ", ";
  }
  appendStringInfo(sql, ")::%s", pg::QualifiedName(RelationGetRelid(shape)));
}

// Writes the condition that a version was there at the position.
char *CreatedBefore(const char *alias, const char *position) {
  return psprintf(
      "(%s.creator < pg_catalog.pg_snapshot_xmin(%s) OR "
      "pg_catalog.pg_visible_in_snapshot(heliosdb.changelog_top(%s.creator), %s))",
      alias, position, alias, position);
}

// Writes the records that came after the position.
void AppendRecent(StringInfo sql, const TrackedTable &tracked, const char *position) {
  appendStringInfo(sql,
                   "SELECT * FROM %s WHERE xid >= pg_catalog.pg_snapshot_xmin(%s) "
                   "AND NOT pg_catalog.pg_visible_in_snapshot(xid, %s)",
                   pg::QualifiedName(tracked.log), position, position);
}

// Writes the keys that have records, each with the version at the position, if there was one: (c…, old, has_old).
void AppendChangedKeys(StringInfo sql, Relation shape, Relation leaf, const TrackedTable &tracked,
                       const char *position) {
  StringInfoData keys;
  initStringInfo(&keys);
  for (int i = 0; i < tracked.key_count; i++)
    appendStringInfo(&keys, "%sc%d", i == 0 ? "" : ", ", tracked.key[i]);
  appendStringInfoString(sql, "(WITH recent AS (");
  AppendRecent(sql, tracked, position);
  appendStringInfo(sql,
                   "), seen AS (SELECT r.*, r.op <> 'I' AND %s AS is_old FROM recent r) "
                   "SELECT %s, (pg_catalog.array_agg(",
                   CreatedBefore("r", position), keys.data);
  AppendRow(sql, shape, leaf, "s", true);
  appendStringInfo(sql,
                   ") FILTER (WHERE s.is_old))[1] AS old, pg_catalog.bool_or(s.is_old) AS has_old "
                   "FROM seen s GROUP BY %s)",
                   keys.data);
}

// Net changes of the keys of `changed_keys`: the version at the position, if any, and the current row, if any.
void AppendKeyed(StringInfo sql, Relation shape, Relation leaf, const TrackedTable &tracked,
                 const char *changed_keys) {
  Relation primary = index_open(RelationGetPrimaryKeyIndex(leaf), AccessShareLock);
  StringInfoData of_new;
  initStringInfo(&of_new);
  for (int i = 0; i < tracked.key_count; i++) {
    const int key = tracked.key[i];
    appendStringInfo(
        &of_new, "%sn.%s %s k.c%d", i == 0 ? "" : " AND ",
        quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(leaf), key - 1)->attname)),
        pg::QualifiedOperator(pg::EqualityOf(primary, i)), key);
  }
  index_close(primary, NoLock);
  appendStringInfoString(
      sql, "(WITH pair AS (SELECT k.old, k.has_old, CASE WHEN n.ctid IS NOT NULL THEN ");
  AppendRow(sql, shape, leaf, "n", false);
  appendStringInfo(
      sql,
      " END AS new, n.ctid IS NOT NULL AS has_new FROM %s k LEFT JOIN ONLY %s n ON %s) "
      "SELECT (CASE WHEN NOT has_old THEN 'I' WHEN has_new THEN 'U' ELSE 'D' END)::\"char\", "
      "old, new FROM pair "
      "WHERE has_old <> has_new OR has_old AND NOT old OPERATOR(pg_catalog.*=) new)",
      changed_keys, pg::QualifiedName(tracked.relation), of_new.data);
}

// Net changes of a bag: how many more or fewer of each image there are.
void AppendBag(StringInfo sql, Relation shape, Relation leaf, const TrackedTable &tracked,
               const char *position) {
  appendStringInfoString(sql, "(WITH recent AS (");
  AppendRecent(sql, tracked, position);
  appendStringInfoString(
      sql,
      "), net AS (SELECT (pg_catalog.array_agg(image))[1] AS image, sum(weight) AS weight "
      "FROM (SELECT ");
  AppendRow(sql, shape, leaf, "r", true);
  appendStringInfoString(
      sql,
      " AS image, CASE WHEN r.op = 'I' THEN 1 ELSE -1 END AS weight FROM recent r) images "
      "GROUP BY pg_catalog.record_send(image)) "
      "SELECT (CASE WHEN weight > 0 THEN 'I' ELSE 'D' END)::\"char\", "
      "CASE WHEN weight < 0 THEN image END, CASE WHEN weight > 0 THEN image END "
      "FROM net, pg_catalog.generate_series(1, pg_catalog.abs(weight)))");
}

}  // namespace

char *LogName(const TrackedTable &tracked) { return pg::QualifiedName(tracked.log); }

char *KeyOperator(Oid relation, int column) {
  Relation table = table_open(relation, AccessShareLock);
  Relation primary = index_open(RelationGetPrimaryKeyIndex(table), AccessShareLock);
  char *text = pg::QualifiedOperator(pg::EqualityOf(primary, column));
  index_close(primary, AccessShareLock);
  table_close(table, AccessShareLock);
  return text;
}

char *BuildChangesQuery(const TrackedTable &tracked, const char *position) {
  const char *literal = psprintf("%s::pg_catalog.pg_snapshot", quote_literal_cstr(position));
  StringInfoData sql;
  initStringInfo(&sql);
  Relation shape = table_open(tracked.relation, AccessShareLock);
  ForEachLeaf(tracked, [&](const TrackedTable &leaf) {
    CheckCapture(leaf.relation);
    if (sql.len > 0) appendStringInfoString(&sql, " UNION ALL ");
    Relation table = table_open(leaf.relation, AccessShareLock);
    if (leaf.key_count > 0) {
      StringInfoData keys;
      initStringInfo(&keys);
      AppendChangedKeys(&keys, shape, table, leaf, literal);
      AppendKeyed(&sql, shape, table, leaf, keys.data);
    } else {
      AppendBag(&sql, shape, table, leaf, literal);
    }
    table_close(table, NoLock);
  });
  table_close(shape, NoLock);
  if (sql.len == 0) {
    appendStringInfo(&sql, "SELECT NULL::\"char\", NULL::%s, NULL::%s WHERE false",
                     pg::QualifiedName(tracked.relation), pg::QualifiedName(tracked.relation));
  }
  return sql.data;
}

char *BuildOwnWritesQuery(const TrackedTable &tracked, FullTransactionId own) {
  StringInfoData sql;
  initStringInfo(&sql);
  ForEachLeaf(tracked, [&](const TrackedTable &leaf) {
    appendStringInfo(&sql, "%s(SELECT 1 FROM %s WHERE xid = '" UINT64_FORMAT "' LIMIT 1)",
                     sql.len > 0 ? " UNION ALL " : "", pg::QualifiedName(leaf.log),
                     U64FromFullTransactionId(own));
  });
  if (sql.len == 0) appendStringInfoString(&sql, "SELECT 1 WHERE false");
  return sql.data;
}

}  // namespace helios::changelog
