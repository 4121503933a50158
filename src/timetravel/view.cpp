// `v AS OF …` where v is a view: the stock grammar has TABLESAMPLE for tables only, so the parse tree becomes
//
//   (SELECT view.* FROM v AS view, (SELECT heliosdb.view_as_of(…)) AS moment) AS v
//
// before it is analysed. The moment stands in a subquery of its own, where columns of the view cannot be meant.
#include "timetravel/view.hpp"

#include "pg/compat.hpp"
#include "syntax/syntax.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::timetravel {

namespace {

// The methods of TABLESAMPLE that a form writes, and what stands for them with a view.
struct Method {
  const char *of_table;
  const char *of_view;
};

constexpr Method kMethods[] = {{"as_of", "view_as_of"},
                               {"as_of_transaction", "view_as_of_transaction"},
                               {"as_of_scn", "view_as_of_scn"}};

// Finds what stands for a clause if it is one of ours over a view, else null.
const char *ViewFunction(const RangeTableSample *sample) {
  if (list_length(sample->method) != 2 || strcmp(strVal(linitial(sample->method)), "heliosdb") != 0)
    return nullptr;
  for (const Method &method : kMethods) {
    if (strcmp(strVal(lsecond(sample->method)), method.of_table) != 0) continue;
    const Oid relation = RangeVarGetRelid(castNode(RangeVar, sample->relation), NoLock, true);
    return OidIsValid(relation) && get_rel_relkind(relation) == RELKIND_VIEW ? method.of_view
                                                                             : nullptr;
  }
  return nullptr;
}

// (SELECT columns FROM items)
SelectStmt *Select(Node *value, List *items) {
  ResTarget *target = makeNode(ResTarget);
  target->val = value;
  target->location = -1;
  SelectStmt *select = makeNode(SelectStmt);
  select->targetList = list_make1(target);
  select->fromClause = items;
  return select;
}

RangeSubselect *Subselect(SelectStmt *select, Alias *alias, bool lateral) {
  RangeSubselect *item = makeNode(RangeSubselect);
  item->subquery = reinterpret_cast<Node *>(select);
  item->alias = alias;
  item->lateral = lateral;
  return item;
}

// Tells whether an expression names a column, of a table to the left or of an outer query.
bool NamesColumn(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, ColumnRef)) return true;
  return raw_expression_tree_walker(node, pg::AsWalker(NamesColumn), context);
}

bool RewriteClauses(Node *node, void *context);

// Turns the clause into a subquery, in the same piece of memory: nobody knows who points to it.
void RewriteSample(RangeTableSample *sample, const char *function) {
  constexpr const char *kView = "view";
  auto *view = static_cast<RangeVar *>(copyObjectImpl(sample->relation));
  Alias *alias = view->alias != nullptr ? view->alias : makeAlias(view->relname, NIL);
  view->alias = makeAlias(kView, NIL);
  ColumnRef *all = makeNode(ColumnRef);
  all->fields = list_make2(makeString(pstrdup(kView)), makeNode(A_Star));
  all->location = sample->location;
  FuncCall *moment =
      makeFuncCall(list_make2(makeString(pstrdup("heliosdb")), makeString(pstrdup(function))),
                   sample->args, COERCE_EXPLICIT_CALL, sample->location);
  const bool lateral = NamesColumn(reinterpret_cast<Node *>(sample->args), nullptr);
  RangeSubselect *carrier =
      Subselect(Select(reinterpret_cast<Node *>(moment), NIL), makeAlias("moment", NIL), false);
  RangeSubselect *whole =
      Subselect(Select(reinterpret_cast<Node *>(all), list_make2(view, carrier)), alias, lateral);
  static_assert(sizeof(RangeSubselect) <= sizeof(RangeTableSample));
  std::memcpy(static_cast<void *>(sample), whole, sizeof(*whole));
}

bool RewriteClauses(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, RangeTableSample)) {
    auto *sample = reinterpret_cast<RangeTableSample *>(node);
    RewriteClauses(reinterpret_cast<Node *>(sample->args), context);
    const char *function = ViewFunction(sample);
    if (function != nullptr) RewriteSample(sample, function);
    return false;
  }
  return raw_expression_tree_walker(node, pg::AsWalker(RewriteClauses), context);
}

// Finds the query inside a utility statement, or the statement itself if it is a query.
Node *QueryOf(Node *statement) {
  if (statement == nullptr) return nullptr;
  switch (nodeTag(statement)) {
    case T_SelectStmt:
    case T_InsertStmt:
    case T_UpdateStmt:
    case T_DeleteStmt:
    case T_MergeStmt:
      return statement;
    case T_ExplainStmt:
      return QueryOf(reinterpret_cast<ExplainStmt *>(statement)->query);
    case T_CreateTableAsStmt:
      return QueryOf(reinterpret_cast<CreateTableAsStmt *>(statement)->query);
    case T_ViewStmt:
      return QueryOf(reinterpret_cast<ViewStmt *>(statement)->query);
    case T_DeclareCursorStmt:
      return QueryOf(reinterpret_cast<DeclareCursorStmt *>(statement)->query);
    case T_PrepareStmt:
      return QueryOf(reinterpret_cast<PrepareStmt *>(statement)->query);
    case T_CopyStmt:
      return QueryOf(reinterpret_cast<CopyStmt *>(statement)->query);
    case T_ReturnStmt:
      return reinterpret_cast<ReturnStmt *>(statement)->returnval;
    default:
      return nullptr;
  }
}

// Rewrites a statement; the body of a function has several.
void RewriteStatement(Node *statement) {
  if (statement == nullptr) return;
  if (IsA(statement, RawStmt))
    return RewriteStatement(reinterpret_cast<RawStmt *>(statement)->stmt);
  if (IsA(statement, List)) {
    ListCell *cell;
    foreach (cell, reinterpret_cast<List *>(statement))
      RewriteStatement(static_cast<Node *>(lfirst(cell)));
    return;
  }
  if (IsA(statement, CreateFunctionStmt))
    return RewriteStatement(reinterpret_cast<CreateFunctionStmt *>(statement)->sql_body);
  if (IsA(statement, PLAssignStmt))
    statement = reinterpret_cast<Node *>(reinterpret_cast<PLAssignStmt *>(statement)->val);
  else
    statement = QueryOf(statement);
  RewriteClauses(statement, nullptr);
}

// Looks at what a form has made of a text. Outside of a transaction no view can be looked up, nor is the text
// going to be analysed.
void LookAtTrees(List *trees) {
  if (IsTransactionState()) RewriteStatement(reinterpret_cast<Node *>(trees));
}

}  // namespace

void InitViews() { syntax::OnRescue(LookAtTrees); }

}  // namespace helios::timetravel
