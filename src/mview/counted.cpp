// The state of groups: a table of their keys and counters, found by a hash of the keys.
//
//   heliosdb_mview.state_<view>_<node>
//     h bigint   hash of the keys, indexed; 0 without keys
//     g1, g2, …  keys, as the first row of the group had them
//     n bigint   rows of the group
//     m1, m2, …  measures of the aggregates
//
// A change of rows is summed up by group, joined with the state, and put to it. Groups whose measures do not follow
// from that (the least value is gone, an aggregate has no counter) are computed anew from their rows, all of them in
// one query. The rows of the state before and after, put through the projection, are the change of the output.
#include "mview/counted.hpp"

#include "changelog/changelog.hpp"
#include "mview/group_texts.hpp"
#include "mview/keys.hpp"
#include "mview/state.hpp"
#include "mview/trees.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/netting.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::mview {

namespace {

struct RetargetContext {
  int rows;
  int offset;
};

// Points columns of the first range table entry to another one, with their numbers moved.
Node *RetargetMutator(Node *node, RetargetContext *context) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Var)) {
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    if (var->varlevelsup > 0) return reinterpret_cast<Node *>(var);
    var->varno = context->rows;
    var->varattno = static_cast<AttrNumber>(var->varattno + context->offset);
    return reinterpret_cast<Node *>(var);
  }
  return expression_tree_mutator(node, pg::AsMutator(RetargetMutator), context);
}

// Finishes a query over rows "s": aggregates without counters in their columns, the source in place of "s".
void FillSource(Query *query, const View &view, const Shape *shape, const Counted *node) {
  int rows = 0;
  ListCell *cell;
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind == RTE_NAMEDTUPLESTORE && strcmp(entry->enrname, "s") == 0)
      rows = foreach_current_index(cell) + 1;
  }
  ForEachMeasure(node, [&](const Column &column) {
    if (column.measure->kind != MeasureKind::kWhole) return;
    ListCell *at;
    foreach (at, query->targetList) {
      auto *target = lfirst_node(TargetEntry, at);
      if (target->resname == nullptr ||
          strcmp(target->resname, psprintf("m%d", column.number)) != 0)
        continue;
      RetargetContext context = {rows, node->key_count};
      target->expr = reinterpret_cast<Expr *>(RetargetMutator(
          reinterpret_cast<Node *>(const_cast<Aggref *>(column.measure->whole)), &context));
    }
  });
  Splice(query, "s", SubqueryEntry(PresentRows(shape, view.relation, node->source)));
}

// Computes groups anew from their rows: those of the named rows "k" (id, g1…, pattern).
void ComputeAnew(Changes *changes, const Counted *node, pg::StoredRows *fresh) {
  const View &view = *changes->view;
  NameShape(changes->names, "s", DescribeRows(node->source));
  StringInfoData sql;
  initStringInfo(&sql);
  if (node->key_count == 0) {
    appendStringInfoString(&sql, "SELECT 1::int8 AS id, count(*) AS n");
    AppendFromRows(&sql, node);
    appendStringInfoString(&sql, " FROM s");
    Query *query = Parse(sql.data, changes->names);
    FillSource(query, view, changes->shape, node);
    StorePart(changes, query, fresh);
    return;
  }
  ListCell *cell;
  const List *patterns = NullPatterns("k", changes->names);
  foreach (cell, patterns) {
    const int64 pattern = *static_cast<int64 *>(lfirst(cell));
    resetStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT k.id, count(*) AS n");
    AppendFromRows(&sql, node);
    appendStringInfo(&sql, " FROM k, s WHERE %s GROUP BY k.id",
                     SameKeys(node->equality, "s", "k", "g", patterns, pattern));
    Query *query = Parse(sql.data, changes->names);
    FillSource(query, view, changes->shape, node);
    StorePart(changes, query, fresh);
  }
}

// Reads rows with the rights of the owner of the extension.
void StoreTextAsOwner(const char *text, QueryEnvironment *names, pg::StoredRows *rows) {
  changelog::OwnerScope owner;
  owner.Enter();
  StoreText(text, names, rows);
  owner.Leave();
}

