#include "mview/vars.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

struct UsedContext {
  const Bitmapset *entries;
  int level;
  List *columns;
};

bool UsedWalker(Node *node, UsedContext *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    context->level++;
    query_tree_walker(reinterpret_cast<Query *>(node), pg::AsWalker(UsedWalker), context,
                      QTW_IGNORE_JOINALIASES);
    context->level--;
    return false;
  }
  if (IsA(node, Var)) {
    const auto *var = reinterpret_cast<Var *>(node);
    if (static_cast<int>(var->varlevelsup) != context->level ||
        !bms_is_member(var->varno, context->entries))
      return false;
    Var *column =
        makeVar(var->varno, var->varattno, var->vartype, var->vartypmod, var->varcollid, 0);
    context->columns = list_append_unique(context->columns, column);
    return false;
  }
  return expression_tree_walker(node, pg::AsWalker(UsedWalker), context);
}

struct MoveContext {
  const Bitmapset *entries;
  List *columns;
  int entry, offset, level;
};

Node *MoveMutator(Node *node, MoveContext *context) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Query)) {
    context->level++;
    Query *query = query_tree_mutator(reinterpret_cast<Query *>(node), pg::AsMutator(MoveMutator),
                                      context, QTW_IGNORE_JOINALIASES);
    context->level--;
    return reinterpret_cast<Node *>(query);
  }
  if (IsA(node, Var)) {
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    if (static_cast<int>(var->varlevelsup) != context->level ||
        !bms_is_member(var->varno, context->entries))
      return reinterpret_cast<Node *>(var);
    ListCell *cell;
    foreach (cell, context->columns) {
      const auto *column = lfirst_node(Var, cell);
      if (column->varno != var->varno || column->varattno != var->varattno) continue;
      var->varno = context->entry;
      var->varattno = static_cast<AttrNumber>(context->offset + foreach_current_index(cell) + 1);
      var->varnosyn = 0;
      var->varattnosyn = 0;
      return reinterpret_cast<Node *>(var);
    }
    elog(ERROR, "column %d of entry %d is not known", var->varattno, var->varno);
  }
  return expression_tree_mutator(node, pg::AsMutator(MoveMutator), context);
}

struct ReplaceContext {
  const Node *old;
  const Node *replacement;
};

Node *ReplaceMutator(Node *node, ReplaceContext *context) {
  if (node == nullptr) return nullptr;
  if (equal(node, context->old)) return static_cast<Node *>(copyObjectImpl(context->replacement));
  return expression_tree_mutator(node, pg::AsMutator(ReplaceMutator), context);
}

void Flatten(Node *from, List **sources, List **conditions) {
  if (!IsA(from, JoinExpr) || reinterpret_cast<JoinExpr *>(from)->jointype != JOIN_INNER) {
    if (IsA(from, JoinExpr) && reinterpret_cast<JoinExpr *>(from)->jointype == JOIN_RIGHT) {
      auto *join = reinterpret_cast<JoinExpr *>(from);
      join->jointype = JOIN_LEFT;
      Node *left = join->larg;
      join->larg = join->rarg;
      join->rarg = left;
    }
    *sources = lappend(*sources, from);
    return;
  }
  auto *join = reinterpret_cast<JoinExpr *>(from);
  Flatten(join->larg, sources, conditions);
  Flatten(join->rarg, sources, conditions);
  if (join->quals != nullptr)
    *conditions =
        list_concat(*conditions, make_ands_implicit(reinterpret_cast<Expr *>(join->quals)));
}

// Makes an entry harmless; tables stay, so that privileges on them are still checked.
void BlankEntry(Query *query, int number) {
  auto *entry = rt_fetch(number, query->rtable);
  if (entry->rtekind == RTE_RELATION) return;
  auto *blank = makeNode(RangeTblEntry);
  blank->rtekind = RTE_RESULT;
  blank->eref = entry->eref;
  lfirst(list_nth_cell(query->rtable, number - 1)) = blank;
}

// Collects the entries of joins in a part of FROM.
void AddJoins(const Node *from, Bitmapset **joins) {
  if (IsA(from, JoinExpr)) {
    const auto *join = reinterpret_cast<const JoinExpr *>(from);
    *joins = bms_add_member(*joins, join->rtindex);
    AddJoins(join->larg, joins);
    AddJoins(join->rarg, joins);
  } else if (IsA(from, FromExpr)) {
    ListCell *cell;
    foreach (cell, reinterpret_cast<const FromExpr *>(from)->fromlist)
      AddJoins(static_cast<Node *>(lfirst(cell)), joins);
  }
}

}  // namespace

