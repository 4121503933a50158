// SQL functions that set options, and the event triggers that keep them with their tables.
#include "hybrid/options.hpp"
#include "hybrid/table_argument.hpp"

extern "C" {
#include "access/table.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "tcop/pquery.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

// Takes compression and level from two arguments of a function.
Options OptionsAt(FunctionCallInfo fcinfo, int first) {
  Options options = {};
  if (!PG_ARGISNULL(first)) {
    const char *name = text_to_cstring(PG_GETARG_TEXT_PP(first));
    options.compression = asc_tolower(name, strlen(name));
  }
  if (!PG_ARGISNULL(first + 1)) options.level = PG_GETARG_INT32(first + 1);
  return options;
}

[[noreturn]] void RaiseNull(const char *argument) {
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                  errmsg("argument \"%s\" must not be null", argument)));
}

void CheckEventTrigger(FunctionCallInfo fcinfo) {
  if (CALLED_AS_EVENT_TRIGGER(fcinfo)) return;
  ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                  errmsg("function was not called as an event trigger")));
}

}  // namespace

}  // namespace helios::hybrid

// heliosdb.set_table_options(table regclass, compression text, compression_level integer, order_by text,
//                            tier_column name) returns void
HELIOS_FUNCTION(hybrid_set_table_options) {
  using namespace helios::hybrid;
  PreventCommandIfReadOnly("heliosdb.set_table_options()");
  if (PG_ARGISNULL(0)) RaiseNull("table");
  Relation rel = OpenTableArgument(PG_GETARG_OID(0), ShareUpdateExclusiveLock);
  Options options = OptionsAt(fcinfo, 1);
  if (!PG_ARGISNULL(3))
    options.order = ParseOrder(RelationGetRelid(rel), text_to_cstring(PG_GETARG_TEXT_PP(3)));
  if (!PG_ARGISNULL(4))
    options.tier_column = FindColumn(RelationGetRelid(rel), NameStr(*PG_GETARG_NAME(4)));
  StoreOptions(rel, kWholeTable, options);
  table_close(rel, NoLock);
  PG_RETURN_VOID();
}

// heliosdb.set_column_options(table regclass, column name, compression text, compression_level integer) returns void
HELIOS_FUNCTION(hybrid_set_column_options) {
  using namespace helios::hybrid;
  PreventCommandIfReadOnly("heliosdb.set_column_options()");
  if (PG_ARGISNULL(0)) RaiseNull("table");
  if (PG_ARGISNULL(1)) RaiseNull("column");
  Relation rel = OpenTableArgument(PG_GETARG_OID(0), ShareUpdateExclusiveLock);
  const AttrNumber column = FindColumn(RelationGetRelid(rel), NameStr(*PG_GETARG_NAME(1)));
  StoreOptions(rel, column, OptionsAt(fcinfo, 2));
  table_close(rel, NoLock);
  PG_RETURN_VOID();
}

// heliosdb.hybrid_attribute(relation regclass, column name) returns smallint
HELIOS_FUNCTION(hybrid_attribute) {
  using namespace helios::hybrid;
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  if (PG_ARGISNULL(1)) PG_RETURN_INT16(kWholeTable);
  PG_RETURN_INT16(FindColumn(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1))));
}

// heliosdb.hybrid_order_keys(relation regclass, order_by text) returns smallint[]
HELIOS_FUNCTION(hybrid_order_keys) {
  using namespace helios::hybrid;
  PG_RETURN_DATUM(EncodeOrder(ParseOrder(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)))));
}

HELIOS_FUNCTION(hybrid_options_drop) {
  using namespace helios::hybrid;
  CheckEventTrigger(fcinfo);
  EnsurePortalSnapshotExists();
  SPI_connect();
  const int result = SPI_execute(
      "SELECT objid, objsubid::smallint FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE "
      "object_type IN ('table', 'materialized view', 'table column', 'materialized view column')",
      true, 0);
  if (result != SPI_OK_SELECT) elog(ERROR, "cannot read what a command dropped");
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    HeapTuple tuple = SPI_tuptable->vals[row];
    const Oid relation = DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &is_null));
    const AttrNumber attribute =
        DatumGetInt16(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &is_null));
    ForgetOptions(relation, attribute == 0 ? kEveryColumn : attribute);
  }
  SPI_finish();
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(hybrid_options_follow) {
  helios::hybrid::CheckEventTrigger(fcinfo);
  helios::hybrid::FollowColumns();
  PG_RETURN_NULL();
}
