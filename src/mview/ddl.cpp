// Event triggers: views that are dropped are forgotten, and a REFRESH that passed the library by is noticed.
#include "mview/catalog.hpp"

#include "changelog/changelog.hpp"
#include "mview/delta.hpp"
#include "mview/statements.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "tcop/pquery.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Lists the relations that a query about the present command returns; SPI is connected.
List *Relations(FunctionCallInfo fcinfo, const char *query) {
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function was not called as an event trigger")));
  }
  if (SPI_execute(query, true, 0) != SPI_OK_SELECT) elog(ERROR, "cannot read what a command did");
  List *relations = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    relations =
        lappend_oid(relations, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                              SPI_tuptable->tupdesc, 1, &is_null)));
  }
  return relations;
}

}  // namespace

HELIOS_FUNCTION(mview_drop) {
  EnsurePortalSnapshotExists();
  SPI_connect();
  ListCell *cell;
  foreach (cell, Relations(fcinfo,
                           "SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
                           "WHERE objsubid = 0 AND object_type = 'materialized view'")) {
    Record record;
    if (!FindRecord(lfirst_oid(cell), false, &record)) continue;
    DropState(lfirst_oid(cell));
    DropRecord(lfirst_oid(cell));
  }
  SPI_finish();
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(mview_refreshed) {
  EnsurePortalSnapshotExists();
  SPI_connect();
  ListCell *cell;
  foreach (cell, Relations(fcinfo,
                           "SELECT objid FROM pg_catalog.pg_event_trigger_ddl_commands() "
                           "WHERE object_type = 'materialized view'")) {
    const Oid view = lfirst_oid(cell);
    Record record;
    if (IsBeingRefreshed(view) || !FindRecord(view, false, &record)) continue;
    RequireRecompute(view, "it was refreshed in a session without heliosdb");
    changelog::TrackedTable tracked;
    if (changelog::FindTracked(view, &tracked)) changelog::RestartHistory(view);
  }
  SPI_finish();
  PG_RETURN_NULL();
}

}  // namespace helios::mview