List *UsedColumns(const Node *part, const Bitmapset *entries, int level) {
  UsedContext context = {entries, level, NIL};
  UsedWalker(const_cast<Node *>(part), &context);
  return context.columns;
}

List *UsedColumns(const Query *query, const Bitmapset *entries) {
  return UsedColumns(reinterpret_cast<const Node *>(query), entries, -1);
}

Node *MoveColumns(const Node *part, const Bitmapset *entries, List *columns, int entry, int offset,
                  int level) {
  MoveContext context = {entries, columns, entry, offset, level};
  return MoveMutator(const_cast<Node *>(part), &context);
}

void MoveColumns(Query *query, const Bitmapset *entries, List *columns, int entry, int offset) {
  MoveContext context = {entries, columns, entry, offset, 0};
  query_tree_mutator(query, pg::AsMutator(MoveMutator), &context,
                     QTW_IGNORE_JOINALIASES | QTW_DONT_COPY_QUERY);
}

Node *ReplaceEqual(const Node *part, const Node *old, const Node *replacement) {
  ReplaceContext context = {old, replacement};
  return ReplaceMutator(const_cast<Node *>(part), &context);
}

void Blank(Query *query, const Bitmapset *entries) {
  for (int i = bms_next_member(entries, -1); i >= 0; i = bms_next_member(entries, i))
    BlankEntry(query, i);
}

void BlankJoins(Query *query) {
  Bitmapset *used = nullptr;
  AddJoins(reinterpret_cast<Node *>(query->jointree), &used);
  for (int i = 1; i <= list_length(query->rtable); i++) {
    if (rt_fetch(i, query->rtable)->rtekind == RTE_JOIN && !bms_is_member(i, used))
      BlankEntry(query, i);
  }
}

Bitmapset *SourcesOf(const Node *from) {
  if (from == nullptr) return nullptr;
  if (IsA(from, RangeTblRef))
    return bms_make_singleton(reinterpret_cast<const RangeTblRef *>(from)->rtindex);
  if (IsA(from, JoinExpr)) {
    const auto *join = reinterpret_cast<const JoinExpr *>(from);
    return bms_join(SourcesOf(join->larg), SourcesOf(join->rarg));
  }
  Bitmapset *sources = nullptr;
  ListCell *cell;
  foreach (cell, castNode(FromExpr, const_cast<Node *>(from))->fromlist)
    sources = bms_join(sources, SourcesOf(static_cast<Node *>(lfirst(cell))));
  return sources;
}

Query *Part(const Query *query, List *from, Node *condition, List *columns) {
  auto *part = static_cast<Query *>(copyObjectImpl(query));
  part->targetList = NIL;
  ListCell *cell;
  foreach (cell, columns) {
    const int number = foreach_current_index(cell) + 1;
    part->targetList =
        lappend(part->targetList,
                makeTargetEntry(static_cast<Expr *>(copyObjectImpl(lfirst(cell))),
                                static_cast<AttrNumber>(number), psprintf("c%d", number), false));
  }
  part->jointree = makeFromExpr(static_cast<List *>(copyObjectImpl(from)),
                                static_cast<Node *>(copyObjectImpl(condition)));
  part->groupClause = part->groupingSets = part->windowClause = part->distinctClause =
      part->sortClause = NIL;
  part->havingQual = part->limitCount = part->limitOffset = nullptr;
  part->hasAggs = part->hasWindowFuncs = part->hasTargetSRFs = part->hasDistinctOn = false;
  part->hasSubLinks = checkExprHasSubLink(reinterpret_cast<Node *>(part->jointree)) ||
                      checkExprHasSubLink(reinterpret_cast<Node *>(part->targetList));
  return part;
}

void FlattenInnerJoins(Query *query) {
  List *sources = NIL;
  List *conditions = query->jointree->quals == nullptr
                         ? NIL
                         : make_ands_implicit(reinterpret_cast<Expr *>(query->jointree->quals));
  ListCell *cell;
  foreach (cell, query->jointree->fromlist)
    Flatten(static_cast<Node *>(lfirst(cell)), &sources, &conditions);
  query->jointree->fromlist = sources;
  query->jointree->quals =
      conditions == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(conditions));
}

}  // namespace helios::mview
