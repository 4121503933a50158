#include "branch/session.hpp"

#include "branch/catalog.hpp"
#include "branch/path.hpp"
#include "pg/guc.hpp"

extern "C" {
#include "access/parallel.h"
#include "access/xact.h"
#include "utils/plancache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::branch {

constinit int64 session_branch = kMain;

namespace {

char *branch_text;

// True while the catalogs can be asked for a name. A parallel worker does not see yet what its leader has
// created.
bool CanLookUp() {
  return IsTransactionState() && OidIsValid(MyDatabaseId) && !InitializingParallelWorker;
}

bool CheckBranch(char **value, void **extra, GucSource source) {
  int64 id = kMain;
  if (**value != '\0' && strcmp(*value, kMainName) != 0) {
    Branch branch;
    if (!CanLookUp()) {
      id = kUnresolved;
    } else if (FindBranch(*value, &branch)) {
      id = branch.id;
    } else if (source >= PGC_S_INTERACTIVE) {
      GUC_check_errcode(ERRCODE_UNDEFINED_OBJECT);
      GUC_check_errmsg("branch \"%s\" does not exist", *value);
      GUC_check_errhint("SHOW BRANCHES lists the branches of this database.");
      return false;
    } else {
      // Going on with main would change what was to be left alone; each statement will say so.
      id = kMissing;
    }
  }
  *extra = pg::AllocateExtra(sizeof(id));
  if (*extra == nullptr) return false;
  memcpy(*extra, &id, sizeof(id));
  return true;
}

void AssignBranch(const char *, void *extra) {
  int64 id;
  memcpy(&id, extra, sizeof(id));
  if (id == session_branch) return;
  session_branch = id;
  // Plans were made for the tables of the other branch.
  ResetPlanCache();
  RefreshPath();
}

}  // namespace

const char *SessionBranchName() {
  return branch_text == nullptr || *branch_text == '\0' ? kMainName : branch_text;
}

void InitSession() {
  pg::DefineString({.name = "heliosdb.branch",
                    .meaning = "Branch of the database that the session works on.",
                    .range = "The name of a branch; an empty string or main for none.",
                    .flags = GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE},
                   &branch_text, "", PGC_USERSET, {CheckBranch, AssignBranch});
}

}  // namespace helios::branch
