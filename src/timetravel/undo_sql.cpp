// The statements that undo a transaction. They run as the caller with the caller's search path, which triggers
// must find as always: every name and operator is qualified.
#include "timetravel/undo.hpp"

#include "pg/indexes.hpp"

extern "C" {
#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>
#include <initializer_list>

namespace helios::timetravel {

namespace {

struct Part {
  const char *name;
  const char *text;
};

// Copies a template with its {name}s replaced.
char *Fill(const char *text, std::initializer_list<Part> parts) {
  StringInfoData filled;
  initStringInfo(&filled);
  while (*text != '\0') {
    const char *open = std::strchr(text, '{');
    if (open == nullptr) {
      appendStringInfoString(&filled, text);
      break;
    }
    appendBinaryStringInfo(&filled, text, static_cast<int>(open - text));
    const char *close = std::strchr(open, '}');
    const auto length = static_cast<size_t>(close - open - 1);
    const Part *found = nullptr;
    for (const Part &part : parts) {
      if (std::strlen(part.name) == length && std::strncmp(part.name, open + 1, length) == 0)
        found = &part;
    }
    if (found == nullptr) elog(ERROR, "statement has no value for %s", open);
    appendStringInfoString(&filled, found->text);
    text = close + 1;
  }
  return filled.data;
}

// Copies a pattern with # replaced by the number of a column and @ by its name.
char *Expand(const char *pattern, const Column &column) {
  StringInfoData text;
  initStringInfo(&text);
  for (const char *c = pattern; *c != '\0'; c++) {
    if (*c == '#') {
      appendStringInfo(&text, "%d", column.number);
    } else if (*c == '@') {
      appendStringInfoString(&text, column.name);
    } else {
      appendStringInfoChar(&text, *c);
    }
  }
  return text.data;
}

bool All(const Column &) { return true; }
// Generated columns follow from the others.
bool IsStored(const Column &column) { return !column.generated; }
bool IsAssignable(const Column &column) { return !column.generated && !column.always_identity; }
bool IsAlwaysIdentity(const Column &column) { return column.always_identity; }

// Writes a pattern for every column chosen.
char *Listed(const Target &target, const char *pattern, bool (*chosen)(const Column &) = All,
             const char *separator = ", ") {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < target.column_count; i++) {
    if (!chosen(target.columns[i])) continue;
    if (list.len > 0) appendStringInfoString(&list, separator);
    appendStringInfoString(&list, Expand(pattern, target.columns[i]));
  }
  return list.data;
}

// Writes a pattern for every column of the key.
char *ListedKey(const Target &target, const char *pattern) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < target.key_count; i++) {
    if (i > 0) appendStringInfoString(&list, ", ");
    appendStringInfoString(&list, Expand(pattern, target.columns[target.key[i]]));
  }
  return list.data;
}

// Writes the condition that two rows have the same key, as the primary key compares it.
char *SameKey(const Target &target, const char *left, const char *right) {
  StringInfoData condition;
  initStringInfo(&condition);
  for (int i = 0; i < target.key_count; i++) {
    const Column &column = target.columns[target.key[i]];
    if (i > 0) appendStringInfoString(&condition, " AND ");
    generate_operator_clause(&condition, Expand(left, column), column.type, target.key_equality[i],
                             Expand(right, column), column.type);
  }
  return condition.data;
}

// Writes the condition that one version can be made of the other by UPDATE, which leaves identity columns that
// are GENERATED ALWAYS as they are.
char *SameRow(const Target &target, const char *left, const char *right) {
  char *key = SameKey(target, left, right);
  char *pattern = psprintf(" AND %s OPERATOR(pg_catalog.=) %s", left, right);
  return psprintf("%s%s", key, Listed(target, pattern, IsAlwaysIdentity, ""));
}

constexpr const char *kKeyedChanges = R"(
WITH here AS MATERIALIZED (
  SELECT c.tableoid AS leaf, c.ctid AS place, c.xmin OPERATOR(pg_catalog.=) ANY ({creators}::pg_catalog.xid[]) AS mine, {named}
  FROM {table} c WHERE EXISTS (SELECT FROM {versions} v WHERE {is_named})
), kept AS MATERIALIZED (
  SELECT leaf, place, {columns} FROM here WHERE mine
  UNION ALL
  SELECT h.leaf, h.place, {left_columns}
  FROM {versions} v LEFT JOIN here h ON {is_again} AND pg_catalog.record_image_eq(ROW({here_image}), ROW({left_image}))
  WHERE v.kind OPERATOR(pg_catalog.=) '{left}'
), former AS MATERIALIZED (
  SELECT {columns} FROM {versions} WHERE kind OPERATOR(pg_catalog.=) '{former}'
)
SELECT 'I'::pg_catalog."char" AS op, k.place IS NULL AS conflict, k.leaf, k.place, {no_former}, {kept}
  FROM kept k WHERE NOT EXISTS (SELECT FROM former f WHERE {same})
