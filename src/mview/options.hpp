// The options of a maintained view. They lie among the reloptions of the materialized view, where pg_dump and \d+ find
// them; PostgreSQL itself reads past those that it does not know, and refuses them in statements only.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pg_list.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

enum class Strategy { kAuto, kIncremental, kManual };

struct Options {
  bool is_maintained;  // there is at least one option of ours
  bool auto_refresh;
  bool incremental_enabled;
  bool lazy_update;
  bool is_immediate;            // maintained by the transactions that write
  double max_cpu_percent;       // of the machine
  int64 threshold_table_bytes;  // bases together smaller than that: recompute
  int64 threshold_dml_rate;     // fewer changes a minute: recompute
  int64 lazy_catchup_us;
  int64 staleness_seconds;
  Strategy strategy;
  int priority;  // 0 to 3
};

// Turns auto_refresh on for materialized views that are created without that option.
extern bool auto_refresh_by_default;

const char *NameOf(Strategy strategy);

// Tells whether an option of a statement is one of ours.
bool IsOurOption(const char *name);

// Splits DefElems of a statement into ours, which are validated, and those of PostgreSQL. In RESET there are no values
// to be validated.
void SplitOptions(const char *view, List *options, bool is_reset, List **ours, List **stock);

// Reads the options of a view.
Options ReadOptions(Oid view);

// Takes our options off the view, so that PostgreSQL's validation passes, and returns them.
Datum TakeOptions(Oid view);

// Sets options of ours beside those of PostgreSQL: what TakeOptions returned (0: none), and the changes of a statement.
void PutOptions(Oid view, Datum taken, List *set, List *reset);

}  // namespace helios::mview
