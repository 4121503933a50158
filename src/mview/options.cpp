#include "mview/options.hpp"

#include <cmath>
#include <cstring>

extern "C" {
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

constinit bool auto_refresh_by_default = false;

namespace {

constexpr double kDefaultCpuPercent = 15;
constexpr int64 kDefaultStalenessSeconds = 300;
constexpr int64 kDefaultCatchupUs = USECS_PER_HOUR;
constexpr int kDefaultPriority = 1;
constexpr int kHighestPriority = 3;
constexpr double kHundredPercent = 100;

// Raises the error of a value that an option cannot have.
[[noreturn]] void Refuse(const char *view, const char *name, const char *value, const char *range) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("invalid value \"%s\" for option \"%s\" of materialized view \"%s\"",
                         value, name, view),
                  errhint("%s", range)));
}

// What a reader of a value needs: for errors, and where to put it.
struct Value {
  const char *view;
  const char *name;
  const char *text;
};

using Read = void (*)(const Value &value, Options *options);

bool ReadBool(const Value &value) {
  bool result;
  if (!parse_bool(value.text, &result)) Refuse(value.view, value.name, value.text, "true or false");
  return result;
}

int64 ReadWhole(const Value &value, int64 low, int64 high, const char *range) {
  char *end;
  errno = 0;
  const int64 number = strtoll(value.text, &end, 10);
  if (errno != 0 || end == value.text || *end != '\0' || number < low || number > high)
    Refuse(value.view, value.name, value.text, range);
  return number;
}

double ReadPercent(const Value &value) {
  constexpr const char *kRange = "A number of percent above 0, up to 100.";
  char *end;
  const double number = strtod(value.text, &end);
  if (end == value.text || *end != '\0' || !std::isfinite(number) || number <= 0 ||
      number > kHundredPercent)
    Refuse(value.view, value.name, value.text, kRange);
  return number;
}

int64 ReadInterval(const Value &value) {
  const Datum interval = DirectFunctionCall3(interval_in, CStringGetDatum(value.text),
                                             ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  const Interval *parts = DatumGetIntervalP(interval);
  const int64 us = parts->time +
                   (parts->day + static_cast<int64>(parts->month) * DAYS_PER_MONTH) * USECS_PER_DAY;
  if (us <= 0)
    Refuse(value.view, value.name, value.text, "An interval above zero, such as '1 hour'.");
  return us;
}

// Tells that an option changes nothing where there is one server.
void NoticeNoEffect(const Value &value) {
  ereport(NOTICE, (errmsg("option \"%s\" of materialized view \"%s\" has no effect on one server",
                          value.name, value.view),
                   errdetail("It is kept with the view.")));
}

constexpr int64 kMaxReplicas = 16;
constexpr int64 kMaxSeconds = INT_MAX;

// One option: how its value is read; a check that is for statements only.
struct Option {
  const char *name;
  Read read;
  void (*check)(const Value &value);
};

constexpr Option kOptions[] = {
    {"auto_refresh",
     [](const Value &value, Options *options) { options->auto_refresh = ReadBool(value); },
     nullptr},
    {"max_cpu_percent",
     [](const Value &value, Options *options) { options->max_cpu_percent = ReadPercent(value); },
     nullptr},
    {"threshold_table_size",
     [](const Value &value, Options *options) {
       options->threshold_table_bytes =
           DatumGetInt64(DirectFunctionCall1(pg_size_bytes, CStringGetTextDatum(value.text)));
       if (options->threshold_table_bytes < 0)
         Refuse(value.view, value.name, value.text, "A size such as '1GB'.");
     },
     nullptr},
    {"threshold_dml_rate",
     [](const Value &value, Options *options) {
       options->threshold_dml_rate =
           ReadWhole(value, 0, INT_MAX, "A whole number of changed rows a minute, 0 or more.");
     },
     nullptr},
    {"lazy_update",
     [](const Value &value, Options *options) { options->lazy_update = ReadBool(value); }, nullptr},
    {"lazy_catchup_window",
     [](const Value &value, Options *options) { options->lazy_catchup_us = ReadInterval(value); },
     nullptr},
    {"staleness_threshold",
     [](const Value &value, Options *options) {
       options->staleness_seconds =
           ReadWhole(value, 1, kMaxSeconds, "A whole number of seconds, 1 or more.");
     },
     nullptr},
    {"refresh_strategy",
     [](const Value &value, Options *options) {
       if (pg_strcasecmp(value.text, "auto") == 0) {
         options->strategy = Strategy::kAuto;
       } else if (pg_strcasecmp(value.text, "incremental") == 0) {
         options->strategy = Strategy::kIncremental;
       } else if (pg_strcasecmp(value.text, "manual") == 0) {
         options->strategy = Strategy::kManual;
       } else {
         Refuse(value.view, value.name, value.text, "auto, incremental or manual");
       }
     },
     nullptr},
    {"incremental_enabled",
     [](const Value &value, Options *options) { options->incremental_enabled = ReadBool(value); },
     nullptr},
    {"priority",
     [](const Value &value, Options *options) {
       options->priority = static_cast<int>(
           ReadWhole(value, 0, kHighestPriority, "0 (low), 1 (normal), 2 (high) or 3 (critical)"));
     },
     nullptr},
    {"refresh_mode",
     [](const Value &value, Options *options) {
       options->is_immediate = pg_strcasecmp(value.text, "immediate") == 0;
       if (!options->is_immediate && pg_strcasecmp(value.text, "deferred") != 0)
         Refuse(value.view, value.name, value.text, "deferred or immediate");
     },
     nullptr},
    {"distribution", [](const Value &, Options *) {}, NoticeNoEffect},
    {"replication_factor",
     [](const Value &value, Options *) {
       (void)ReadWhole(value, 1, kMaxReplicas, "A whole number from 1 to 16.");
     },
     NoticeNoEffect},
    {"enable_ml_optimization", [](const Value &value, Options *) { (void)ReadBool(value); },
     NoticeNoEffect},
};

const Option *FindOption(const char *name) {
  for (const Option &option : kOptions) {
    if (strcmp(option.name, name) == 0) return &option;
  }
  return nullptr;
}

// Returns the reloptions of a relation, or 0.
Datum StoredOptions(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return 0;
  bool is_null;
  const Datum stored = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &is_null);
  const Datum copy = is_null ? 0 : PointerGetDatum(DatumGetArrayTypePCopy(stored));
  ReleaseSysCache(tuple);
  return copy;
}

