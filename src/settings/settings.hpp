// The door of the settings room: values of settings whose own rooms do not exist yet.
#pragma once

#include "pg/pg.hpp"

#include "pg/guc.hpp"

namespace helios::settings {

enum class HybridStorage : int { kOff = 0, kRow, kColumn, kAuto };

// Percent of the machine that each kind of background work may really use: what is set, scaled by
// `factor` where the parts exceed the ceiling. factor is 1 when they fit.
struct BackgroundShares {
  double ceiling;
  double incremental_mv;
  double adaptive_indexing;
  double deduplication;
  double factor;
};

// What users read about the values of a setting that is an interval.
inline constexpr const char *kIntervalRange =
    "An interval such as '7 days', '36 hours' or 'P1M'; a month counts as 30 days.";

// Checks the text of such a setting; `*extra` then points to its int64 microseconds.
bool CheckInterval(char **text, void **extra, GucSource source);

// Registers the settings, and leads statements from bare to dotted names.
void InitSettings();

// Installs the part of InitSettings that sees statements (statements.cpp).
void InitStatements();

BackgroundShares CurrentShares();
HybridStorage CurrentHybridStorage();

// Ages in microseconds from which on rows count as not hot any more, and as cold.
int64 HotThreshold();
int64 ColdThreshold();
int ReplicationFactor();

}  // namespace helios::settings
