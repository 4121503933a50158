// The effective search path. guc.c keeps what users set; namespace.c reads namespace_search_path. The two are the
// same variable in a stock server. Here guc.c is given one of its own, and the other is derived from it
// whenever it or the branch changes, so that also a function's own SET search_path finds the branch's tables.
#include "branch/path.hpp"

#include "branch/session.hpp"
#include "pg/guc.hpp"

#include <cstring>

extern "C" {
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/varlena.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit char *user_path = nullptr;  // what guc.c knows as search_path
constinit GucStringAssignHook stock_assign = nullptr;

// True for schemas of the user, which a branch has shadows of.
bool HasShadow(const char *schema) {
  return strncmp(schema, "pg_", 3) != 0 && strcmp(schema, "information_schema") != 0 &&
         strcmp(schema, "$user") != 0 && strcmp(schema, "heliosdb") != 0 &&
         !IsBranchSpace(schema, 0);
}

// Puts the shadow of each schema before it; null if the path cannot be read.
char *WithShadows(const char *path, int64 branch) {
  List *names;
  if (!SplitIdentifierString(pstrdup(path), ',', &names)) return nullptr;
  StringInfoData result;
  initStringInfo(&result);
  ListCell *cell;
  foreach (cell, names) {
    const auto *name = static_cast<const char *>(lfirst(cell));
    const char *comma = result.len == 0 ? "" : ", ";
    if (HasShadow(name)) {
      appendStringInfo(&result, "%s%s", comma,
                       quote_identifier(SpaceName(branch, Space::kShadow, name)));
      comma = ", ";
    }
    appendStringInfo(&result, "%s%s", comma, quote_identifier(name));
  }
  return result.data;
}

// Gives namespace.c the path that follows from the user's.
void Derive(const char *path) {
  const char *effective = session_branch > kMain ? WithShadows(path, session_branch) : path;
  char *copy = strdup(effective == nullptr ? path : effective);
  if (copy == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
  free(namespace_search_path);
  namespace_search_path = copy;
}

void AssignPath(const char *path, void *extra) {
  Derive(path);
  stock_assign(path, extra);
}

}  // namespace

char *SpaceName(int64 branch, Space space, const char *schema) {
  char *name = psprintf("heliosdb_%c%lld_%s", static_cast<char>(space),
                        static_cast<long long>(branch), schema);
  const int length = static_cast<int>(strlen(name));
  if (length < NAMEDATALEN) return name;
  // A long name is told apart by a hash of the whole.
  constexpr int kHashDigits = 8;
  const uint32 hash =
      hash_bytes(reinterpret_cast<const unsigned char *>(schema), static_cast<int>(strlen(schema)));
  const int kept = pg_mbcliplen(name, length, NAMEDATALEN - 2 - kHashDigits);
  return psprintf("%.*s_%08x", kept, name, hash);
}

bool IsBranchSpace(const char *schema, int64 branch) {
  constexpr const char *kPrefix = "heliosdb_";
  const size_t prefix = strlen(kPrefix);
  if (strncmp(schema, kPrefix, prefix) != 0) return false;
  const char letter = schema[prefix];
  if (letter != static_cast<char>(Space::kShadow) && letter != static_cast<char>(Space::kCopies))
    return false;
  char *end;
  const long long id = strtoll(schema + prefix + 1, &end, 10);
  return end != schema + prefix + 1 && *end == '_' && (branch == 0 || id == branch);
}

void InitPath() {
  auto *record = reinterpret_cast<config_string *>(pg::FindSetting("search_path"));
  user_path = namespace_search_path;
  namespace_search_path = strdup(user_path);
  if (namespace_search_path == nullptr) elog(ERROR, "out of memory");
  record->variable = &user_path;
  stock_assign = record->assign_hook;
  record->assign_hook = AssignPath;
}

void RefreshPath() {
  Derive(user_path);
  stock_assign(user_path, nullptr);
}

}  // namespace helios::branch

// branch_space(branch bigint, schema name): the shadow of a schema, quoted.
HELIOS_FUNCTION(branch_space) {
  using helios::branch::SpaceName;
  const char *name =
      SpaceName(PG_GETARG_INT64(0), helios::branch::Space::kShadow, NameStr(*PG_GETARG_NAME(1)));
  PG_RETURN_TEXT_P(cstring_to_text(quote_identifier(name)));
}
