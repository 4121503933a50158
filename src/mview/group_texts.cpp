#include "mview/group_texts.hpp"

#include "mview/keys.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Writes the operator that tells whether a value is as extreme as another one, or more.
char *AsExtreme(Oid type, MeasureKind kind) {
  const TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
  return pg::QualifiedOperator(get_opfamily_member(
      cache->btree_opf, cache->btree_opintype, cache->btree_opintype,
      kind == MeasureKind::kMin ? BTLessEqualStrategyNumber : BTGreaterEqualStrategyNumber));
}

bool IsExtreme(MeasureKind kind) { return kind == MeasureKind::kMin || kind == MeasureKind::kMax; }

}  // namespace

List *MeasureColumns(const Counted *node) {
  List *columns = NIL;
  ListCell *cell;
  foreach (cell, node->measures) {
    const auto *measure = static_cast<Measure *>(lfirst(cell));
    const int number = foreach_current_index(cell) + 1;
    const Form_pg_attribute attribute = TupleDescAttr(node->state, node->key_count + 1 + number);
    Oid argument_type = InvalidOid;
    if (measure->argument > 0) {
      const auto *target = list_nth_node(TargetEntry, node->source->targetList,
                                         node->key_count + measure->argument - 1);
      argument_type = exprType(reinterpret_cast<Node *>(target->expr));
    }
    auto *column = static_cast<Column *>(palloc(sizeof(Column)));
    *column = {number, measure, format_type_be_qualified(attribute->atttypid), attribute->atttypid,
               argument_type};
    columns = lappend(columns, column);
  }
  return columns;
}

void AppendKeys(StringInfo sql, const Counted *node, const char *format) {
  for (int i = 1; i <= node->key_count; i++) appendStringInfo(sql, format, i, i);
}

char *HashText(const Counted *node, const char *alias) {
  if (node->key_count == 0) return pstrdup("0::int8");
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "hash_record_extended(ROW(");
  for (int i = 1; i <= node->key_count; i++)
    appendStringInfo(&sql, "%s%s.g%d", i == 1 ? "" : ", ", alias, i);
  appendStringInfoString(&sql, "), 0)");
  return sql.data;
}

void AppendFromRows(StringInfo sql, const Counted *node) {
  ForEachMeasure(node, [&](const Column &column) {
    const int a = column.measure->argument;
    switch (column.measure->kind) {
      case MeasureKind::kCount:
        appendStringInfo(sql, ", count(s.a%d)", a);
        break;
      case MeasureKind::kSum:
        appendStringInfo(sql, ", coalesce(sum(s.a%d), 0)::int8", a);
        break;
      case MeasureKind::kBigSum:
        appendStringInfo(sql, ", coalesce(sum(s.a%d), 0)::numeric", a);
        break;
      case MeasureKind::kSquares:
        appendStringInfo(sql, ", coalesce(sum(s.a%d::numeric * s.a%d::numeric), 0)", a, a);
        break;
      case MeasureKind::kMin:
        appendStringInfo(sql, ", min(s.a%d)", a);
        break;
      case MeasureKind::kMax:
        appendStringInfo(sql, ", max(s.a%d)", a);
        break;
      case MeasureKind::kWhole:
        appendStringInfo(sql, ", NULL::%s", column.type);
        break;
    }
    appendStringInfo(sql, " AS m%d", column.number);
  });
}

