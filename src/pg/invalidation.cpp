#include "pg/invalidation.hpp"

namespace helios::pg {

namespace {

constexpr int kMaxFunctions = 32;

constinit RelcacheCallbackFunction functions[kMaxFunctions] = {};
constinit int function_count = 0;

void CallAll(Datum, Oid relation) {
  for (int i = 0; i < function_count; i++) functions[i](0, relation);
}

}  // namespace

void WatchRelations(RelcacheCallbackFunction function) {
  for (int i = 0; i < function_count; i++) {
    if (functions[i] == function) return;
  }
  if (function_count == kMaxFunctions) elog(ERROR, "too many functions watch relations");
  if (function_count == 0) CacheRegisterRelcacheCallback(CallAll, 0);
  functions[function_count++] = function;
}

}  // namespace helios::pg
