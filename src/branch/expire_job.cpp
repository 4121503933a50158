// The background job that drops branches whose ttl is over. One that a session is on waits for its next turn.
#include "branch/expire_job.hpp"

#include "branch/catalog.hpp"
#include "budget/budget.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/guc.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

class ExpireKind final : public budget::JobKind {
 public:
  constexpr ExpireKind() : JobKind("drop_expired_branches", budget::Budget::kRest, NoLock) {}

  void Find(budget::Findings *findings) const override {
    SPI_connect();
    RunSql("SELECT FROM heliosdb.expired_branches LIMIT 1", SPI_OK_SELECT);
    if (SPI_processed > 0) findings->Add(InvalidOid, 0);
    SPI_finish();
  }

  void Work(budget::Slice *slice) const override {
    // Who waits for a lock here must not be waited for.
    constexpr const char *kPatience = "1s";
    (void)set_config_option("lock_timeout", kPatience, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                            true, 0, false);
    SPI_connect();
    RunSql("SELECT heliosdb.drop_expired_branches()", SPI_OK_SELECT);
    SPI_finish();
    slice->is_done = true;
  }
};

constinit const ExpireKind kind;

}  // namespace

void InitExpireJob() { budget::Register(&kind); }

}  // namespace helios::branch
