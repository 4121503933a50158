#include "branch/branch.hpp"

#include "branch/guard.hpp"
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
  InitRedirect();
  InitGuard();
}

}  // namespace helios::branch
