#include "pg/triggers.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/makefuncs.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

void CreateInternalTrigger(Oid relation, const char *name, bool row, int16 timing, int16 events,
                           Oid function) {
  CreateTrigStmt *statement = makeNode(CreateTrigStmt);
  statement->trigname = pstrdup(name);
  statement->row = row;
  statement->timing = timing;
  statement->events = events;
  const ObjectAddress trigger =
      CreateTriggerFiringOn(statement, nullptr, relation, InvalidOid, InvalidOid, InvalidOid,
                            function, InvalidOid, nullptr, true, false, TRIGGER_FIRES_ALWAYS);
  ObjectAddress referenced;
  ObjectAddressSet(referenced, ProcedureRelationId, function);
  deleteDependencyRecordsForClass(TriggerRelationId, trigger.objectId, ProcedureRelationId,
                                  DEPENDENCY_NORMAL);
  recordDependencyOn(&trigger, &referenced, DEPENDENCY_AUTO);
  CommandCounterIncrement();
}

}  // namespace helios::pg
