#include "hybrid/table_argument.hpp"

#include "hybrid/hybrid.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Has a syntax error point into the text that is parsed, which no client has sent.
void PointInto(void *text) {
  const int position = geterrposition();
  if (position <= 0) return;
  errposition(0);
  internalerrposition(position);
  internalerrquery(static_cast<const char *>(text));
}

// Takes the one expression that a text is.
Node *ParseExpression(const char *text) {
  const SelectStmt *select = ParseSelect(psprintf("SELECT (%s\n)", text));
  if (select != nullptr && list_length(select->targetList) == 1 && select->sortClause == NIL) {
    return linitial_node(ResTarget, select->targetList)->val;
  }
  ereport(
      ERROR,
      (errcode(ERRCODE_SYNTAX_ERROR), errmsg("condition is not one expression: %s", text),
       errhint("Write it as you would behind WHERE, such as 'created < now() - ''30 days'''.")));
}

// Makes the condition that a user has written.
Node *MakeCondition(ParseState *parse, const char *text) {
  Node *expression = transformExpr(parse, ParseExpression(text), EXPR_KIND_WHERE);
  expression = coerce_to_boolean(parse, expression, "condition");
  if (parse->p_hasSubLinks) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("condition must not have subqueries: %s", text)));
  }
  return expression;
}

// Makes the condition that a row's age is to fit.
Node *MakeAgeCondition(ParseState *parse, Relation rel, AttrNumber column, TimestampTz before) {
  const FormData_pg_attribute *attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
  Var *age =
      makeVar(1, column, attribute->atttypid, attribute->atttypmod, attribute->attcollation, 0);
  Const *bound = makeConst(TIMESTAMPTZOID, -1, InvalidOid, sizeof(TimestampTz),
                           TimestampTzGetDatum(before), false, FLOAT8PASSBYVAL);
  List *less = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("<")));
  return reinterpret_cast<Node *>(make_op(parse, less, reinterpret_cast<Node *>(age),
                                          reinterpret_cast<Node *>(bound), nullptr, -1));
}

}  // namespace

void RaiseNotHybrid(Relation rel) {
  ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                  errmsg("\"%s\" is not a hybrid table", RelationGetRelationName(rel)),
                  rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
                      ? errhint("Name its partitions, see pg_partition_tree().")
                      : errhint("ALTER TABLE %s SET ACCESS METHOD heliosdb makes it one.",
                                RelationGetRelationName(rel))));
}

Relation OpenTableArgument(Oid table, LOCKMODE lock) {
  Relation rel = table_open(table, lock);
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(rel->rd_rel->relkind),
                   RelationGetRelationName(rel));
  }
  if (!IsHybrid(rel)) RaiseNotHybrid(rel);
  if (RELATION_IS_OTHER_TEMP(rel)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("cannot change temporary tables of other sessions")));
  }
  return rel;
}

AttrNumber FindColumn(Oid table, const char *name) {
  const AttrNumber attribute = get_attnum(table, name);
  if (attribute > 0) return attribute;
  ereport(ERROR,
          (errcode(attribute < 0 ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_UNDEFINED_COLUMN),
           attribute < 0 ? errmsg("column \"%s\" is a system column, which has no options", name)
                         : errmsg("column \"%s\" of relation \"%s\" does not exist", name,
                                  get_rel_name(table))));
}

SelectStmt *ParseSelect(const char *text) {
  ErrorContextCallback context = {};
  context.callback = PointInto;
  context.arg = const_cast<char *>(text);
  context.previous = error_context_stack;
  error_context_stack = &context;
  const List *statements = raw_parser(text, RAW_PARSE_DEFAULT);
  error_context_stack = context.previous;
  if (list_length(statements) != 1) return nullptr;
  Node *statement = linitial_node(RawStmt, statements)->stmt;
  if (!IsA(statement, SelectStmt)) return nullptr;
  auto *select = castNode(SelectStmt, statement);
  const bool is_plain = select->op == SETOP_NONE && select->fromClause == NIL &&
                        select->whereClause == nullptr && select->intoClause == nullptr &&
                        select->groupClause == NIL && select->withClause == nullptr &&
                        select->limitOffset == nullptr && select->limitCount == nullptr &&
                        select->lockingClause == NIL;
  return is_plain ? select : nullptr;
}

ExprState *PrepareChoice(Relation rel, const RowChoice &choice, EState *estate) {
  if (choice.condition == nullptr && choice.tier_column == InvalidAttrNumber) return nullptr;
  ParseState *parse = make_parsestate(nullptr);
  ParseNamespaceItem *item =
      addRangeTableEntryForRelation(parse, rel, AccessShareLock, nullptr, false, true);
  addNSItemToQuery(parse, item, true, true, true);
  List *conditions = NIL;
  if (choice.tier_column != InvalidAttrNumber) {
    conditions =
        lappend(conditions, MakeAgeCondition(parse, rel, choice.tier_column, choice.before));
  }
  if (choice.condition != nullptr)
    conditions = lappend(conditions, MakeCondition(parse, choice.condition));
  Expr *all = makeBoolExpr(AND_EXPR, conditions, -1);
  assign_expr_collations(parse, reinterpret_cast<Node *>(all));
  free_parsestate(parse);
  return ExecPrepareQual(make_ands_implicit(all), estate);
}

}  // namespace helios::hybrid