UNION ALL
SELECT 'U', k.place IS NULL, k.leaf, k.place, {former_columns}, {kept}
  FROM former f JOIN kept k ON {same}
  WHERE NOT pg_catalog.record_image_eq(ROW({former_image}), ROW({kept_image}))
UNION ALL
SELECT 'D', EXISTS (SELECT FROM here h WHERE {is_taken}) AND NOT EXISTS (SELECT FROM kept k WHERE {is_replaced}), NULL, NULL, {former_columns}, {no_kept}
  FROM former f WHERE NOT EXISTS (SELECT FROM kept k WHERE {same}))";

// Copies of others are looked at only where later transactions have ended versions of this one.
constexpr const char *kBagChanges = R"(
WITH here AS MATERIALIZED (
  SELECT c.tableoid AS leaf, c.ctid AS place, c.xmin OPERATOR(pg_catalog.=) ANY ({creators}::pg_catalog.xid[]) AS mine,
         pg_catalog.record_send(ROW({row_image})) AS image, {named}
  FROM {table} c
  WHERE c.xmin OPERATOR(pg_catalog.=) ANY ({creators}::pg_catalog.xid[])
     OR (SELECT pg_catalog.bool_or(v.kind OPERATOR(pg_catalog.=) '{left}') FROM {versions} v)
), ended AS MATERIALIZED (
  SELECT v.*, pg_catalog.row_number() OVER (PARTITION BY v.kind, v.image) AS number
  FROM (SELECT kind, pg_catalog.record_send(ROW({image})) AS image, {columns} FROM {versions}
        WHERE kind OPERATOR(pg_catalog.<>) '{key}') v
), net AS MATERIALIZED (
  SELECT w.image, pg_catalog.sum(w.weight) AS weight, pg_catalog.sum(w.copies) AS copies
  FROM (SELECT image, mine::pg_catalog.int4 AS weight, 1 AS copies FROM here
        UNION ALL
        SELECT image, CASE WHEN kind OPERATOR(pg_catalog.=) '{left}' THEN 1 ELSE -1 END, 0 FROM ended) w
  GROUP BY w.image HAVING pg_catalog.sum(w.weight) OPERATOR(pg_catalog.<>) 0
), copy AS (
  SELECT h.*, pg_catalog.row_number() OVER (PARTITION BY h.image ORDER BY h.mine DESC) AS number FROM here h
)
SELECT 'I'::pg_catalog."char" AS op, false AS conflict, k.leaf, k.place, {no_former}, {kept}
  FROM copy k JOIN net n ON n.image OPERATOR(pg_catalog.=) k.image
  WHERE k.number OPERATOR(pg_catalog.<=) n.weight
UNION ALL
SELECT 'I', true, NULL, NULL, {no_former}, {kept}
  FROM ended k JOIN net n ON n.image OPERATOR(pg_catalog.=) k.image
  WHERE k.kind OPERATOR(pg_catalog.=) '{left}' AND k.number OPERATOR(pg_catalog.<=) (n.weight OPERATOR(pg_catalog.-) n.copies)
UNION ALL
SELECT 'D', false, NULL, NULL, {former_columns}, {no_kept}
  FROM ended f JOIN net n ON n.image OPERATOR(pg_catalog.=) f.image
  WHERE f.kind OPERATOR(pg_catalog.=) '{former}' AND f.number OPERATOR(pg_catalog.<=) (OPERATOR(pg_catalog.-) n.weight))";

const char *OneCharacter(char c) { return psprintf("%c", c); }

}  // namespace

