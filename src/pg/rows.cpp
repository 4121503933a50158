#include "pg/rows.hpp"

extern "C" {
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "tcop/dest.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

void StoreRows(const char *query, bool read_only, StoredRows *rows) {
  SPIPlanPtr plan = SPI_prepare(query, 0, nullptr);
  if (plan == nullptr) elog(ERROR, "cannot prepare: %s", query);
  if (rows->store == nullptr) {
    const auto *source =
        static_cast<const CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)));
    rows->desc = CreateTupleDescCopy(source->resultDesc);
    rows->store = tuplestore_begin_heap(false, false, work_mem);
  }
  SPIExecuteOptions options = {};
  options.read_only = read_only;
  options.must_return_tuples = true;
  options.dest = CreateDestReceiver(DestTuplestore);
  SetTuplestoreDestReceiverParams(options.dest, rows->store, CurrentMemoryContext, false, nullptr,
                                  nullptr);
  const int status = SPI_execute_plan_extended(plan, &options);
  if (status < 0) elog(ERROR, "cannot run (%s): %s", SPI_result_code_string(status), query);
  options.dest->rDestroy(options.dest);
  SPI_freeplan(plan);
}

void NameRows(const char *name, const StoredRows &rows) {
  auto *relation =
      static_cast<EphemeralNamedRelationData *>(palloc0(sizeof(EphemeralNamedRelationData)));
  relation->md.name = const_cast<char *>(name);
  relation->md.tupdesc = rows.desc;
  relation->md.enrtype = ENR_NAMED_TUPLESTORE;
  relation->md.enrtuples = static_cast<double>(tuplestore_tuple_count(rows.store));
  relation->reldata = rows.store;
  const int status = SPI_register_relation(relation);
  if (status != SPI_OK_REL_REGISTER)
    elog(ERROR, "cannot name rows \"%s\": %s", name, SPI_result_code_string(status));
}

void DropRows(const char *name, StoredRows *rows) {
  SPI_unregister_relation(name);
  tuplestore_end(rows->store);
  *rows = {};
}

}  // namespace helios::pg
