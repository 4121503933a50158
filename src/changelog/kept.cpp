// Statements whose plans are kept in this session, and made anew when what they depend on changes.
#include "changelog/changelog.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr int kMostArguments = 16;

// A plan by the address of its text.
struct Kept {
  const char *sql;
  SPIPlanPtr plan;
};

constinit HTAB *plans = nullptr;

HTAB *MakeTable() {
  constexpr long kFew = 16;
  HASHCTL control = {};
  control.keysize = sizeof(const char *);
  control.entrysize = sizeof(Kept);
  control.hcxt = TopMemoryContext;
  return hash_create("kept plans", kFew, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

// Plans a statement, for whatever values it is run with.
SPIPlanPtr Prepare(const char *sql, std::initializer_list<Argument> arguments) {
  Oid types[kMostArguments];
  int count = 0;
  for (const Argument &argument : arguments) types[count++] = argument.type;
  SPIPlanPtr plan = SPI_prepare_cursor(sql, count, types, CURSOR_OPT_GENERIC_PLAN);
  if (plan == nullptr || SPI_keepplan(plan) != 0) elog(ERROR, "cannot prepare: %s", sql);
  return plan;
}

}  // namespace

Argument OidArgument(Oid value) { return {OIDOID, ObjectIdGetDatum(value), false}; }

Argument OidsArgument(const List *values) {
  auto *oids = static_cast<Datum *>(palloc((list_length(values) + 1) * sizeof(Datum)));
  const ListCell *cell;
  foreach (cell, values) oids[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
  ArrayType *array =
      construct_array(oids, list_length(values), OIDOID, sizeof(Oid), true, TYPALIGN_INT);
  return {OIDARRAYOID, PointerGetDatum(array), false};
}

Argument IntArgument(int64 value) { return {INT8OID, Int64GetDatum(value), false}; }

Argument FloatArgument(double value) { return {FLOAT8OID, Float8GetDatum(value), false}; }

Argument TextArgument(const char *value) {
  return {TEXTOID, value == nullptr ? 0 : CStringGetTextDatum(value), value == nullptr};
}

Argument InstantArgument(TimestampTz value) {
  return {TIMESTAMPTZOID, TimestampTzGetDatum(value), value == 0};
}

void RunKeptAsOwner(const char *sql, std::initializer_list<Argument> arguments, bool read_only,
                    int expected) {
  if (plans == nullptr) plans = MakeTable();
  Datum values[kMostArguments];
  char nulls[kMostArguments];
  int count = 0;
  for (const Argument &argument : arguments) {
    values[count] = argument.value;
    nulls[count++] = argument.is_null ? 'n' : ' ';
  }
  OwnerScope owner;
  owner.Enter();
  auto *kept = static_cast<Kept *>(hash_search(plans, &sql, HASH_FIND, nullptr));
  if (kept == nullptr) {
    SPIPlanPtr plan = Prepare(sql, arguments);
    kept = static_cast<Kept *>(hash_search(plans, &sql, HASH_ENTER, nullptr));
    kept->plan = plan;
  }
  if (SPI_execute_plan(kept->plan, values, nulls, read_only, 0) != expected)
    elog(ERROR, "cannot run: %s", sql);
  owner.Leave();
}

}  // namespace helios::changelog
