#include "mview/mview.hpp"

#include "mview/immediate.hpp"
#include "mview/job.hpp"
#include "mview/options.hpp"
#include "mview/rewrite.hpp"
#include "mview/settings.hpp"
#include "mview/statements.hpp"
#include "pg/guc.hpp"
#include "pg/pg.hpp"

namespace helios::mview {

namespace {

constexpr double kDefaultFraction = 0.2;
constexpr double kDefaultIdleLoad = 0.5;
constexpr double kHighestLoad = 100;

}  // namespace

constinit double full_refresh_fraction = kDefaultFraction;
constinit double idle_load = kDefaultIdleLoad;

void InitMview() {
  pg::DefineBool({.name = "heliosdb.mv_auto_refresh",
                  .meaning = "Maintains materialized views that are created without saying "
                             "auto_refresh."},
                 &auto_refresh_by_default, false, PGC_USERSET);
  pg::DefineReal(
      {.name = "heliosdb.mv_full_refresh_fraction",
       .meaning = "Part of a table's rows that may have changed; with more a view is "
                  "computed anew instead of incrementally.",
       .range = "0 to 1, from 1,000 changes on; 1: always incrementally, whatever it costs."},
      &full_refresh_fraction, kDefaultFraction, 0, 1, PGC_USERSET);
  pg::DefineReal({.name = "heliosdb.mv_idle_load",
                  .meaning = "Load average for each core below which views with lazy_update are "
                             "refreshed.",
                  .takes_effect = "in background workers, from the server's value, after reload"},
                 &idle_load, kDefaultIdleLoad, 0, kHighestLoad, PGC_SIGHUP);
  pg::DefineBool({.name = "heliosdb.mv_rewrite",
                  .meaning = "Answers queries from maintained materialized views that are up to "
                             "date."},
                 &rewrite_from_views, false, PGC_USERSET);
  InitStatements();
  InitImmediate();
  InitJob();
  InitRewrite();
}

}  // namespace helios::mview
