#include "branch/relations.hpp"

#include "branch/catalog.hpp"
#include "branch/path.hpp"
#include "branch/session.hpp"

#include <cstring>

extern "C" {
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// True for schemas whose relations are the same on every branch.
bool IsSharedSchema(const char *schema) {
  return strcmp(schema, kAdminSchema) == 0 || strcmp(schema, "heliosdb_log") == 0 ||
         strcmp(schema, "information_schema") == 0 || strncmp(schema, "pg_", 3) == 0;
}

}  // namespace

Kind Classify(Oid relation, int64 branch) {
  if (relation < FirstNormalObjectId) return Kind::kShared;
  const Oid schema = get_rel_namespace(relation);
  const char *name = isAnyTempNamespace(schema) ? nullptr : get_namespace_name(schema);
  if (name == nullptr || IsSharedSchema(name)) return Kind::kShared;
  if (IsBranchSpace(name, branch)) return Kind::kOwn;
  if (IsBranchSpace(name, 0)) return Kind::kForeign;
  switch (get_rel_relkind(relation)) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
      return Kind::kTable;
    case RELKIND_SEQUENCE:
      return Kind::kSequence;
    case RELKIND_VIEW:
      return Kind::kView;
    case RELKIND_MATVIEW:
      return Kind::kMatview;
    default:
      return Kind::kOther;
  }
}

void RaiseAbsent(Oid relation) {
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                  errmsg("relation \"%s\" does not exist on branch \"%s\"", get_rel_name(relation),
                         SessionBranchName())));
}

void RaiseUnsupported(Oid relation) {
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("\"%s\" cannot be used on branch \"%s\"", get_rel_name(relation),
              SessionBranchName()),
       errdetail(
           "Only tables, sequences, views and materialized views have a state of their own on a "
           "branch.")));
}

Oid LocalOf(Oid main) {
  const Local local = FindLocal(CurrentBranch().id, main);
  if (local.exists && !OidIsValid(local.relation)) RaiseAbsent(main);
  return local.exists ? local.relation : InvalidOid;
}

}  // namespace helios::branch
