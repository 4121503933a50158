#include "branch/names.hpp"

#include "branch/catalog.hpp"
#include "branch/copy_up.hpp"
#include "branch/inherited.hpp"
#include "branch/matview.hpp"
#include "branch/partial.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
#include "branch/session.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/sequence.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Raises an error unless the role may do with main's table what it asks for.
void CheckPrivilege(Oid table, AclMode needed) {
  if (needed == 0) {
    if (!pg_class_ownercheck(table, GetUserId())) {
      aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(table)),
                     get_rel_name(table));
    }
    return;
  }
  if (pg_class_aclmask(table, GetUserId(), needed, ACLMASK_ANY) == 0) {
    aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(table)),
                   get_rel_name(table));
  }
}

// The table of a constraint; 0 if the schema has none of that name.
Oid ConstraintTable(Relation constraints, Oid schema, const char *name) {
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum(name));
  ScanKeyInit(&keys[1], Anum_pg_constraint_connamespace, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(schema));
  SysScanDesc scan = systable_beginscan(constraints, ConstraintNameNspIndexId, true, nullptr,
                                        lengthof(keys), keys);
  HeapTuple tuple = systable_getnext(scan);
  const Oid table = HeapTupleIsValid(tuple)
                        ? reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->conrelid
                        : InvalidOid;
  systable_endscan(scan);
  return table;
}

// Raises an error if what is created or altered on the branch could not be named there.
void CheckReachable(Oid shadow, Oid base) {
  if (list_member_oid(fetch_search_path(false), shadow)) return;
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("schema \"%s\" is not in search_path", get_namespace_name(base)),
       errdetail("What is created or altered on a branch is found by its name without the schema."),
       errhint("SET search_path, with the name of the schema and not $user.")));
}

// The schema on main of what a branch has in place of a relation.
Oid SchemaOnMain(Oid local) {
  List *schemas = QueryOids(
      psprintf("SELECT schema FROM heliosdb.branch_relations WHERE local_relid = %u", local));
  if (schemas != NIL) return linitial_oid(schemas);
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("\"%s\" was not created on branch \"%s\"", get_rel_name(local),
                         SessionBranchName()),
                  errdetail("It lies in schema \"%s\", which is for copies of main's tables.",
                            get_namespace_name(get_rel_namespace(local)))));
}

}  // namespace

Oid BaseOf(Oid space) {
  if (!IsBranchSpace(get_namespace_name(space), session_branch)) return space;
  ListCell *cell;
  List *path = fetch_search_path(false);
  // In the search path a schema follows its shadow.
  foreach (cell, path) {
    if (lfirst_oid(cell) == space && lnext(path, cell) != nullptr)
      return lfirst_oid(lnext(path, cell));
  }
  elog(ERROR, "shadow %u is not in the search path", space);
}

void AllowCreation(Oid space, Oid base) {
  const Oid role = GetUserId();
  const AclResult allowed = pg_namespace_aclcheck(base, role, ACL_CREATE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_SCHEMA, get_namespace_name(base));
  if (pg_namespace_aclcheck(space, role, ACL_CREATE) == ACLCHECK_OK) return;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  RunSql(psprintf("GRANT CREATE ON SCHEMA %s TO %s", quote_identifier(get_namespace_name(space)),
                  quote_identifier(GetUserNameFromId(role, false))),
         SPI_OK_UTILITY);
  SPI_finish();
  scope.Leave();
}

void Refuse(const char *what, const char *why) {
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("%s is not supported on branch \"%s\"", what, SessionBranchName()),
           errdetail("%s", why), errhint("USE BRANCH main leads back to the database itself.")));
}

void PointTo(RangeVar *name, Oid relation) {
  name->catalogname = nullptr;
  name->schemaname = get_namespace_name(get_rel_namespace(relation));
  name->relname = get_rel_name(relation);
}

Oid FindNamed(const RangeVar *name) { return RangeVarGetRelid(name, NoLock, true); }

Oid LeadToCopy(RangeVar *name, AclMode needed) {
  const Oid named = FindNamed(name);
  if (!OidIsValid(named)) return InvalidOid;
  CheckNotMerged();
  switch (Classify(named, session_branch)) {
    case Kind::kTable: {
      CheckPrivilege(named, needed);
      const Oid local = CopyUp(named);
      Fill(local);
      PointTo(name, local);
      return local;
    }
    case Kind::kMatview: {
      CheckPrivilege(named, needed);
      const Oid local = CopyMatview(named, true);
      PointTo(name, local);
      return local;
    }
    case Kind::kOwn:
      Fill(named);
      return named;
    case Kind::kSequence: {
      CheckPrivilege(named, needed);
      const Oid local = LocalSequence(named);
      PointTo(name, local);
      return local;
    }
    case Kind::kForeign:
    case Kind::kOther:
      RaiseUnsupported(named);
    case Kind::kView:
      Refuse("changing a view of main", "Create a view of the same name on the branch instead.");
    default:
      return named;
  }
}