// Replaces the reloptions of a relation.
void StoreOptions(Oid relation, Datum options) {
  Relation classes = table_open(RelationRelationId, RowExclusiveLock);
  HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
  Datum values[Natts_pg_class] = {};
  bool nulls[Natts_pg_class] = {};
  bool replaced[Natts_pg_class] = {};
  values[Anum_pg_class_reloptions - 1] = options;
  nulls[Anum_pg_class_reloptions - 1] = options == 0;
  replaced[Anum_pg_class_reloptions - 1] = true;
  HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(classes), values, nulls, replaced);
  CatalogTupleUpdate(classes, &changed->t_self, changed);
  table_close(classes, RowExclusiveLock);
  CommandCounterIncrement();
}

// Splits what is stored into ours and PostgreSQL's, as lists of DefElem.
void SplitStored(Datum stored, List **ours, List **stock) {
  ListCell *cell;
  foreach (cell, untransformRelOptions(stored)) {
    auto *option = lfirst_node(DefElem, cell);
    List **list = IsOurOption(option->defname) ? ours : stock;
    *list = lappend(*list, option);
  }
}

}  // namespace

const char *NameOf(Strategy strategy) {
  switch (strategy) {
    case Strategy::kIncremental:
      return "incremental";
    case Strategy::kManual:
      return "manual";
    default:
      return "auto";
  }
}

bool IsOurOption(const char *name) { return FindOption(name) != nullptr; }

void SplitOptions(const char *view, List *options, bool is_reset, List **ours, List **stock) {
  Options ignored;
  ListCell *cell;
  foreach (cell, options) {
    auto *element = lfirst_node(DefElem, cell);
    const Option *option =
        element->defnamespace == nullptr ? FindOption(element->defname) : nullptr;
    if (option == nullptr) {
      *stock = lappend(*stock, element);
      continue;
    }
    ListCell *earlier;
    foreach (earlier, *ours) {
      if (strcmp(lfirst_node(DefElem, earlier)->defname, element->defname) == 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("parameter \"%s\" specified more than once", element->defname)));
    }
    *ours = lappend(*ours, element);
    if (is_reset) continue;
    const Value value = {view, option->name,
                         element->arg != nullptr ? defGetString(element) : "true"};
    option->read(value, &ignored);
    if (option->check != nullptr) option->check(value);
  }
}

Options ReadOptions(Oid view) {
  Options options = {};
  options.incremental_enabled = true;
  options.max_cpu_percent = kDefaultCpuPercent;
  options.lazy_catchup_us = kDefaultCatchupUs;
  options.staleness_seconds = kDefaultStalenessSeconds;
  options.priority = kDefaultPriority;
  List *ours = NIL, *stock = NIL;
  SplitStored(StoredOptions(view), &ours, &stock);
  const char *name = get_rel_name(view);
  ListCell *cell;
  foreach (cell, ours) {
    auto *element = lfirst_node(DefElem, cell);
    const Option *option = FindOption(element->defname);
    option->read({name, option->name, element->arg != nullptr ? defGetString(element) : "true"},
                 &options);
  }
  options.is_maintained = ours != NIL;
  return options;
}

Datum TakeOptions(Oid view) {
  List *ours = NIL, *stock = NIL;
  SplitStored(StoredOptions(view), &ours, &stock);
  if (ours == NIL) return 0;
  StoreOptions(view, transformRelOptions(0, stock, nullptr, nullptr, false, false));
  return transformRelOptions(0, ours, nullptr, nullptr, false, false);
}

void PutOptions(Oid view, Datum taken, List *set, List *reset) {
  Datum ours = transformRelOptions(taken, set, nullptr, nullptr, false, false);
  List *names = NIL;
  ListCell *cell;
  // RESET has no values, and transformRelOptions insists on that.
  foreach (cell, reset)
    names = lappend(names, makeDefElem(lfirst_node(DefElem, cell)->defname, nullptr, -1));
  ours = transformRelOptions(ours, names, nullptr, nullptr, false, true);
  List *elements = untransformRelOptions(ours);
  const Datum stored = StoredOptions(view);
  if (elements == NIL) return;
  StoreOptions(view, transformRelOptions(stored, elements, nullptr, nullptr, false, false));
}

}  // namespace helios::mview
