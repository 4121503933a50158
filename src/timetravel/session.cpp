#include "timetravel/session.hpp"

#include "pg/guc.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "tcop/utility.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::timetravel {

constinit TimestampTz session_instant = 0;

namespace {

char *as_of_text;

constinit pg::HookChain<ProcessUtility_hook_type> utility_chain;

// Reads an instant like type timestamptz, without raising errors.
bool ParseInstant(const char *text, TimestampTz *instant) {
  char buffer[MAXDATELEN + MAXDATEFIELDS];
  char *fields[MAXDATEFIELDS];
  int types[MAXDATEFIELDS];
  int count, kind, zone = 0;
  struct pg_tm time = {};
  fsec_t fraction = 0;
  if (ParseDateTime(text, buffer, sizeof(buffer), fields, types, MAXDATEFIELDS, &count) != 0)
    return false;
#if PG_VERSION_NUM >= 160000
  DateTimeErrorExtra extra;
  const int status = DecodeDateTime(fields, types, count, &kind, &time, &fraction, &zone, &extra);
#else
  const int status = DecodeDateTime(fields, types, count, &kind, &time, &fraction, &zone);
#endif
  return status == 0 && kind == DTK_DATE && tm2timestamp(&time, fraction, &zone, instant) == 0;
}

bool CheckAsOf(char **value, void **extra, GucSource) {
  TimestampTz instant = 0;
  if (**value != '\0' && !ParseInstant(*value, &instant)) {
    GUC_check_errdetail("It is not an instant.");
    GUC_check_errhint(
        "A timestamp such as '2026-11-24 12:00', or an empty string for the present.");
    return false;
  }
  *extra = pg::AllocateExtra(sizeof(instant));
  if (*extra == nullptr) return false;
  std::memcpy(*extra, &instant, sizeof(instant));
  return true;
}

void AssignAsOf(const char *, void *extra) {
  TimestampTz instant;
  std::memcpy(&instant, extra, sizeof(instant));
  // Plans were made for the other time.
  if (instant != session_instant) ResetPlanCache();
  session_instant = instant;
}

// A session in the past changes nothing: its transactions are read-only.
void RefuseWrites(PlannedStmt *statement, const char *text, bool read_only,
                  ProcessUtilityContext context, ParamListInfo params,
                  QueryEnvironment *environment, DestReceiver *receiver,
                  QueryCompletion *completion) {
  if (SessionReadsPast() && !IsA(statement->utilityStmt, TransactionStmt) &&
      !IsA(statement->utilityStmt, VariableSetStmt))
    XactReadOnly = true;
  utility_chain.next(standard_ProcessUtility)(statement, text, read_only, context, params,
                                              environment, receiver, completion);
}

// Catalogs, temporary tables and the extension's own tables are always those of the present.
bool IsOfPresent(Oid relation) {
  if (relation < FirstNormalObjectId) return true;
  const Oid space = get_rel_namespace(relation);
  return isAnyTempNamespace(space) || space == get_namespace_oid("heliosdb", true) ||
         space == get_namespace_oid("heliosdb_log", true) ||
         space == get_namespace_oid("information_schema", true);
}

}  // namespace

Node *SessionMoment() {
  return reinterpret_cast<Node *>(makeConst(TIMESTAMPTZOID, -1, InvalidOid, sizeof(TimestampTz),
                                            TimestampTzGetDatum(session_instant), false,
                                            FLOAT8PASSBYVAL));
}

bool HasPast(const RangeTblEntry *entry) {
  if (entry->rtekind != RTE_RELATION || IsOfPresent(entry->relid)) return false;
  // A view has been replaced by its query, and keeps an entry for its permissions only.
  if (entry->relkind == RELKIND_VIEW || entry->relkind == RELKIND_SEQUENCE) return false;
  if (entry->tablesample != nullptr ||
      (entry->relkind != RELKIND_RELATION && entry->relkind != RELKIND_PARTITIONED_TABLE)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("\"%s\" has no past", get_rel_name(entry->relid)),
                    errdetail("Only tables without TABLESAMPLE can be read as of an instant.")));
  }
  return true;
}

void InitSession() {
  pg::DefineString({.name = "heliosdb.as_of",
                    .meaning = "Reads tracked tables as of this instant; the session is read-only.",
                    .range = "A timestamp, or an empty string for the present.",
                    .flags = GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE},
                   &as_of_text, "", PGC_USERSET, {CheckAsOf, AssignAsOf});
  utility_chain.Install(&ProcessUtility_hook, RefuseWrites);
}

}  // namespace helios::timetravel
