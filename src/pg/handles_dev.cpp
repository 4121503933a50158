// Functions with which the tests use handles and hooks; built with DEV=1 only.
#include "pg/handles.hpp"
#include "pg/hooks.hpp"

#include <string>

extern "C" {
#include "executor/executor.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

namespace {

constinit HookChain<ExecutorStart_hook_type> first_chain;
constinit HookChain<ExecutorStart_hook_type> second_chain;
constinit int first_calls = 0;
constinit int second_calls = 0;

void PassOn(ExecutorStart_hook_type previous, QueryDesc *query, int flags) {
  if (previous != nullptr) {
    previous(query, flags);
  } else {
    standard_ExecutorStart(query, flags);
  }
}

void FirstHook(QueryDesc *query, int flags) {
  first_calls++;
  PassOn(first_chain.previous(), query, flags);
}

void SecondHook(QueryDesc *query, int flags) {
  second_calls++;
  PassOn(second_chain.previous(), query, flags);
}

}  // namespace

}  // namespace helios::pg

// Hangs two functions on one hook, once in a session.
HELIOS_FUNCTION(test_hooks_install) {
  using namespace helios::pg;
  (void)fcinfo;
  first_chain.Install(&ExecutorStart_hook, FirstHook);
  second_chain.Install(&ExecutorStart_hook, SecondHook);
  PG_RETURN_VOID();
}

// Tells how often both ran, 0 unless equally often.
HELIOS_FUNCTION(test_hooks_calls) {
  using namespace helios::pg;
  (void)fcinfo;
  PG_RETURN_INT32(first_calls == second_calls ? first_calls : 0);
}

// Runs a statement and returns the first value of its first row, with a C++ string in between.
HELIOS_FUNCTION(test_spi) {
  const char *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
  MemoryContext caller = CurrentMemoryContext;
  helios::pg::SpiSession spi;
  const std::string value(spi.Execute(sql, false) == 0 ? "" : spi.Text(0, 1));
  text *result = helios::pg::Call([&] {
    MemoryContext inner = MemoryContextSwitchTo(caller);
    text *copy = cstring_to_text_with_len(value.data(), static_cast<int>(value.size()));
    MemoryContextSwitchTo(inner);
    return copy;
  });
  PG_RETURN_TEXT_P(result);
}

// Opens a relation and returns the number of its blocks.
HELIOS_FUNCTION(test_blocks) {
  const helios::pg::RelationHandle relation(PG_GETARG_OID(0), AccessShareLock);
  PG_RETURN_INT64(relation.blocks());
}
