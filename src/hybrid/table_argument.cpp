#include "hybrid/table_argument.hpp"

#include "hybrid/hybrid.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Takes the one expression that a text is.
Node *ParseExpression(const char *text) {
  List *statements = raw_parser(psprintf("SELECT (%s\n)", text), RAW_PARSE_DEFAULT);
  if (list_length(statements) == 1) {
    Node *statement = linitial_node(RawStmt, statements)->stmt;
    if (IsA(statement, SelectStmt)) {
      const auto *select = castNode(SelectStmt, statement);
      if (select->op == SETOP_NONE && list_length(select->targetList) == 1 &&
          select->fromClause == NIL && select->whereClause == nullptr &&
          select->sortClause == NIL && select->intoClause == nullptr &&
          select->groupClause == NIL && select->withClause == nullptr) {
        return linitial_node(ResTarget, select->targetList)->val;
      }
    }
  }
  ereport(
      ERROR,
      (errcode(ERRCODE_SYNTAX_ERROR), errmsg("condition is not one expression: %s", text),
       errhint("Write it as you would behind WHERE, such as 'created < now() - ''30 days'''.")));
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

AttrNumber FindColumn(Relation rel, const char *name) {
  const AttrNumber attribute = get_attnum(RelationGetRelid(rel), name);
  if (attribute > 0) return attribute;
  ereport(ERROR,
          (errcode(attribute < 0 ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_UNDEFINED_COLUMN),
           attribute < 0 ? errmsg("column \"%s\" is a system column, which has no options", name)
                         : errmsg("column \"%s\" of relation \"%s\" does not exist", name,
                                  RelationGetRelationName(rel))));
}

ExprState *PrepareCondition(Relation rel, const char *text, EState *estate) {
  ParseState *parse = make_parsestate(nullptr);
  ParseNamespaceItem *item =
      addRangeTableEntryForRelation(parse, rel, AccessShareLock, nullptr, false, true);
  addNSItemToQuery(parse, item, true, true, true);
  Node *expression = transformExpr(parse, ParseExpression(text), EXPR_KIND_WHERE);
  expression = coerce_to_boolean(parse, expression, "condition");
  assign_expr_collations(parse, expression);
  if (parse->p_hasSubLinks) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("condition must not have subqueries: %s", text)));
  }
  free_parsestate(parse);
  return ExecPrepareQual(make_ands_implicit(reinterpret_cast<Expr *>(expression)), estate);
}

}  // namespace helios::hybrid
