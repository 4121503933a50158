// Views of a branch of a branch. A stored query names relations, and types of rows, by their OIDs all over; so the view
// is made from its text, as a dump makes it, with the names of the relations of the other branch led to those of this
// one.
#include "branch/inherit.hpp"

#include "branch/path.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

#include <cstring>

extern "C" {
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_type.h"
#include "commands/view.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Leads a name with a schema; returns the relation that it means now, 0 if it is none of a branch.
Oid LeadName(const char *schema, const char *name, MapRelation map) {
  if (schema == nullptr || !IsBranchSpace(schema, 0)) return InvalidOid;
  const Oid space = get_namespace_oid(schema, true);
  const Oid relation = OidIsValid(space) ? get_relname_relid(name, space) : InvalidOid;
  return OidIsValid(relation) ? map(relation) : InvalidOid;
}

// Leads the type of the rows of a relation, also of arrays of them.
void LeadType(TypeName *type, MapRelation map) {
  if (list_length(type->names) != 2) return;
  const Oid led = LeadName(strVal(linitial(type->names)), strVal(lsecond(type->names)), map);
  if (!OidIsValid(led)) return;
  type->names = list_make2(makeString(get_namespace_name(get_rel_namespace(led))),
                           makeString(get_rel_name(led)));
}

// Leads a constant of type regclass.
void LeadConstant(TypeCast *cast, MapRelation map) {
  if (cast->arg == nullptr || !IsA(cast->arg, A_Const)) return;
  auto *constant = reinterpret_cast<A_Const *>(cast->arg);
  if (constant->isnull || nodeTag(&constant->val) != T_String) return;
  if (strcmp(strVal(llast(cast->typeName->names)), "regclass") != 0) return;
  List *names = stringToQualifiedNameList(strVal(&constant->val));
  if (list_length(names) != 2) return;
  const Oid led = LeadName(strVal(linitial(names)), strVal(lsecond(names)), map);
  if (OidIsValid(led)) constant->val.sval.sval = pg::QualifiedName(led);
}

bool LeadNode(Node *node, void *context) {
  if (node == nullptr) return false;
  const auto map = *static_cast<MapRelation *>(context);
  if (IsA(node, RangeVar)) {
    auto *name = reinterpret_cast<RangeVar *>(node);
    const Oid led = LeadName(name->schemaname, name->relname, map);
    if (OidIsValid(led)) {
      // Columns are named by what the relation was called.
      if (name->alias == nullptr) name->alias = makeAlias(name->relname, NIL);
      name->schemaname = get_namespace_name(get_rel_namespace(led));
      name->relname = get_rel_name(led);
    }
    return false;
  }
  if (IsA(node, TypeName)) LeadType(reinterpret_cast<TypeName *>(node), map);
  if (IsA(node, TypeCast)) LeadConstant(reinterpret_cast<TypeCast *>(node), map);
  return raw_expression_tree_walker(node, pg::AsWalker(LeadNode), context);
}

}  // namespace

// Reading the query can run code of users, for constants of their types, so its owner does that.
Oid InheritView(Oid model, Oid schema, MapRelation map) {
  RunSql(psprintf("SELECT format('CREATE VIEW %%I.%%I (%%s)%%s AS %%s', s.nspname, c.relname, "
                  "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM "
                  "pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0), ' WITH (' || "
                  "array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)), "
                  "quote_ident(s.nspname), quote_ident(pg_get_userbyid(c.relowner)), "
                  "has_schema_privilege(c.relowner, s.oid, 'CREATE') FROM pg_class c, pg_namespace "
                  "s WHERE c.oid = %u AND s.oid = %u",
                  model, schema),
         SPI_OK_SELECT);
  const char *create = pstrdup(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
  const char *space = pstrdup(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
  const char *role = pstrdup(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3));
  bool is_null;
  const bool may =
      DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &is_null));
  auto *statement = linitial_node(RawStmt, raw_parser(create, RAW_PARSE_DEFAULT));
  LeadNode(reinterpret_cast<ViewStmt *>(statement->stmt)->query, &map);
  if (!may) RunSql(psprintf("GRANT CREATE ON SCHEMA %s TO %s", space, role), SPI_OK_UTILITY);
  OwnerScope owner(model);
  const ObjectAddress view =
      DefineView(reinterpret_cast<ViewStmt *>(statement->stmt), create, -1, 0);
  owner.Leave();
  CommandCounterIncrement();
  if (!may) RunSql(psprintf("REVOKE CREATE ON SCHEMA %s FROM %s", space, role), SPI_OK_UTILITY);
  CopySecurity(model, view.objectId);
  return view.objectId;
}

}  // namespace helios::branch
