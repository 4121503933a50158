// What a distance costs the planner: arithmetic by dimension, and above all the fetch of a value
// stored out of line, which PostgreSQL's own estimate leaves out.
#include "vector/vector.hpp"

#include <cstring>

extern "C" {
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {

namespace {

// In units of cpu_operator_cost, from measurements of sequential scans over 512 and 784 dimensions.
constexpr double kCallOperators = 10;
constexpr double kDimensionsPerOperator = 128;
constexpr double kFetchOperators = 600;  // index lookup and chunks of one out-of-line value

// Bytes of one element of a type, 0 for types whose size the dimension does not tell.
int ElementBytes(Oid type) {
  HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  if (!HeapTupleIsValid(tuple)) return 0;
  const char *name = NameStr(reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typname);
  const int bytes = strcmp(name, "vector") == 0    ? sizeof(float)
                    : strcmp(name, "halfvec") == 0 ? sizeof(uint16)
                                                   : 0;
  ReleaseSysCache(tuple);
  return bytes;
}

}  // namespace

// Adds up the arguments; false when neither has a known dimension.
static bool DistanceCost(SupportRequestCost *request) {
  List *args = request->node == nullptr       ? NIL
               : IsA(request->node, FuncExpr) ? castNode(FuncExpr, request->node)->args
               : IsA(request->node, OpExpr)   ? castNode(OpExpr, request->node)->args
                                              : NIL;
  double operators = kCallOperators;
  bool known = false;
  ListCell *cell;
  foreach (cell, args) {
    const auto *arg = static_cast<::Node *>(lfirst(cell));
    const int32 dim = exprTypmod(arg);
    const int bytes = dim > 0 ? ElementBytes(exprType(arg)) : 0;
    if (bytes == 0) continue;
    if (!known) operators += dim / kDimensionsPerOperator;
    known = true;
    if (IsA(arg, Var) && static_cast<Size>(dim) * bytes > TOAST_TUPLE_TARGET)
      operators += kFetchOperators;
  }
  request->startup = 0;
  request->per_tuple = operators * cpu_operator_cost;
  return known;
}

}  // namespace helios::vector

// Planner support function of the distance functions.
HELIOS_FUNCTION(distance_support) {
  auto *request = reinterpret_cast<::Node *>(PG_GETARG_POINTER(0));
  const bool answered =
      IsA(request, SupportRequestCost) &&
      helios::vector::DistanceCost(reinterpret_cast<SupportRequestCost *>(request));
  PG_RETURN_POINTER(answered ? request : nullptr);
}
