#include "timetravel/carrier.hpp"

extern "C" {
#include "access/tsmapi.h"
#include "catalog/pg_type.h"
#include "nodes/execnodes.h"

PGDLLEXPORT Datum helios_as_of(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_transaction_sample(PG_FUNCTION_ARGS);
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// The planner's expansion takes the clause away. Where it was not asked (a function inlined later), the
// present must not be returned instead of the past.
[[noreturn]] void Refuse() {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("AS OF is not supported in an SQL function that the planner inlines"),
                  errhint("Declare the function VOLATILE, or write it in PL/pgSQL.")));
}

void EstimateNothing(PlannerInfo *, RelOptInfo *relation, List *, BlockNumber *pages,
                     double *tuples) {
  *pages = relation->pages;
  *tuples = relation->tuples;
}

void BeginNothing(SampleScanState *, Datum *, int, uint32) { Refuse(); }

OffsetNumber NextNothing(SampleScanState *, BlockNumber, OffsetNumber) { Refuse(); }

TsmRoutine *MakeMethod(Oid argument) {
  TsmRoutine *method = makeNode(TsmRoutine);
  method->parameterTypes = list_make1_oid(argument);
  method->repeatable_across_queries = false;
  method->repeatable_across_scans = true;
  method->SampleScanGetSampleSize = EstimateNothing;
  method->BeginSampleScan = BeginNothing;
  method->NextSampleTuple = NextNothing;
  return method;
}

}  // namespace

bool FindPast(const RangeTblEntry *entry, Past *past) {
  if (entry->tablesample == nullptr) return false;
  FmgrInfo handler;
  fmgr_info(entry->tablesample->tsmhandler, &handler);
  past->by_transaction = handler.fn_addr == helios_as_of_transaction_sample;
  if (!past->by_transaction && handler.fn_addr != helios_as_of) return false;
  past->moment = static_cast<Node *>(linitial(entry->tablesample->args));
  return true;
}

}  // namespace helios::timetravel

HELIOS_FUNCTION(as_of) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(TIMESTAMPTZOID));
}

HELIOS_FUNCTION(as_of_transaction_sample) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(INT8OID));
}