void DescribeTarget(Target *target, int index) {
  Relation table = table_open(target->relation, NoLock);
  TupleDesc desc = RelationGetDescr(table);
  target->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
                                            RelationGetRelationName(table));
  target->versions = psprintf("versions_%d", index);
  target->changes = psprintf("changes_%d", index);
  target->columns = static_cast<Column *>(palloc0((desc->natts + 1) * sizeof(Column)));
  target->column_count = 0;
  auto *place = static_cast<int *>(palloc0((desc->natts + 1) * sizeof(int)));
  for (int i = 0; i < desc->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(desc, i);
    if (attribute->attisdropped) continue;
    place[attribute->attnum] = target->column_count;
    target->columns[target->column_count++] = {
        attribute->attnum, quote_identifier(pstrdup(NameStr(attribute->attname))),
        attribute->atttypid, attribute->attgenerated != '\0',
        attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS};
  }
  if (Listed(*target, "#", IsStored)[0] == '\0') {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("table \"%s\" has no columns that are stored",
                           RelationGetRelationName(table))));
  }
  target->key_count = 0;
  const Oid primary_oid = RelationGetPrimaryKeyIndex(table);
  if (OidIsValid(primary_oid)) {
    Relation primary = index_open(primary_oid, AccessShareLock);
    if (primary->rd_index->indimmediate && primary->rd_index->indisvalid)
      target->key_count = primary->rd_index->indnkeyatts;
    for (int i = 0; i < target->key_count; i++) {
      target->key[i] = place[primary->rd_index->indkey.values[i]];
      target->key_equality[i] = pg::EqualityOf(primary, i);
    }
    index_close(primary, NoLock);
  }
  table_close(table, NoLock);
}

char *ChangesQuery(const Target &target, const char *creators) {
  const char *image = Listed(target, "c#", IsStored);
  return Fill(target.key_count > 0 ? kKeyedChanges : kBagChanges,
              {{"creators", quote_literal_cstr(creators)},
               {"table", target.name},
               {"versions", target.versions},
               {"left", OneCharacter(changelog::kVersionLeft)},
               {"former", OneCharacter(changelog::kVersionFormer)},
               {"key", OneCharacter(changelog::kVersionKey)},
               {"columns", Listed(target, "c#")},
               {"named", Listed(target, "c.@ AS c#")},
               {"no_former", Listed(target, "CASE WHEN false THEN k.c# END AS o#")},
               {"former_columns", Listed(target, "f.c# AS o#")},
               {"no_kept", Listed(target, "CASE WHEN false THEN f.c# END AS n#")},
               {"kept", Listed(target, "k.c# AS n#")},
               {"image", image},
               {"row_image", Listed(target, "c.@", IsStored)},
               {"former_image", Listed(target, "f.c#", IsStored)},
               {"kept_image", Listed(target, "k.c#", IsStored)},
               {"is_named", SameKey(target, "c.@", "v.c#")},
               {"same", SameRow(target, "f.c#", "k.c#")},
               {"left_columns", Listed(target, "v.c#")},
               {"left_image", Listed(target, "v.c#", IsStored)},
               {"here_image", Listed(target, "h.c#", IsStored)},
               {"is_again", SameKey(target, "h.c#", "v.c#")},
               {"is_replaced", SameKey(target, "k.c#", "f.c#")},
               {"is_taken", SameKey(target, "h.c#", "f.c#")}});
}

char *CountQuery(const Target &target) {
  return Fill("SELECT op, conflict, pg_catalog.count(*) FROM {changes} GROUP BY op, conflict",
              {{"changes", target.changes}});
}

char *ConflictQuery(const Target &target) {
  constexpr const char *kShown = "5";
  constexpr const char *kLength = "100";
  const bool keyed = target.key_count > 0;
  return Fill(
      "SELECT pg_catalog.left((CASE WHEN op OPERATOR(pg_catalog.=) 'I' THEN ROW({new}) "
      "ELSE ROW({old}) END)::pg_catalog.text, {length}) FROM {changes} WHERE conflict "
      "{order} LIMIT {shown}",
      {{"new", keyed ? ListedKey(target, "n#") : Listed(target, "n#")},
       {"old", keyed ? ListedKey(target, "o#") : Listed(target, "o#")},
       {"order", keyed ? psprintf("ORDER BY %s", ListedKey(target, "COALESCE(n#, o#)")) : ""},
       {"changes", target.changes},
       {"length", kLength},
       {"shown", kShown}});
}

