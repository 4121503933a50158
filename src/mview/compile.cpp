// Takes queries apart: what adds up row by row stays one query, what groups rows becomes a node with a state.
#include "mview/shape.hpp"

#include "mview/trees.hpp"
#include "mview/vars.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstdlib>
#include <cstring>

namespace helios::mview {

namespace {

// Looks for references to whole rows and system columns of tables, at the level of the query.
struct OddContext {
  const Query *query;
  int level;
  const char *why_not;
};

bool OddColumnWalker(Node *node, OddContext *context) {
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    context->level++;
    const bool found = query_tree_walker(reinterpret_cast<Query *>(node),
                                         pg::AsWalker(OddColumnWalker), context, 0);
    context->level--;
    return found;
  }
  if (IsA(node, Var)) {
    const auto *var = reinterpret_cast<Var *>(node);
    if (static_cast<int>(var->varlevelsup) != context->level || var->varattno > 0) return false;
    const auto *entry = rt_fetch(var->varno, context->query->rtable);
    if (entry->rtekind != RTE_RELATION && entry->rtekind != RTE_SUBQUERY) return false;
    context->why_not = psprintf(
        var->varattno == 0 ? "it uses whole rows of \"%s\"" : "it uses a system column of \"%s\"",
        entry->eref->aliasname);
    return true;
  }
  return expression_tree_walker(node, pg::AsWalker(OddColumnWalker), context);
}

// Tells why changes of a relation are not known, or null.
const char *WhyNotTracked(const View *view, const RangeTblEntry *entry) {
  const char *name = get_rel_name(entry->relid);
  if (entry->tablesample != nullptr) return psprintf("it samples \"%s\"", name);
  if (entry->securityQuals != NIL) return psprintf("\"%s\" has row-level security", name);
  if (!list_member_oid(view->bases, entry->relid) && !get_rel_relispartition(entry->relid))
    return psprintf("changes of \"%s\" are not recorded", name);
  if (entry->relkind == RELKIND_PARTITIONED_TABLE && !entry->inh)
    return psprintf("it reads ONLY \"%s\"", name);
  if (entry->relkind != RELKIND_PARTITIONED_TABLE && entry->inh && has_subclass(entry->relid))
    return psprintf("\"%s\" has tables that inherit from it", name);
  return nullptr;
}

// Makes a query of all columns of another one, converted to the types of a set operation.
Query *Converted(Query *query, const SetOperationStmt *operation) {
  bool is_same = true;
  List *targets = NIL;
  ListCell *type = list_head(operation->colTypes);
  ListCell *typmod = list_head(operation->colTypmods);
  ListCell *cell;
  foreach (cell, query->targetList) {
    const auto *target = lfirst_node(TargetEntry, cell);
    Node *column =
        reinterpret_cast<Node *>(makeVarFromTargetEntry(1, const_cast<TargetEntry *>(target)));
    Node *converted =
        coerce_to_target_type(nullptr, column, exprType(column), lfirst_oid(type),
                              lfirst_int(typmod), COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
    is_same &= converted == column;
    targets = lappend(targets, makeTargetEntry(reinterpret_cast<Expr *>(converted), target->resno,
                                               target->resname, false));
    type = lnext(operation->colTypes, type);
    typmod = lnext(operation->colTypmods, typmod);
  }
  if (is_same) return query;
  auto *wrapper = makeNode(Query);
  wrapper->commandType = CMD_SELECT;
  wrapper->canSetTag = true;
  wrapper->jointree = makeFromExpr(NIL, nullptr);
  wrapper->targetList = targets;
  AddEntry(wrapper, SubqueryEntry(query), true);
  return wrapper;
}

// Takes a tree of set operations apart.
Query *CompileSetTree(Compiler *compiler, const Query *query, Node *node) {
  if (IsA(node, RangeTblRef)) {
    const auto *entry = rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, query->rtable);
    return Compile(compiler, entry->subquery);
  }
  const auto *operation = castNode(SetOperationStmt, node);
  Query *left = CompileSetTree(compiler, query, operation->larg);
  if (left == nullptr) return nullptr;
  Query *right = CompileSetTree(compiler, query, operation->rarg);
  if (right == nullptr) return nullptr;
  left = Converted(left, operation);
  right = Converted(right, operation);
  if (operation->op != SETOP_UNION || !operation->all)
    return CompileSetOperation(compiler, operation->op, operation->all, left, right);
  return UnionAll(left, right);
}

// Compiles what a query reads, in place; false with a reason if it cannot be done.
bool CompileSources(Compiler *compiler, Query *query) {
  Bitmapset *sources = Sources(query);
  for (int i = bms_next_member(sources, -1); i >= 0; i = bms_next_member(sources, i)) {
    auto *entry = rt_fetch(i, query->rtable);
    if (entry->rtekind == RTE_RELATION) {
      const char *why_not = WhyNotTracked(compiler->view, entry);
      if (why_not != nullptr) return Refuse(compiler, why_not, nullptr) != nullptr;
    } else if (entry->rtekind == RTE_SUBQUERY) {
      entry->subquery = Compile(compiler, entry->subquery);
      if (entry->subquery == nullptr) return false;
    }
  }
  return true;
}

// Tells whether two nodes of groups keep and compute the same.
bool IsSame(const Counted *one, const Counted *other) {
  if (one->key_count != other->key_count ||
      list_length(one->measures) != list_length(other->measures))
    return false;
  ListCell *mine, *theirs;
  forboth(mine, one->measures, theirs, other->measures) {
    const auto *a = static_cast<Measure *>(lfirst(mine));
    const auto *b = static_cast<Measure *>(lfirst(theirs));
    if (a->kind != b->kind || a->argument != b->argument || !equal(a->whole, b->whole))
      return false;
  }
  return equal(one->source, other->source) && equal(one->projection, other->projection) &&
         one->is_always_there == other->is_always_there;
}

// Tells whether two steps put out the same, as those of a WITH that is read twice do.
bool IsSame(const Step *one, const Step *other) {
  if (one->kind != other->kind) return false;
  if (one->kind == StepKind::kCounted) return IsSame(one->counted, other->counted);
  return one->key_count == other->key_count && equal(one->equality, other->equality) &&
         equal(one->left, other->left) && equal(one->right, other->right) &&
         equal(one->match, other->match) && equal(one->combined, other->combined);
}

}  // namespace

