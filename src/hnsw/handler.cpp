// The access method's handler: what it can do, and which function does it.
#include "hnsw/am.hpp"
#include "hnsw/hnsw.hpp"
#include "hnsw/options.hpp"
#include "hnsw/space.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

constexpr int kStrategies = 1;  // ordering by distance
constexpr int kSupports = 1;    // the operator class's space

char *PhaseName(int64 phase) {
  switch (phase) {
    case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
      return pstrdup("initializing");
    case 2:
      return pstrdup("sampling table");
    case 3:
      return pstrdup("training codes");
    case 4:
      return pstrdup("loading tuples");
    case 5:
      return pstrdup("writing pages");
    default:
      return nullptr;
  }
}

// Checks that an operator class has its ordering operator and its space function.
bool Validate(Oid opclass) {
  HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator class %u", opclass);
  const auto *form = reinterpret_cast<Form_pg_opclass>(GETSTRUCT(tuple));
  const Oid family = form->opcfamily;
  const Oid type = form->opcintype;
  bool valid = true;
  if (!OidIsValid(get_opfamily_proc(family, type, type, kSupports))) {
    ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                   errmsg("operator class \"%s\" of access method hnsw lacks its space function",
                          NameStr(form->opcname))));
    valid = false;
  }
  if (!OidIsValid(get_opfamily_member(family, type, type, kStrategies))) {
    ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                   errmsg("operator class \"%s\" of access method hnsw lacks its ordering operator",
                          NameStr(form->opcname))));
    valid = false;
  }
  ReleaseSysCache(tuple);
  return valid;
}

}  // namespace

void InitHnsw() { InitOptions(); }

// Fills the routine table.
void FillRoutine(IndexAmRoutine *am) {
  am->amstrategies = 0;
  am->amsupport = kSupports;
  am->amcanorderbyop = true;
  am->amoptionalkey = true;
  am->amusemaintenanceworkmem = false;
  am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
  am->amkeytype = InvalidOid;
  helios::pg::CompleteAmRoutine(am, true);
  am->ambuild = Build;
  am->ambuildempty = BuildEmpty;
  am->aminsert = Insert;
  am->ambulkdelete = BulkDelete;
  am->amvacuumcleanup = VacuumCleanup;
  am->amcostestimate = EstimateCost;
  am->amoptions = ParseOptions;
  am->ambuildphasename = PhaseName;
  am->amvalidate = Validate;
  am->ambeginscan = BeginScan;
  am->amrescan = Rescan;
  am->amgettuple = GetTuple;
  am->amendscan = EndScan;
}

}  // namespace helios::hnsw

// Returns the access method's routine table.
HELIOS_FUNCTION(hnswhandler) {
  (void)fcinfo;
  helios::hnsw::EnsureScanSettings();
  IndexAmRoutine *am = makeNode(IndexAmRoutine);
  helios::hnsw::FillRoutine(am);
  PG_RETURN_POINTER(am);
}
