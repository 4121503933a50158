// The transactions that a log knows of.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

HELIOS_FUNCTION(transactions_of) {
  const Oid relation = PG_GETARG_OID(0);
  InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
  const auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  const AclResult allowed = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT);
  if (allowed != ACLCHECK_OK) {
    aclcheck_error(allowed, get_relkind_objtype(get_rel_relkind(relation)), get_rel_name(relation));
  }
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked) || !OidIsValid(tracked.log)) PG_RETURN_NULL();
  SPI_connect();
  StoreAsOwner(psprintf("SELECT DISTINCT xid FROM %s", LogName(tracked)), result);
  SPI_finish();
  PG_RETURN_NULL();
}

}  // namespace helios::changelog
