// Statements about a table whose definition is main's are checked against main itself (redirect.cpp). The copies need
// privileges and policies of their own where a branch has altered them, and for COPY, TRUNCATE, LOCK and foreign keys.
#include "branch/security.hpp"

#include "branch/catalog.hpp"
#include "branch/clone.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Pairs of relations that differ in owner, privileges or row-level security: main's and the branch's.
constexpr const char *kDifferent =
    "FROM heliosdb.branch_relations r JOIN pg_class m ON m.oid = r.main_relid JOIN pg_class l ON "
    "l.oid = "
    "r.local_relid WHERE m.relkind <> 'v' AND ((m.relowner, m.relacl, m.relrowsecurity, "
    "m.relforcerowsecurity) "
    "IS DISTINCT FROM (l.relowner, l.relacl, l.relrowsecurity, l.relforcerowsecurity) OR EXISTS "
    "(SELECT FROM "
    "pg_attribute a JOIN pg_attribute b ON b.attrelid = l.oid AND b.attnum = a.attnum WHERE "
    "a.attrelid = m.oid AND "
    "a.attnum > 0 AND NOT b.attisdropped AND NOT a.attisdropped AND a.attacl IS DISTINCT FROM "
    "b.attacl) OR "
    "(m.relkind <> 'S' AND ARRAY(SELECT p::text FROM heliosdb.branch_policies(m.oid, l.oid) p "
    "ORDER "
    "BY 1) <> ARRAY(SELECT p::text FROM heliosdb.branch_policies(l.oid, l.oid) p ORDER BY 1))) "
    "ORDER BY r.branch, r.local_relid";

// Schemas of branches with what they stand for.
constexpr const char *kSpaces =
    "(SELECT DISTINCT s.oid AS space, b.oid AS base FROM heliosdb.branch_relations r JOIN pg_class "
    "l "
    "ON l.oid = r.local_relid JOIN pg_namespace s ON s.oid = l.relnamespace JOIN pg_namespace b ON "
    "b.oid = r.schema) p JOIN pg_namespace s ON s.oid = p.space JOIN pg_namespace b ON b.oid = "
    "p.base";

// Gives the schemas of branches the owners of those that they stand for, and takes CREATE from roles that may not
// create there any more.
void SyncSpaces() {
  RunEach(
      psprintf("SELECT format('ALTER SCHEMA %%I OWNER TO %%I', s.nspname, "
               "pg_get_userbyid(b.nspowner)) FROM %s WHERE s.nspowner <> b.nspowner",
               kSpaces));
  RunEach(psprintf(
      "SELECT format('REVOKE CREATE ON SCHEMA %%I FROM %%s', s.nspname, CASE a.grantee WHEN 0 THEN "
      "'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) FROM %s CROSS JOIN "
      "aclexplode(s.nspacl) a WHERE a.privilege_type = 'CREATE' AND a.grantee <> s.nspowner AND "
      "NOT "
      "CASE a.grantee WHEN 0 THEN EXISTS (SELECT FROM aclexplode(b.nspacl) c WHERE c.grantee = 0 "
      "AND c.privilege_type = 'CREATE') ELSE has_schema_privilege(a.grantee, b.oid, 'CREATE') END",
      kSpaces));
}

// Makes owner, privileges and policies of a relation those of its model.
void SyncRelation(Oid model, Oid relation) {
  // A sequence that belongs to a column goes with its table.
  RunEach(psprintf(
      "SELECT format('ALTER TABLE %%s OWNER TO %%I', l.oid::regclass, pg_get_userbyid(m.relowner)) "
      "FROM "
      "pg_class m, pg_class l WHERE m.oid = %u AND l.oid = %u AND m.relowner <> l.relowner AND NOT "
      "EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = l.oid "
      "AND "
      "d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))",
      model, relation));
  CopySecurity(model, relation);
  if (get_rel_relkind(relation) == RELKIND_SEQUENCE) return;
  RunEach(psprintf(
      "SELECT format('DROP POLICY %%I ON %%s', polname, polrelid::regclass) FROM pg_policy WHERE "
      "polrelid = %u",
      relation));
  ClonePolicies(model, relation);
}

}  // namespace

bool ChangesSecurity(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_GrantStmt:
    case T_GrantRoleStmt:
    case T_CreatePolicyStmt:
    case T_AlterPolicyStmt:
    case T_ReassignOwnedStmt:
    case T_DropOwnedStmt:
      return true;
    case T_AlterOwnerStmt:
      return reinterpret_cast<const AlterOwnerStmt *>(statement)->objectType == OBJECT_SCHEMA;
    case T_DropStmt:
      return reinterpret_cast<const DropStmt *>(statement)->removeType == OBJECT_POLICY;
    case T_RenameStmt:
      return reinterpret_cast<const RenameStmt *>(statement)->renameType == OBJECT_POLICY;
    case T_AlterTableStmt: {
      ListCell *cell;
      foreach (cell, reinterpret_cast<const AlterTableStmt *>(statement)->cmds) {
        switch (lfirst_node(AlterTableCmd, cell)->subtype) {
          case AT_ChangeOwner:
          case AT_EnableRowSecurity:
          case AT_DisableRowSecurity:
          case AT_ForceRowSecurity:
          case AT_NoForceRowSecurity:
            return true;
          default:
            break;
        }
      }
      return false;
    }
    default:
      return false;
  }
}

void SyncSecurity() {
  if (LiveBranches() == NIL) return;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  List *models = QueryOids(psprintf("SELECT r.main_relid %s", kDifferent), CurrentMemoryContext);
  List *relations =
      QueryOids(psprintf("SELECT r.local_relid %s", kDifferent), CurrentMemoryContext);
  ListCell *model, *relation;
  forboth(model, models, relation, relations) SyncRelation(lfirst_oid(model), lfirst_oid(relation));
  SyncSpaces();
  SPI_finish();
  scope.Leave();
}

}  // namespace helios::branch
