#include "branch/branch.hpp"

#include "branch/manage.hpp"
#include "branch/path.hpp"
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
}

}  // namespace helios::branch
