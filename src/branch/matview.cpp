// Nobody knows what rows a materialized view of main had at the fork, for they are not tracked. So a branch never reads
// those of main: the first use makes a materialized view of its own and computes its rows from the branch.
#include "branch/matview.hpp"

#include "branch/catalog.hpp"
#include "branch/clone.hpp"
#include "branch/copy_up.hpp"
#include "branch/fork.hpp"
#include "branch/names.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
#include "branch/rules.hpp"
#include "branch/session.hpp"
#include "branch/statistics.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/matview.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// The branch that one is being made for: the scope of making it is on main.
constinit int64 copying_for = 0;

Oid MapSchema(Oid schema) { return EnsureSpace(copying_for, Space::kCopies, schema); }

// Materialized views have no defaults, so no sequences.
Oid KeepSequence(Oid sequence) { return sequence; }

// Makes the branch's materialized view, without rows, unless somebody has meanwhile; the caller has locked the branch.
Oid Create(int64 branch, Oid main, bool *is_new) {
  const Oid schema = get_rel_namespace(main);
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  LockCopy(branch, main);
  AcceptInvalidationMessages();
  Oid clone = FindLocal(branch, main).relation;
  *is_new = !OidIsValid(clone);
  if (*is_new) {
    LockRelationOid(main, AccessShareLock);
    copying_for = branch;
    clone = CloneTable(main, MapSchema(schema), KeepSequence);
    CloneRules(main, clone);
    CloneIndexes(main, clone);
    CloneExtendedStatistics(main, clone, MapSchema);
    AddLocal(branch, main, clone, schema);
  }
  SPI_finish();
  scope.Leave();
  return clone;
}

// Computes the rows. Who reads need not own it; its query runs as its owner in any case.
void Compute(Oid matview) {
  RefreshMatViewStmt *refresh = makeNode(RefreshMatViewStmt);
  refresh->relation =
      makeRangeVar(get_namespace_name(get_rel_namespace(matview)), get_rel_name(matview), -1);
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
  ExecRefreshMatView(refresh, "REFRESH MATERIALIZED VIEW", nullptr, nullptr);
  SetUserIdAndSecContext(user, context);
  CommandCounterIncrement();
}

}  // namespace

Oid CopyMatview(Oid main, bool with_rows) {
  const Oid known = LocalOf(main);
  if (OidIsValid(known)) return known;
  PreventCommandIfReadOnly("the first use of a materialized view on a branch");
  PreventCommandIfParallelMode("the first use of a materialized view on a branch");
  const Branch branch = CurrentBranch();
  ForkOf(branch);  // an error if it is not ready
  LockBranch(branch.id, false);
  CurrentBranch();  // it may have been dropped meanwhile
  bool is_new;
  const Oid made = Create(branch.id, main, &is_new);
  if (is_new && with_rows) Compute(made);
  return made;
}

void CopyMatviews(List *matviews) {
  // Those that others are made from are older. All sessions go in this order, so that they do not block each other.
  list_sort(matviews, list_oid_cmp);
  ListCell *cell;
  foreach (cell, matviews) CopyMatview(lfirst_oid(cell), true);
}

Ddl LeadRefresh(RefreshMatViewStmt *refresh) {
  const Oid named = FindNamed(refresh->relation);
  if (!OidIsValid(named)) return Ddl::kRun;
  const Kind kind = Classify(named, session_branch);
  if (kind == Kind::kForeign) RaiseUnsupported(named);
  if (kind != Kind::kMatview) return Ddl::kRun;
  CheckNotMerged();
  if (!pg_class_ownercheck(named, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, refresh->relation->relname);
  // What changes rows needs some.
  PointTo(refresh->relation, CopyMatview(named, refresh->concurrent));
  return Ddl::kRun;
}

void DropLeftMatviews() {
  List *left = QueryOids(
      "SELECT r.local_relid FROM heliosdb.branch_relations r JOIN pg_class l ON l.oid = "
      "r.local_relid AND l.relkind = 'm' WHERE r.main_relid <> 0 AND NOT EXISTS (SELECT FROM "
      "pg_class m WHERE m.oid = r.main_relid)");
  if (left == NIL) return;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  ListCell *cell;
  foreach (cell, left) {
    const Oid matview = lfirst_oid(cell);
    RunEach(psprintf("SELECT 'DROP MATERIALIZED VIEW ' || '%u'::regclass", matview));
    RunSql(psprintf("DELETE FROM heliosdb.branch_relations WHERE local_relid = %u", matview),
           SPI_OK_DELETE);
  }
  SPI_finish();
  scope.Leave();
}

}  // namespace helios::branch
