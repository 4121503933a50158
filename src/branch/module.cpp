#include "branch/branch.hpp"

#include "branch/commands.hpp"
#include "branch/expire_job.hpp"
#include "branch/guard.hpp"
#include "branch/locks.hpp"
#include "branch/manage.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "branch/redirect.hpp"
#include "branch/row_plan.hpp"
#include "branch/row_scan.hpp"
#include "branch/session.hpp"
#include "branch/statements.hpp"
#include "branch/utility.hpp"

namespace helios::branch {

void InitBranch() {
  InitManage();
  InitPath();
  InitSession();
  InitStatements();
  InitUtility();
  InitLocks();
  InitRedirect();
  InitRowPlan();
  InitRowScan();
  InitPartial();
  InitGuard();
  InitCommands();
  InitExpireJob();
}

}  // namespace helios::branch