Oid LeadToWhole(RangeVar *name, AclMode needed) {
  const Oid local = LeadToCopy(name, needed);
  const Oid main = OidIsValid(local) ? FindCopyOf(local).main : InvalidOid;
  if (OidIsValid(main) && FindPartial(local).exists) MakeWhole(CurrentBranch(), main);
  return local;
}

Oid LeadToAltered(RangeVar *name) {
  const Oid named = FindNamed(name);
  const bool name_is_own = OidIsValid(named) && Classify(named, session_branch) == Kind::kOwn;
  const Oid local = LeadToWhole(name, 0);
  if (!OidIsValid(local) || Classify(local, session_branch) != Kind::kOwn) return local;
  MoveToShadow(CurrentBranch().id, local);
  // Neither parts of a statement that is led already, nor what is new in it.
  if (!name_is_own) {
    const Oid base = SchemaOnMain(local);
    AllowCreation(get_rel_namespace(local), base);
    CheckReachable(get_rel_namespace(local), base);
  }
  PointTo(name, local);
  return local;
}

Oid LeadToIndexed(RangeVar *name) {
  const Oid named = FindNamed(name);
  const Oid local = LeadToWhole(name, 0);
  if (local != named) AllowCreation(get_rel_namespace(local), get_rel_namespace(named));
  return local;
}

Creation LeadCreation(RangeVar *name) {
  if (name->relpersistence == RELPERSISTENCE_TEMP) return {};
  if (name->relpersistence == RELPERSISTENCE_UNLOGGED)
    Refuse("CREATE UNLOGGED", "Unlogged relations have no history.");
  Oid space = RangeVarGetCreationNamespace(name);
  if (isAnyTempNamespace(space)) return {};
  Creation creation = {};
  const char *space_name = get_namespace_name(space);
  if (IsBranchSpace(space_name, session_branch)) {
    // Named by a statement of the server's own, which creates parts of a table.
    if (name->schemaname != nullptr) return {};
  }
  creation.base = BaseOf(space);
  const Oid main = get_relname_relid(name->relname, creation.base);
  if (OidIsValid(main)) {
    const Local local = FindLocal(CurrentBranch().id, main);
    const bool unchanged = Classify(main, session_branch) != Kind::kTable || ExistedAtFork(main);
    if (local.exists ? OidIsValid(local.relation) : unchanged) creation.existing = main;
  }
  name->catalogname = nullptr;
  const Oid shadow = EnsureSpace(CurrentBranch().id, Space::kShadow, creation.base);
  AllowCreation(shadow, creation.base);
  CheckReachable(shadow, creation.base);
  name->schemaname = get_namespace_name(shadow);
  return creation;
}

void MoveToShadow(int64 branch, Oid local) {
  const Oid from = get_rel_namespace(local);
  const char letter = static_cast<char>(Space::kCopies);
  const char *space = get_namespace_name(from);
  if (space[strlen("heliosdb_")] != letter) return;
  const Oid schema = SchemaOnMain(local);
  const Oid shadow = EnsureSpace(branch, Space::kShadow, schema);
  Relation table = table_open(local, AccessExclusiveLock);
  ObjectAddresses *moved = new_object_addresses();
  ListCell *cell;
  // Sequences are there already.
  foreach (cell, getOwnedSequences(local)) {
    ObjectAddress sequence;
    ObjectAddressSet(sequence, RelationRelationId, lfirst_oid(cell));
    if (get_rel_namespace(lfirst_oid(cell)) == shadow) add_exact_object_address(&sequence, moved);
  }
  AlterTableNamespaceInternal(table, from, shadow, moved);
  free_object_addresses(moved);
  table_close(table, NoLock);
  CommandCounterIncrement();
}

Oid FindConstraintSpace(Oid schema, const char *name) {
  Oid found = InvalidOid;
  Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
  const Oid table = ConstraintTable(constraints, schema, name);
  // The first use of a constraint of main makes the copy that has it.
  if (OidIsValid(table) && Classify(table, session_branch) == Kind::kTable) CopyUp(table);
  const char *base = get_namespace_name(schema);
  for (const Space space : {Space::kShadow, Space::kCopies}) {
    if (base == nullptr) break;
    const Oid own = get_namespace_oid(SpaceName(CurrentBranch().id, space, base), true);
    if (OidIsValid(own) && OidIsValid(ConstraintTable(constraints, own, name))) found = own;
  }
  table_close(constraints, AccessShareLock);
  return found;
}

