#include "branch/scope.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit bool entering_scope = false;

// A flag beside those of the server, which an error takes back with them.
constexpr int kInScope = 0x10000;

}  // namespace

bool SystemScope::IsEntered() {
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  return (context & kInScope) != 0;
}

bool InSystemScope() { return entering_scope; }

void SystemScope::Enter() {
  GetUserIdAndSecContext(&user_, &context_);
  SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context_ | SECURITY_LOCAL_USERID_CHANGE | kInScope);
  settings_ = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                    GUC_ACTION_SAVE, true, 0, false);
  // Nothing can be pending on the branch that is not asked for again after Leave.
  entering_scope = true;
  set_config_option("heliosdb.branch", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                    false);
  entering_scope = false;
}

void SystemScope::Leave() {
  AtEOXact_GUC(false, settings_);
  SetUserIdAndSecContext(user_, context_);
}

OwnerScope::OwnerScope(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  GetUserIdAndSecContext(&user_, &context_);
  SetUserIdAndSecContext(owner, context_ | SECURITY_RESTRICTED_OPERATION);
}

void OwnerScope::Leave() { SetUserIdAndSecContext(user_, context_); }

void RunSql(const char *sql, int expected) {
  const int result = SPI_execute(sql, false, 0);
  if (result != expected) elog(ERROR, "\"%s\" gave %s", sql, SPI_result_code_string(result));
}

void RunEach(const char *query, Oid as_owner_of) {
  RunSql(query, SPI_OK_SELECT);
  List *statements = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    statements = lappend(statements,
                         pstrdup(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1)));
  }
  ListCell *cell;
  foreach (cell, statements) {
    const auto *statement = static_cast<const char *>(lfirst(cell));
    if (!OidIsValid(as_owner_of)) {
      RunSql(statement, SPI_OK_UTILITY);
      continue;
    }
    OwnerScope owner(as_owner_of);
    RunSql(statement, SPI_OK_UTILITY);
    owner.Leave();
  }
}

List *QueryOids(const char *sql, MemoryContext context) {
  RunSql(sql, SPI_OK_SELECT);
  MemoryContext spi = MemoryContextSwitchTo(context);
  List *oids = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    oids = lappend_oid(oids, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                            SPI_tuptable->tupdesc, 1, &is_null)));
  }
  MemoryContextSwitchTo(spi);
  return oids;
}

List *QueryOids(const char *sql) {
  MemoryContext context = CurrentMemoryContext;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  List *oids = QueryOids(sql, context);
  SPI_finish();
  scope.Leave();
  return oids;
}

}  // namespace helios::branch
