#include "branch/branch.hpp"

#include "branch/expire_job.hpp"
#include "branch/guard.hpp"
#include "branch/locks.hpp"
#include "branch/manage.hpp"
#include "branch/path.hpp"
#include "branch/redirect.hpp"
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
  InitGuard();
  InitExpireJob();
}

}  // namespace helios::branch
