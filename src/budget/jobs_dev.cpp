// Kinds of jobs that only the tests have (DEV=1): each row of heliosdb.test_jobs is a job.
#include "budget/jobs_dev.hpp"

#include "budget/budget.hpp"

#include <cstring>

extern "C" {
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

namespace {

// Uses the processor for about `count` thousandths of a second of a fast one.
void Burn(int count) {
  constexpr int kRounds = 1000000;
  volatile uint64 sum = 0;
  for (int i = 0; i < count; i++) {
    for (int round = 0; round < kRounds; round++) sum = sum + static_cast<uint64>(round);
  }
}

// Works on the tables named in heliosdb.test_jobs (kind, relid, action, units, priority).
class TestKind final : public JobKind {
 public:
  using JobKind::JobKind;

  void Find(Findings *findings) const override {
    SPI_connect();
    const Oid schema = get_namespace_oid("heliosdb", true);
    if (OidIsValid(schema) && OidIsValid(get_relname_relid("test_jobs", schema))) {
      SPI_execute(
          psprintf("SELECT relid, priority FROM heliosdb.test_jobs WHERE kind = %s ORDER BY relid",
                   quote_literal_cstr(name())),
          true, 0);
      for (uint64 row = 0; row < SPI_processed; row++) {
        bool is_null;
        const auto value = [&](int column) {
          return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
        };
        findings->Add(DatumGetObjectId(value(1)), 0,
                      static_cast<Priority>(DatumGetInt32(value(2))));
      }
    }
    SPI_finish();
  }

  void Work(Slice *slice) const override {
    SPI_connect();
    SPI_execute(psprintf("SELECT action, units FROM heliosdb.test_action(%u)", slice->object), true,
                0);
    if (SPI_processed == 0) {
      slice->is_done = true;
      SPI_finish();
      return;
    }
    const char *action = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    bool is_null;
    const int units =
        DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null));
    Act(action, units, slice);
    SPI_finish();
  }

 private:
  // Raises an error if another worker does the same job.
  static void CheckAlone(Oid object, Budget budget) {
    constexpr uint16 kTestClass = 7;
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, object, static_cast<uint32>(budget), kTestClass);
    if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
      elog(ERROR, "a job runs twice at once");
  }

  void Act(const char *action, int units, Slice *slice) const {
    CheckAlone(slice->object, budget());
    if (strcmp(action, "overrun") == 0) {
      constexpr int kLong = 300;
      Burn(kLong);
      slice->cursor++;
    } else if (strcmp(action, "error") == 0) {
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("the test wants an error")));
    } else if (strcmp(action, "fatal") == 0) {
      ereport(FATAL, (errmsg("the test wants an end")));
    } else if (strcmp(action, "crash") == 0) {
      abort();
    } else if (strcmp(action, "sql") == 0) {
      // The owner's code: a function of the table's schema.
      SPI_execute(psprintf("SELECT %s.job()",
                           quote_identifier(get_namespace_name(get_rel_namespace(slice->object)))),
                  false, 0);
      slice->is_done = true;
    } else {
      // Users wait for this lock as long as the slice lasts.
      if (strcmp(action, "lock") == 0) LockRelationOid(slice->object, AccessExclusiveLock);
      do {
        Burn(1);
        slice->cursor++;
        Report("burning", static_cast<double>(slice->cursor) / units, units - slice->cursor);
      } while (slice->cursor < units && !Throttle());
    }
    if (slice->cursor >= units) slice->is_done = true;
  }
};

constexpr TestKind kRest("test_rest", Budget::kRest, NoLock);
constexpr TestKind kViews("test_views", Budget::kIncrementalViews, ShareUpdateExclusiveLock);
constexpr TestKind kDeduplication("test_deduplication", Budget::kDeduplication, NoLock);

}  // namespace

void RegisterTestKinds() {
  Register(&kRest);
  Register(&kViews);
  Register(&kDeduplication);
}

}  // namespace helios::budget