Query *Refuse(Compiler *compiler, const char *why_not, const char *remedy) {
  compiler->why_not = why_not;
  compiler->remedy = remedy;
  return nullptr;
}

Query *AddStep(Compiler *compiler, Step *step) {
  ListCell *cell;
  foreach (cell, compiler->steps) {
    const auto *other = static_cast<Step *>(lfirst(cell));
    if (IsSame(step, other)) step->number = other->number;
  }
  if (step->number == 0) {
    compiler->steps = lappend(compiler->steps, step);
    step->number = list_length(compiler->steps);
  }
  const char *name = StepName(step->number);
  QueryEnvironment *names = create_queryEnv();
  NameShape(names, name, step->output);
  return Parse(psprintf("SELECT * FROM %s", name), names);
}

char *StepName(int number) { return psprintf("step_%d", number); }

int StepNumber(const char *name) { return atoi(strrchr(name, '_') + 1); }

Query *Compile(Compiler *compiler, const Query *original) {
  if (original->limitCount != nullptr || original->limitOffset != nullptr)
    return Refuse(compiler, "it has a LIMIT", "Leave LIMIT to the queries that read the view.");
  if (original->rowMarks != NIL) return Refuse(compiler, "it locks rows", nullptr);
  if (original->cteList != NIL) return Refuse(compiler, "it has a recursive WITH", nullptr);
  if (original->setOperations != nullptr)
    return CompileSetTree(compiler, original, original->setOperations);
  OddContext odd = {original, 0, nullptr};
  if (query_tree_walker(const_cast<Query *>(original), pg::AsWalker(OddColumnWalker), &odd,
                        QTW_IGNORE_JOINALIASES))
    return Refuse(compiler, odd.why_not, "Name the columns.");
  if (original->hasWindowFuncs || original->hasDistinctOn)
    return CompilePartitions(compiler, original);
  if (original->groupingSets != NIL) return CompileGroupingSets(compiler, original);
  if (original->groupClause != NIL || original->hasAggs || original->havingQual != nullptr ||
      original->distinctClause != NIL)
    return CompileGroups(compiler, original);
  auto *query = static_cast<Query *>(copyObjectImpl(original));
  compiler->why_not = nullptr;
  while (Detach(compiler, query)) CHECK_FOR_INTERRUPTS();
  if (compiler->why_not != nullptr) return nullptr;
  BlankJoins(query);
  return CompileSources(compiler, query) ? query : nullptr;
}

}  // namespace helios::mview