// Puts rows of the state, which a text reads from named rows, through the projection of a node.
void Project(QueryEnvironment *names, const Counted *node, const char *text, bool is_negative,
             pg::StoredRows *output) {
  auto *query = static_cast<Query *>(copyObjectImpl(node->projection));
  Splice(query, kStateRows, SubqueryEntry(Parse(text, names)));
  if (is_negative) {
    auto *weight = llast_node(TargetEntry, query->targetList);
    weight->expr = reinterpret_cast<Expr *>(makeFuncExpr(
        F_INT8UM, INT8OID, list_make1(weight->expr), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
  }
  Store(query, names, output);
}

// Joins the changes of rows, by group, with the state, and names the pairs "p".
pg::StoredRows PairWithState(Changes *changes, int step, const Counted *node) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "WITH d AS (SELECT %s AS h, ", HashText(node, "d"));
  AppendKeys(&sql, node, "d.g%d AS g%d, ");
  appendStringInfoString(&sql, "sum(d.weight)::int8 AS n");
  AppendFromChanges(&sql, node);
  appendStringInfoString(&sql, " FROM source_changes d");
  for (int i = 1; i <= node->key_count; i++)
    appendStringInfo(&sql, "%s d.g%d", i == 1 ? " GROUP BY" : ",", i);
  appendStringInfoString(
      &sql, "), p AS (SELECT row_number() OVER () AS id, d.*, s.ctid AS tid, s.n AS s_n");
  AppendKeys(&sql, node, ", s.g%d AS s_g%d");
  ForEachMeasure(node, [&](const Column &column) {
    appendStringInfo(&sql, ", s.m%d AS s_m%d", column.number, column.number);
  });
  appendStringInfo(&sql, " FROM d LEFT JOIN %s s ON s.h = d.h AND %s) SELECT p.*, ",
                   QualifiedState(changes->view->relation, step), SameKeysOrNulls(node, "s", "d"));
  AppendRedo(&sql, node);
  appendStringInfoString(&sql, " AS redo FROM p");
  pg::StoredRows pairs = {};
  StoreTextAsOwner(sql.data, changes->names, &pairs);
  NameRows(changes->names, "p", pairs);
  return pairs;
}

// Calls `visit` with every stored row, in a slot.
template <typename Visit>
void ForEachRow(const pg::StoredRows &rows, Visit visit) {
  TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
  tuplestore_rescan(rows.store);
  while (tuplestore_gettupleslot(rows.store, true, false, slot)) visit(slot);
  ExecDropSingleTupleTableSlot(slot);
}

// Tells whether a group of pairs must be computed anew.
bool HasRedo(const pg::StoredRows &pairs) {
  bool has = false;
  ForEachRow(pairs, [&](TupleTableSlot *slot) {
    bool is_null;
    const Datum redo = slot_getattr(slot, static_cast<AttrNumber>(pairs.desc->natts), &is_null);
    has = has || (!is_null && DatumGetBool(redo));
  });
  return has;
}

// Computes the groups of pairs anew that need it, and names them "f"; no rows, also no store, if none does.
pg::StoredRows RedoGroups(Changes *changes, const Counted *node, const pg::StoredRows &pairs) {
  pg::StoredRows fresh = {};
  if (!HasRedo(pairs)) return fresh;
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT p.id");
  AppendKeys(&sql, node, ", p.g%d AS g%d");
  appendStringInfoString(&sql, ", ");
  appendStringInfo(&sql, "%s AS pattern FROM p WHERE p.redo", NullPattern(node->key_count, "p.g"));
  pg::StoredRows keys = {};
  StoreText(sql.data, changes->names, &keys);
  NameRows(changes->names, "k", keys);
  ComputeAnew(changes, node, &fresh);
  tuplestore_end(keys.store);
  NameRows(changes->names, "f", fresh);
  return fresh;
}

