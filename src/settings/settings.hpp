// The door of the settings room: values of settings whose own rooms do not exist yet.
#pragma once

#include "pg/pg.hpp"

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
