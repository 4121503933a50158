// The event trigger that forgets views which are dropped.
#include "mview/catalog.hpp"
#include "mview/delta.hpp"
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

HELIOS_FUNCTION(mview_drop) {
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function was not called as an event trigger")));
  }
  EnsurePortalSnapshotExists();
  SPI_connect();
  if (SPI_execute("SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
                  "WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0 "
                  "AND object_type = 'materialized view'",
                  true, 0) != SPI_OK_SELECT)
    elog(ERROR, "cannot read what was dropped");
  List *views = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    views = lappend_oid(views, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                              SPI_tuptable->tupdesc, 1, &is_null)));
  }
  ListCell *cell;
  foreach (cell, views) {
    Record record;
    if (!FindRecord(lfirst_oid(cell), false, &record)) continue;
    DropState(lfirst_oid(cell));
    DropRecord(lfirst_oid(cell));
  }
  SPI_finish();
  PG_RETURN_NULL();
}

}  // namespace helios::mview