namespace {

// Notes that what a branch had in place of main's relations is gone.
void NoteGone(long long branch) {
  List *gone = QueryOids(
      psprintf(
          "SELECT DISTINCT r.main_relid FROM heliosdb.branch_relations r WHERE r.branch = %lld AND "
          "r.local_relid <> 0 AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = r.local_relid)",
          branch),
      CurrentMemoryContext);
  if (gone == NIL) return;
  constexpr const char *kIsGone =
      "r.branch = %lld AND r.local_relid <> 0 AND (r.main_relid <> 0 OR r.shared <> 0) = %s AND "
      "NOT "
      "EXISTS (SELECT FROM pg_class c WHERE c.oid = r.local_relid)";
  RunSql(
      psprintf(
          "UPDATE heliosdb.branch_relations r SET local_relid = 0, deleted_relid = 0, made_xid = "
          "COALESCE(made_xid, pg_current_xact_id()) WHERE %s",
          psprintf(kIsGone, branch, "true")),
      SPI_OK_UPDATE);
  RunSql(psprintf("DELETE FROM heliosdb.branch_relations r WHERE %s",
                  psprintf(kIsGone, branch, "false")),
         SPI_OK_DELETE);
  ListCell *cell;
  foreach (cell, gone) LocalChanged(lfirst_oid(cell));
}

// Notes a relation that was created on a branch.
void NoteNew(int64 branch, Oid relation) {
  RunSql(
      psprintf(
          "SELECT b.oid, m.oid FROM pg_class c JOIN pg_namespace b ON heliosdb.branch_space(%lld, "
          "b.nspname) = '%u'::regnamespace::text LEFT JOIN pg_class m ON m.relname = c.relname AND "
          "m.relnamespace = b.oid AND m.relkind = 'v' AND c.relkind = 'v' WHERE c.oid = %u",
          static_cast<long long>(branch), get_rel_namespace(relation), relation),
      SPI_OK_SELECT);
  if (SPI_processed != 1) elog(ERROR, "schema of relation %u is not known", relation);
  bool is_null;
  const Oid base =
      DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  const Datum main = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null);
  // A view that was dropped and created anew has nothing to do with main's.
  const bool stands_for = !is_null && !FindLocal(branch, DatumGetObjectId(main)).exists;
  AddLocal(branch, stands_for ? DatumGetObjectId(main) : InvalidOid, relation, base);
  const char kind = get_rel_relkind(relation);
  if ((kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
      !get_rel_relispartition(relation))
    RunSql(psprintf("SELECT heliosdb.track(%u)", relation), SPI_OK_SELECT);
}

// Raises an error if a default of the branch's tables takes values of a sequence of main: COPY and ALTER TABLE would
// take them without asking the planner.
void CheckDefaults(long long branch) {
  List *tables = QueryOids(
      psprintf(
          "SELECT d.adrelid FROM pg_attrdef d JOIN heliosdb.branch_relations r ON r.local_relid = "
          "d.adrelid WHERE r.branch = %lld AND (EXISTS (SELECT FROM pg_depend p JOIN pg_class s ON "
          "s.oid = p.refobjid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace "
          "WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = "
          "'pg_class'::regclass AND n.nspname !~ '^heliosdb_b%lld_') OR pg_get_expr(d.adbin, "
          "d.adrelid) ~ '(nextval|setval)\\((?!''|heliosdb\\.)')",
          branch, branch),
      CurrentMemoryContext);
  if (tables == NIL) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("a default of table \"%s\" on a branch takes values of a sequence of main",
                  get_rel_name(linitial_oid(tables))),
           errhint("Use the sequence on the branch first, and name it by a constant without its "
                   "schema.")));
}

}  // namespace

void NoteCreatedAndDropped() {
  const int64 branch = CurrentBranch().id;
  SystemScope scope;
  scope.Enter();
  SPI_connect();
  NoteGone(branch);
  ListCell *cell;
  foreach (
      cell,
      QueryOids(
          psprintf("SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE n.nspname LIKE 'heliosdb\\_b%lld\\_%%' AND c.relkind IN ('r', 'p', 'v', "
                   "'m', 'S') AND NOT EXISTS (SELECT FROM heliosdb.branch_relations r WHERE "
                   "r.local_relid = c.oid) ORDER BY c.oid",
                   static_cast<long long>(branch)),
          CurrentMemoryContext)) {
    NoteNew(branch, lfirst_oid(cell));
  }
  CheckDefaults(branch);
  SPI_finish();
  scope.Leave();
}

void NoteDropped(Oid main) {
  const int64 branch = CurrentBranch().id;
  if (FindLocal(branch, main).exists) return;
  const Oid schema = get_rel_namespace(main);
  SystemScope scope;
  scope.Enter();
  LockBranch(branch, false);
  AddLocal(branch, main, InvalidOid, schema);
  scope.Leave();
}

}  // namespace helios::branch