void AppendFromChanges(StringInfo sql, const Counted *node) {
  StringInfoData again;
  initStringInfo(&again);
  appendStringInfoString(&again, "false");
  ForEachMeasure(node, [&](const Column &column) {
    const int a = column.measure->argument;
    switch (column.measure->kind) {
      case MeasureKind::kCount:
        appendStringInfo(sql, ", coalesce(sum(d.weight) FILTER (WHERE d.a%d IS NOT NULL), 0)::int8",
                         a);
        break;
      case MeasureKind::kSum:
        appendStringInfo(sql, ", coalesce(sum(d.a%d::int8 * d.weight), 0)::int8", a);
        break;
      case MeasureKind::kBigSum:
        // Most weights are these, and a product of numeric takes longer.
        appendStringInfo(sql,
                         ", coalesce(sum(CASE d.weight WHEN 1 THEN d.a%d::numeric WHEN -1 THEN "
                         "-d.a%d::numeric ELSE d.a%d::numeric * d.weight::numeric END), 0)",
                         a, a, a);
        break;
      case MeasureKind::kSquares:
        appendStringInfo(
            sql, ", coalesce(sum(d.a%d::numeric * d.a%d::numeric * d.weight::numeric), 0)", a, a);
        break;
      case MeasureKind::kMin:
      case MeasureKind::kMax: {
        const char *name = column.measure->kind == MeasureKind::kMin ? "min" : "max";
        appendStringInfo(
            sql,
            ", %s(d.a%d) FILTER (WHERE d.weight < 0) AS o%d, %s(d.a%d) FILTER (WHERE d.weight > 0)",
            name, a, column.number, name, a);
        break;
      }
      case MeasureKind::kWhole:
        appendStringInfo(sql, ", NULL::%s", column.type);
        appendStringInfoString(&again, " OR true");
        break;
    }
    appendStringInfo(sql, " AS m%d", column.number);
    const bool may_be_special =
        column.measure->kind == MeasureKind::kBigSum && column.argument_type == NUMERICOID;
    // Not-a-number and infinity do not go away by subtraction.
    if (may_be_special) {
      appendStringInfo(&again,
                       " OR coalesce(bool_or(d.weight < 0 AND d.a%d IN ('NaN', 'Infinity', "
                       "'-Infinity')), false)",
                       a);
    }
  });
  appendStringInfo(sql, ", %s AS again", again.data);
}

void AppendRedo(StringInfo sql, const Counted *node) {
  appendStringInfoString(sql, "(p.again");
  ForEachMeasure(node, [&](const Column &column) {
    if (!IsExtreme(column.measure->kind)) return;
    const int i = column.number;
    const char *op = AsExtreme(column.type_oid, column.measure->kind);
    appendStringInfo(sql,
                     " OR p.o%d IS NOT NULL AND coalesce(p.o%d %s p.s_m%d, true) "
                     "AND NOT coalesce(p.m%d %s p.s_m%d, false)",
                     i, i, op, i, i, op, i);
  });
  appendStringInfoString(sql, ")");
}

void AppendMerged(StringInfo sql, const Counted *node, bool has_fresh) {
  ForEachMeasure(node, [&](const Column &column) {
    const int i = column.number;
    appendStringInfoString(sql, ", ");
    if (has_fresh) appendStringInfo(sql, "CASE WHEN p.redo THEN f.m%d ELSE ", i);
    if (IsExtreme(column.measure->kind)) {
      appendStringInfo(sql,
                       "CASE WHEN p.s_m%d IS NULL OR p.m%d %s p.s_m%d THEN p.m%d ELSE p.s_m%d END",
                       i, i, AsExtreme(column.type_oid, column.measure->kind), i, i, i);
    } else if (column.measure->kind == MeasureKind::kWhole) {
      appendStringInfo(sql, "p.m%d", i);
    } else {
      appendStringInfo(sql, "coalesce(p.s_m%d, 0) + p.m%d", i, i);
    }
    appendStringInfo(sql, "%s AS m%d", has_fresh ? " END" : "", i);
  });
}

char *SameKeysOrNulls(const Counted *node, const char *left, const char *right) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "true");
  for (int i = 1; i <= node->key_count; i++) {
    appendStringInfo(&sql, " AND (%s.g%d %s %s.g%d OR %s.g%d IS NULL AND %s.g%d IS NULL)", left, i,
                     pg::QualifiedOperator(list_nth_oid(node->equality, i - 1)), right, i, left, i,
                     right, i);
  }
  return sql.data;
}

}  // namespace helios::mview
