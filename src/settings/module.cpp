// The eight settings that all background work and hybrid storage share.
#include "settings/settings.hpp"

#include "pg/guc.hpp"
#include "settings/interval.hpp"

namespace helios::settings {

namespace {

constexpr int kMaxPercent = 100;
constexpr int kDefaultCeiling = 15;
constexpr int kDefaultIncrementalMv = 10;
constexpr int kDefaultAdaptiveIndexing = 2;
constexpr int kDefaultDeduplication = 3;
constexpr int kMaxReplicationFactor = 16;

constexpr const char *kByWorkers =
    "in this session at once; in background workers, from the server's value, after reload";
constexpr const char *kInServer = "in background workers, from the server's value, after reload";
constexpr const char *kPercentRange = "Percent of the CPU time of the whole machine, 0 to 100.";

int ceiling_percent;
int incremental_mv_percent;
int adaptive_indexing_percent;
int deduplication_percent;
int hybrid_storage;
char *hot_text;
char *cold_text;
int64 hot_microseconds;
int64 cold_microseconds;
int replication_factor;

const config_enum_entry hybrid_storage_values[] = {
    {"off", static_cast<int>(HybridStorage::kOff), false},
    {"row", static_cast<int>(HybridStorage::kRow), false},
    {"column", static_cast<int>(HybridStorage::kColumn), false},
    {"auto", static_cast<int>(HybridStorage::kAuto), false},
    {nullptr, 0, false}};

int SumOfParts() {
  return incremental_mv_percent + adaptive_indexing_percent + deduplication_percent;
}

// Tells when the parts exceed the ceiling.
void ReviewShares(int elevel) {
  if (SumOfParts() <= ceiling_percent) return;
  ereport(elevel,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
           errmsg("incremental_mv_cpu, adaptive_indexing_cpu and deduplication_cpu add up to %d "
                  "percent, above max_cpu_background = %d",
                  SumOfParts(), ceiling_percent),
           errdetail("They count as %.4g, %.4g and %.4g percent, scaled by %.4g.",
                     CurrentShares().incremental_mv, CurrentShares().adaptive_indexing,
                     CurrentShares().deduplication, CurrentShares().factor),
           errhint("Lower them, or raise max_cpu_background.")));
}

// Tells when nothing could be between hot and cold.
void ReviewThresholds(int elevel) {
  if (hot_microseconds < cold_microseconds) return;
  ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                   errmsg("hybrid_storage_hot_threshold = '%s' is not below "
                          "hybrid_storage_cold_threshold = '%s'",
                          hot_text, cold_text),
                   errdetail("Data are hot until they are cold, with nothing between.")));
}

void AssignHot(const char *, void *extra) { hot_microseconds = *static_cast<int64 *>(extra); }

void AssignCold(const char *, void *extra) { cold_microseconds = *static_cast<int64 *>(extra); }

void DefineBudgets() {
  const auto define = [](pg::Setting setting, int *variable, int boot) {
    setting.range = kPercentRange;
    setting.unit = "percent";
    setting.takes_effect = setting.of_server != nullptr ? kInServer : kByWorkers;
    setting.bare = true;
    setting.review = ReviewShares;
    pg::DefineInt(setting, variable, boot, 0, kMaxPercent, PGC_USERSET);
  };
  define({.name = "heliosdb.max_cpu_background",
          .meaning = "Ceiling for the CPU time of all background work together.",
          .of_server = "limits background work"},
         &ceiling_percent, kDefaultCeiling);
  define({.name = "heliosdb.incremental_mv_cpu",
          .meaning = "CPU time for keeping materialized views fresh.",
          .of_server = "limits the background refresh of materialized views",
          .effective = [] { return CurrentShares().incremental_mv; }},
         &incremental_mv_percent, kDefaultIncrementalMv);
  define({.name = "heliosdb.adaptive_indexing_cpu",
          .meaning = "CPU time for watching queries and advising indexes.",
          .awaits = "limit the background work of the index advisor",
          .effective = [] { return CurrentShares().adaptive_indexing; }},
         &adaptive_indexing_percent, kDefaultAdaptiveIndexing);
  define({.name = "heliosdb.deduplication_cpu",
          .meaning = "CPU time for looking for equal data.",
          .awaits = "limit the background analysis of deduplication",
          .effective = [] { return CurrentShares().deduplication; }},
         &deduplication_percent, kDefaultDeduplication);
}

void DefineHybridStorage() {
  pg::DefineEnum({.name = "heliosdb.hybrid_storage",
                  .meaning = "Layout of data in hybrid tables: rows, columns, or by age and use.",
                  .range = "off, row, column or auto.",
                  .bare = true},
                 &hybrid_storage, static_cast<int>(HybridStorage::kAuto), hybrid_storage_values,
                 PGC_USERSET);
  pg::DefineString({.name = "heliosdb.hybrid_storage_hot_threshold",
                    .meaning = "Age up to which data are hot: kept as rows.",
                    .range = kIntervalRange,
                    .unit = "interval",
                    .takes_effect = kByWorkers,
                    .awaits = "tell until which age hybrid storage keeps data as rows",
                    .bare = true,
                    .review = ReviewThresholds},
                   &hot_text, "7 days", PGC_USERSET, {CheckInterval, AssignHot});
  pg::DefineString({.name = "heliosdb.hybrid_storage_cold_threshold",
                    .meaning = "Age from which on data are cold: compressed as columns.",
                    .range = kIntervalRange,
                    .unit = "interval",
                    .takes_effect = kByWorkers,
                    .awaits = "tell from which age on hybrid storage compresses data as columns",
                    .bare = true,
                    .review = ReviewThresholds},
                   &cold_text, "30 days", PGC_USERSET, {CheckInterval, AssignCold});
  pg::DefineInt({.name = "heliosdb.hybrid_storage_replication_factor",
                 .meaning = "Copies of cold data that hybrid storage keeps.",
                 .range = "1 to 16; one server keeps one copy whatever is set.",
                 .unit = "copies",
                 .awaits = "be kept with tables of hybrid storage, for servers of a cluster",
                 .bare = true},
                &replication_factor, 1, 1, kMaxReplicationFactor, PGC_USERSET);
}

}  // namespace

bool CheckInterval(char **text, void **extra, GucSource) {
  int64 microseconds;
  const char *problem = ParseInterval(*text, &microseconds);
  if (problem != nullptr) {
    GUC_check_errdetail("%s", problem);
    GUC_check_errhint("%s", kIntervalRange);
    return false;
  }
  *extra = pg::AllocateExtra(sizeof(int64));
  if (*extra == nullptr) return false;
  *static_cast<int64 *>(*extra) = microseconds;
  return true;
}

void InitSettings() {
  DefineBudgets();
  DefineHybridStorage();
  InitStatements();
  // What was in the files when the server started was adopted one by one.
  if (process_shared_preload_libraries_in_progress) {
    ReviewShares(LOG);
    ReviewThresholds(LOG);
  }
}

BackgroundShares CurrentShares() {
  const int sum = SumOfParts();
  const double factor =
      sum <= ceiling_percent ? 1 : static_cast<double>(ceiling_percent) / static_cast<double>(sum);
  return {static_cast<double>(ceiling_percent), incremental_mv_percent * factor,
          adaptive_indexing_percent * factor, deduplication_percent * factor, factor};
}

HybridStorage CurrentHybridStorage() { return static_cast<HybridStorage>(hybrid_storage); }
int64 HotThreshold() { return hot_microseconds; }
int64 ColdThreshold() { return cold_microseconds; }
int ReplicationFactor() { return replication_factor; }

}  // namespace helios::settings
