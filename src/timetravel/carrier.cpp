#include "timetravel/carrier.hpp"

#include <cstring>

extern "C" {
#include "access/transam.h"
#include "access/tsmapi.h"
#include "catalog/pg_type.h"
#include "nodes/execnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"

PGDLLEXPORT Datum helios_as_of(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_transaction_sample(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_scn_sample(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_as_of_overlaid_sample(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_versions_sample(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_view_as_of(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_view_as_of_transaction(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_view_as_of_scn(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum helios_view_as_of_support(PG_FUNCTION_ARGS);
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// The planner's expansion takes the clause away. Where it was not asked, the present must not be returned instead of
// the past.
[[noreturn]] void Refuse() {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("AS OF was not seen when this statement was planned"),
                  errhint("Run it again; with shared_preload_libraries = 'heliosdb' it does not "
                          "happen.")));
}

void EstimateNothing(PlannerInfo *, RelOptInfo *relation, List *, BlockNumber *pages,
                     double *tuples) {
  *pages = relation->pages;
  *tuples = relation->tuples;
}

void BeginNothing(SampleScanState *, Datum *, int, uint32) { Refuse(); }

OffsetNumber NextNothing(SampleScanState *, BlockNumber, OffsetNumber) { Refuse(); }

TsmRoutine *MakeMethod(List *arguments) {
  TsmRoutine *method = makeNode(TsmRoutine);
  method->parameterTypes = arguments;
  method->repeatable_across_queries = false;
  method->repeatable_across_scans = true;
  method->SampleScanGetSampleSize = EstimateNothing;
  method->BeginSampleScan = BeginNothing;
  method->NextSampleTuple = NextNothing;
  return method;
}

// The C function behind a function.
PGFunction AddressOf(Oid function) {
  FmgrInfo info;
  fmgr_info(function, &info);
  return info.fn_addr;
}

// An argument of a carrier that must be a constant.
Datum ConstantArgument(const List *arguments, int number) {
  const auto *argument = reinterpret_cast<const Const *>(
      eval_const_expressions(nullptr, static_cast<Node *>(list_nth(arguments, number))));
  if (!IsA(argument, Const) || argument->constisnull) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("what is laid over a table AS OF must be constants")));
  }
  return argument->constvalue;
}

// Reads as_of_overlaid(instant, scn, local, deleted, part).
void ReadOverlaid(const List *arguments, Past *past) {
  const auto *instant = reinterpret_cast<const Const *>(
      eval_const_expressions(nullptr, static_cast<Node *>(linitial(arguments))));
  const bool by_scn = IsA(instant, Const) && instant->constisnull;
  past->kind = by_scn ? Past::Kind::kScn : Past::Kind::kInstant;
  past->moment = static_cast<Node *>(by_scn ? lsecond(arguments) : linitial(arguments));
  const char part = DatumGetChar(ConstantArgument(arguments, 4));
  past->overlay = {DatumGetObjectId(ConstantArgument(arguments, 2)),
                   DatumGetObjectId(ConstantArgument(arguments, 3)),
                   static_cast<OverlayTables::Part>(part)};
  if (strchr("auc", part) == nullptr || part == '\0') {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("a table AS OF with another one over it has no part \"%c\"", part),
                    errhint("It is a for all, u for what is not covered, or c for what is.")));
  }
}

}  // namespace

Clause ReadClause(const RangeTblEntry *entry, Past *past, Versions *versions) {
  if (entry->tablesample == nullptr) return Clause::kNone;
  const PGFunction handler = AddressOf(entry->tablesample->tsmhandler);
  if (handler == helios_versions_sample) {
    versions->bounds = entry->tablesample->args;
    return Clause::kVersions;
  }
  if (handler == helios_as_of_overlaid_sample) {
    ReadOverlaid(entry->tablesample->args, past);
    return Clause::kPast;
  }
  if (handler == helios_as_of) {
    past->kind = Past::Kind::kInstant;
  } else if (handler == helios_as_of_transaction_sample) {
    past->kind = Past::Kind::kTransaction;
  } else if (handler == helios_as_of_scn_sample) {
    past->kind = Past::Kind::kScn;
  } else {
    return Clause::kNone;
  }
  past->moment = static_cast<Node *>(linitial(entry->tablesample->args));
  return Clause::kPast;
}

bool FindViewMoment(const RangeTblEntry *entry, Past *past) {
  if (entry->rtekind != RTE_SUBQUERY) return false;
  const Query *query = entry->subquery;
  if (query->rtable != NIL || list_length(query->targetList) != 1) return false;
  const auto *call =
      reinterpret_cast<const FuncExpr *>(linitial_node(TargetEntry, query->targetList)->expr);
  if (!IsA(call, FuncExpr) || call->funcid < FirstNormalObjectId || list_length(call->args) != 1)
    return false;
  const PGFunction function = AddressOf(call->funcid);
  if (function == helios_view_as_of) {
    past->kind = Past::Kind::kInstant;
  } else if (function == helios_view_as_of_transaction) {
    past->kind = Past::Kind::kTransaction;
  } else if (function == helios_view_as_of_scn) {
    past->kind = Past::Kind::kScn;
  } else {
    return false;
  }
  past->moment = static_cast<Node *>(linitial(call->args));
  return true;
}

bool IsSimple(const Node *node) {
  return IsA(node, Const) ||
         (IsA(node, Param) && reinterpret_cast<const Param *>(node)->paramkind == PARAM_EXTERN);
}

}  // namespace helios::timetravel

HELIOS_FUNCTION(as_of) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(list_make1_oid(TIMESTAMPTZOID)));
}

HELIOS_FUNCTION(as_of_transaction_sample) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(list_make1_oid(INT8OID)));
}

HELIOS_FUNCTION(as_of_scn_sample) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(list_make1_oid(INT8OID)));
}

HELIOS_FUNCTION(as_of_overlaid_sample) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(
      list_make5_oid(TIMESTAMPTZOID, INT8OID, OIDOID, OIDOID, CHAROID)));
}

HELIOS_FUNCTION(versions_sample) {
  (void)fcinfo;
  PG_RETURN_POINTER(helios::timetravel::MakeMethod(
      list_make4_oid(TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID)));
}

// Planner support of view_as_of() and its like: nothing reads their column, so they are never called; a planner that
// still sees one is one whose expansion was not asked.
HELIOS_FUNCTION(view_as_of_support) {
  if (IsA(reinterpret_cast<Node *>(PG_GETARG_POINTER(0)), SupportRequestSimplify))
    helios::timetravel::Refuse();
  PG_RETURN_POINTER(nullptr);
}

HELIOS_FUNCTION(view_as_of) {
  (void)fcinfo;
  helios::timetravel::Refuse();
}

HELIOS_FUNCTION(view_as_of_transaction) {
  (void)fcinfo;
  helios::timetravel::Refuse();
}

HELIOS_FUNCTION(view_as_of_scn) {
  (void)fcinfo;
  helios::timetravel::Refuse();
}