char *ListQuery(const Target &target) {
  StringInfoData key;
  initStringInfo(&key);
  for (int i = 0; i < target.key_count; i++) {
    const Column &column = target.columns[target.key[i]];
    appendStringInfo(&key, "%s%s, CASE WHEN op OPERATOR(pg_catalog.=) 'I' THEN n%d ELSE o%d END",
                     i == 0 ? "" : ", ",
                     quote_literal_cstr(get_attname(target.relation, column.number, false)),
                     column.number, column.number);
  }
  return Fill(
      "SELECT {relation}::pg_catalog.regclass, CASE WHEN op OPERATOR(pg_catalog.=) 'I' THEN "
      "'INSERT' "
      "WHEN op OPERATOR(pg_catalog.=) 'U' THEN 'UPDATE' ELSE 'DELETE' END, {key}, "
      "CASE WHEN op OPERATOR(pg_catalog.<>) 'I' THEN pg_catalog.to_jsonb(ROW({old})::{table}) END, "
      "CASE WHEN op OPERATOR(pg_catalog.<>) 'D' THEN pg_catalog.to_jsonb(ROW({new})::{table}) END, "
      "conflict FROM {changes}{order}",
      {{"relation", psprintf("%u", target.relation)},
       {"key", target.key_count > 0 ? psprintf("pg_catalog.jsonb_build_object(%s)", key.data)
                                    : "NULL::pg_catalog.jsonb"},
       {"old", Listed(target, "o#")},
       {"new", Listed(target, "n#")},
       {"table", target.name},
       {"changes", target.changes},
       {"order", target.key_count > 0
                     ? psprintf(" ORDER BY %s", ListedKey(target, "COALESCE(n#, o#)"))
                     : ""}});
}

namespace {

// Names the first `count` changes of one kind as a statement whose rows are counted, or "0".
const char *Counted(int64 count, const char *prefix, int index) {
  if (count == 0) return "0";
  return psprintf("(SELECT pg_catalog.count(*) FROM %s_%d)", prefix, index);
}

// Writes the condition that a statement of the same query has been run before.
const char *After(int64 count, const char *prefix, int index) {
  return count == 0 ? "" : psprintf(" AND %s IS NOT NULL", Counted(count, prefix, index));
}

}  // namespace

// Foreign keys are checked when all is done. What it counts makes deletes run before updates and these before
// inserts, so that values of unique columns are free when they are needed.
char *UndoStatement(const List *targets, const Counts *counts) {
  StringInfoData with, rows;
  initStringInfo(&with);
  initStringInfo(&rows);
  const ListCell *cell;
  foreach (cell, targets) {
    const auto &target = *static_cast<const Target *>(lfirst(cell));
    const int index = foreach_current_index(cell);
    const Counts &done = counts[index];
    const std::initializer_list<Part> parts = {
        {"index", psprintf("%d", index)},
        {"table", target.name},
        {"changes", target.changes},
        {"assignments", Listed(target, "@ = p.o#", IsAssignable)},
        {"names", Listed(target, "@", IsStored)},
        {"values", Listed(target, "p.o#", IsStored)},
        {"after_gone", After(done.inserted, "gone", index)},
        {"after_changed", done.updated > 0 ? After(done.updated, "changed", index)
                                           : After(done.inserted, "gone", index)}};
    const char *at =
        "c.tableoid OPERATOR(pg_catalog.=) p.leaf AND c.ctid OPERATOR(pg_catalog.=) p.place";
    const char *separator = with.len == 0 ? "WITH " : ", ";
    if (done.inserted > 0) {
      appendStringInfo(&with, "%s%s%s RETURNING 1)", separator,
                       Fill("gone_{index} AS (DELETE FROM {table} c USING {changes} p WHERE p.op "
                            "OPERATOR(pg_catalog.=) 'I' AND ",
                            parts),
                       at);
      separator = ", ";
    }
    if (done.updated > 0) {
      appendStringInfo(&with, "%s%s%s%s RETURNING 1)", separator,
                       Fill("changed_{index} AS (UPDATE {table} c SET {assignments} FROM {changes} "
                            "p WHERE p.op OPERATOR(pg_catalog.=) 'U' AND ",
                            parts),
                       at, Fill("{after_gone}", parts));
      separator = ", ";
    }
    if (done.deleted > 0) {
      appendStringInfo(
          &with, "%s%s RETURNING 1)", separator,
          Fill("back_{index} AS (INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT "
               "{values} FROM {changes} p WHERE p.op OPERATOR(pg_catalog.=) 'D'{after_changed}",
               parts));
    }
    appendStringInfo(&rows, "%s(%d, %s, %s, %s)", index == 0 ? "" : ", ", index,
                     Counted(done.deleted, "back", index), Counted(done.updated, "changed", index),
                     Counted(done.inserted, "gone", index));
  }
  return psprintf("%s VALUES %s", with.data, rows.data);
}

}  // namespace helios::timetravel