// Puts pairs together to rows named "after": tid, and the columns of the state.
pg::StoredRows MergePairs(Changes *changes, const Counted *node, bool has_fresh) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT p.tid, p.h, ");
  AppendKeys(&sql, node, "CASE WHEN p.tid IS NULL THEN p.g%d ELSE p.s_g%d END, ");
  appendStringInfoString(&sql, has_fresh ? "CASE WHEN p.redo THEN coalesce(f.n, 0) ELSE "
                                           "coalesce(p.s_n, 0) + p.n END AS n"
                                         : "coalesce(p.s_n, 0) + p.n AS n");
  AppendMerged(&sql, node, has_fresh);
  appendStringInfo(&sql, " FROM p%s", has_fresh ? " LEFT JOIN f ON f.id = p.id" : "");
  pg::StoredRows merged = {};
  StoreTextAsOwner(sql.data, changes->names, &merged);
  // Names of keys were lost behind CASE.
  for (int i = 1; i <= node->key_count; i++)
    namestrcpy(&TupleDescAttr(merged.desc, i + 1)->attname, psprintf("g%d", i));
  NameRows(changes->names, "after", merged);
  return merged;
}

// What becomes of groups: how many go, stay and come, and whether one has fewer rows than none.
struct Fates {
  int64 going, staying, coming;
  bool is_wrong;
};

Fates FatesOf(const Counted *node, const pg::StoredRows &merged) {
  Fates fates = {};
  ForEachRow(merged, [&](TupleTableSlot *slot) {
    bool is_new, is_null;
    (void)slot_getattr(slot, 1, &is_new);
    const int64 rows =
        DatumGetInt64(slot_getattr(slot, static_cast<AttrNumber>(node->key_count + 3), &is_null));
    if (rows < 0) fates.is_wrong = true;
    if (is_new) {
      fates.coming += rows > 0 ? 1 : 0;
    } else if (rows == 0 && !node->is_always_there) {
      fates.going++;
    } else {
      fates.staying++;
    }
  });
  return fates;
}

// Writes merged rows to the state.
void WriteState(Changes *changes, int step, const Counted *node, const Fates &fates) {
  const char *state = QualifiedState(changes->view->relation, step);
  if (fates.going > 0)
    Write(psprintf("DELETE FROM %s s USING after a WHERE s.ctid = a.tid AND a.n = 0", state),
          changes->names);
  StringInfoData sql;
  initStringInfo(&sql);
  if (fates.staying > 0) {
    appendStringInfo(&sql, "UPDATE %s s SET n = a.n", state);
    ForEachMeasure(node, [&](const Column &column) {
      appendStringInfo(&sql, ", m%d = a.m%d", column.number, column.number);
    });
    appendStringInfo(&sql, " FROM after a WHERE s.ctid = a.tid%s",
                     fates.going > 0 ? " AND a.n > 0" : "");
    Write(sql.data, changes->names);
  }
  if (fates.coming == 0) return;
  resetStringInfo(&sql);
  appendStringInfo(&sql, "INSERT INTO %s SELECT a.h", state);
  AppendKeys(&sql, node, ", a.g%d AS g%d");
  appendStringInfoString(&sql, ", a.n");
  ForEachMeasure(node,
                 [&](const Column &column) { appendStringInfo(&sql, ", a.m%d", column.number); });
  appendStringInfoString(&sql, " FROM after a WHERE a.tid IS NULL AND a.n > 0");
  Write(sql.data, changes->names);
}

// Adds what the projection makes of groups as they were, taken away, and as they are; with `keys`, in place of the
// former their keys.
void ProjectPairs(QueryEnvironment *names, const Counted *node, pg::StoredRows *output,
                  pg::StoredRows *keys) {
  StringInfoData before, after;
  initStringInfo(&before);
  initStringInfo(&after);
  if (keys == nullptr) {
    appendStringInfoString(&before, "SELECT p.h");
    AppendKeys(&before, node, ", p.s_g%d AS g%d");
    appendStringInfoString(&before, ", p.s_n AS n");
    ForEachMeasure(node, [&](const Column &column) {
      appendStringInfo(&before, ", p.s_m%d AS m%d", column.number, column.number);
    });
    appendStringInfoString(&before, " FROM p WHERE p.tid IS NOT NULL");
    Project(names, node, before.data, true, output);
  } else {
    AppendKeys(&before, node, "a.g%d AS c%d, ");
    StoreText(psprintf("SELECT %s1::int8 AS weight FROM after a", before.data), names, keys);
  }
  appendStringInfoString(&after, "SELECT a.h");
  AppendKeys(&after, node, ", a.g%d AS g%d");
  appendStringInfoString(&after, ", a.n");
  ForEachMeasure(node,
                 [&](const Column &column) { appendStringInfo(&after, ", a.m%d", column.number); });
  appendStringInfo(&after, " FROM after a%s", node->is_always_there ? "" : " WHERE a.n > 0");
  Project(names, node, after.data, false, output);
  pg::NetInPlace(output);
}

}  // namespace

Query *OutputOfState(Oid view, int step, const Counted *node, bool *is_weighted) {
  const Oid state = FindState(view, step);
  if (!OidIsValid(state)) elog(ERROR, "materialized view %u has lost its state", view);
  LockRelationOid(state, AccessShareLock);
  auto *query = static_cast<Query *>(copyObjectImpl(node->projection));
  RangeTblEntry *entry = RowsEntry(kStateRows, node->state, -1);
  entry->rtekind = RTE_RELATION;
  entry->relid = state;
  entry->relkind = RELKIND_RELATION;
  entry->rellockmode = AccessShareLock;
  entry->enrname = nullptr;
  entry->enrtuples = 0;
  entry->coltypes = entry->coltypmods = entry->colcollations = NIL;
  Splice(query, kStateRows, entry);
  *is_weighted = node->is_multiple;
  if (!node->is_multiple) {
    query->targetList = list_delete_last(query->targetList);
    return query;
  }
  QueryEnvironment *names = create_queryEnv();
  TupleDesc desc = DescribeRows(query);
  namestrcpy(&TupleDescAttr(desc, desc->natts - 1)->attname, "positive_weight");
  NameShape(names, "o", desc);
  Query *present = Parse("SELECT * FROM o WHERE positive_weight > 0", names);
  Splice(present, "o", SubqueryEntry(query));
  return present;
}

void ChangeGroups(Changes *changes, int step, const Counted *node, pg::StoredRows *output,
                  pg::StoredRows *keys) {
  pg::StoredRows source = {};
  StoreLinear(changes, node->source, &source);
  pg::NetInPlace(&source);
  if (tuplestore_tuple_count(source.store) == 0) {
    tuplestore_end(source.store);
    return;
  }
  NameRows(changes->names, "source_changes", source);
  pg::StoredRows pairs = PairWithState(changes, step, node);
  pg::StoredRows fresh = RedoGroups(changes, node, pairs);
  pg::StoredRows merged = {};
  if (changes->why_full == nullptr) merged = MergePairs(changes, node, fresh.store != nullptr);
  Fates fates = {};
  if (merged.store != nullptr) fates = FatesOf(node, merged);
  if (fates.is_wrong) changes->why_full = "its state does not agree with its tables";
  if (changes->why_full == nullptr) {
    ProjectPairs(changes->names, node, output, keys);
    WriteState(changes, step, node, fates);
  }
  for (const char *name : {"source_changes", "p", "f", "after"}) {
    if (get_ENR(changes->names, name) != nullptr) unregister_ENR(changes->names, name);
  }
  for (pg::StoredRows *rows : {&source, &pairs, &fresh, &merged})
    if (rows->store != nullptr) tuplestore_end(rows->store);
}

void BuildGroups(const View &view, const Shape *shape, int step, const Counted *node) {
  CreateState(view.relation, step, node);
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, "s", DescribeRows(node->source));
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "SELECT %s AS h", HashText(node, "s"));
  AppendKeys(&sql, node, ", s.g%d AS g%d");
  appendStringInfoString(&sql, ", count(*) AS n");
  AppendFromRows(&sql, node);
  appendStringInfoString(&sql, " FROM s");
  for (int i = 1; i <= node->key_count; i++)
    appendStringInfo(&sql, "%s s.g%d", i == 1 ? " GROUP BY" : ",", i);
  Query *query = Parse(sql.data, names);
  FillSource(query, view, shape, node);
  pg::StoredRows groups = {};
  Store(query, names, &groups);
  NameRows(names, "groups", groups);
  const char *state = QualifiedState(view.relation, step);
  Write(psprintf("INSERT INTO %s SELECT * FROM groups%s", state,
                 node->is_always_there || node->key_count > 0 ? "" : " WHERE n > 0"),
        names);
  tuplestore_end(groups.store);
  IndexState(view, shape, step, node);
}

}  // namespace helios::mview
