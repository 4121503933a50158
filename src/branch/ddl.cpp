// CREATE, ALTER and DROP of tables, indexes, views, sequences and triggers on a branch: names are led to
// the branch's relations, and the stock command does the rest. A table whose definition changes moves from the
// copies to the shadow: statements are then analysed with the branch's own definition.
#include "branch/ddl.hpp"

#include "branch/catalog.hpp"
#include "branch/copy_up.hpp"
#include "branch/inherit.hpp"
#include "branch/inherited.hpp"
#include "branch/matview.hpp"
#include "branch/names.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
#include "branch/rules.hpp"
#include "branch/session.hpp"
#include "branch/statistics.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Leads the tables that foreign keys of a definition refer to.
void LeadReferences(List *constraints) {
  ListCell *cell;
  foreach (cell, constraints) {
    auto *constraint = lfirst_node(Constraint, cell);
    if (constraint->contype != CONSTR_FOREIGN || constraint->pktable == nullptr) continue;
    LeadToWhole(constraint->pktable, ACL_REFERENCES);
  }
}

void LeadColumn(ColumnDef *column) { LeadReferences(column->constraints); }

[[noreturn]] void RaiseExists(const RangeVar *name) {
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
                  errmsg("relation \"%s\" already exists", name->relname)));
}

// Leads a name to be created; false if it exists and the statement skips it.
bool LeadNew(RangeVar *name, bool if_not_exists) {
  const Creation creation = LeadCreation(name);
  if (!OidIsValid(creation.existing)) return true;
  if (!if_not_exists) RaiseExists(name);
  ereport(NOTICE, (errcode(ERRCODE_DUPLICATE_TABLE),
                   errmsg("relation \"%s\" already exists, skipping", name->relname)));
  return false;
}

Ddl LeadCreateTable(CreateStmt *create) {
  if (create->ofTypename != nullptr || create->inhRelations != NIL) {
    ListCell *cell;
    foreach (cell, create->inhRelations) {
      const Oid parent = FindNamed(lfirst_node(RangeVar, cell));
      if (OidIsValid(parent) && Classify(parent, session_branch) == Kind::kTable)
        Refuse("CREATE TABLE under a table of main", "Partitions and inheritance are main's.");
      if (OidIsValid(parent) && Classify(parent, session_branch) == Kind::kOwn) Fill(parent);
    }
  }
  ListCell *cell;
  foreach (cell, create->tableElts) {
    Node *element = static_cast<Node *>(lfirst(cell));
    if (IsA(element, ColumnDef)) LeadColumn(reinterpret_cast<ColumnDef *>(element));
    if (IsA(element, Constraint)) LeadReferences(list_make1(element));
    if (IsA(element, TableLikeClause)) {
      RangeVar *like = reinterpret_cast<TableLikeClause *>(element)->relation;
      const Oid model = FindNamed(like);
      if (OidIsValid(model) && Classify(model, session_branch) == Kind::kTable &&
          OidIsValid(LocalOf(model)))
        PointTo(like, LocalOf(model));
    }
  }
  LeadReferences(create->constraints);
  return LeadNew(create->relation, create->if_not_exists) ? Ddl::kRun : Ddl::kDone;
}

Ddl LeadCreateTableAs(CreateTableAsStmt *create) {
  return LeadNew(create->into->rel, create->if_not_exists) ? Ddl::kRun : Ddl::kDone;
}

Ddl LeadView(ViewStmt *view) {
  const Oid named = FindNamed(view->view);
  const Creation creation = LeadCreation(view->view);
  if (OidIsValid(named) && Classify(named, session_branch) == Kind::kOwn) NoteAltered(named);
  if (!OidIsValid(creation.existing)) return Ddl::kRun;
  if (!view->replace || get_rel_relkind(creation.existing) != RELKIND_VIEW) RaiseExists(view->view);
  if (!pg_class_ownercheck(creation.existing, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, view->view->relname);
  return Ddl::kRun;
}

// Refuses what would tie a table of the branch to one of main, or change what main alone decides.
void CheckAlter(const AlterTableCmd *command) {
  switch (command->subtype) {
    case AT_AddInherit:
    case AT_DropInherit:
    case AT_AttachPartition:
    case AT_DetachPartition:
    case AT_DetachPartitionFinalize:
    case AT_AddOf:
    case AT_DropOf:
      Refuse("changing partitions and inheritance", "They are main's.");
    case AT_SetUnLogged:
      Refuse("ALTER TABLE SET UNLOGGED", "Unlogged tables have no history.");
    case AT_ChangeOwner:
    case AT_EnableRowSecurity:
    case AT_DisableRowSecurity:
    case AT_ForceRowSecurity:
    case AT_NoForceRowSecurity:
      Refuse("changing an owner or row-level security",
             "Owners, privileges and policies are main's.");
    default:
      break;
  }
}

Ddl LeadAlterTable(AlterTableStmt *alter) {
  ListCell *cell;
  foreach (cell, alter->cmds) CheckAlter(lfirst_node(AlterTableCmd, cell));
  const Oid named = FindNamed(alter->relation);
  // Parts of a statement that is led already, and tables of the branch, have their place.
  if (alter->objtype == OBJECT_INDEX) Refuse("ALTER INDEX", "Drop and create the index.");
  if (alter->objtype == OBJECT_TABLE) {
    LeadToAltered(alter->relation);
  } else if (OidIsValid(named)) {
    LeadToCopy(alter->relation, 0);
  }
  foreach (cell, alter->cmds) {
    Node *definition = lfirst_node(AlterTableCmd, cell)->def;
    if (definition == nullptr) continue;
    if (IsA(definition, Constraint)) LeadReferences(list_make1(definition));
    if (IsA(definition, ColumnDef)) LeadColumn(reinterpret_cast<ColumnDef *>(definition));
  }
  return Ddl::kRun;
}

Ddl LeadRename(RenameStmt *rename) {
  if (rename->renameType == OBJECT_STATISTIC_EXT) {
    LeadRenamedStatistics(rename);
    return Ddl::kRun;
  }
  const bool of_table = rename->renameType == OBJECT_COLUMN ||
                        rename->renameType == OBJECT_TABCONSTRAINT ||
                        rename->renameType == OBJECT_TRIGGER || rename->renameType == OBJECT_RULE;
  const Oid named = rename->relation == nullptr ? InvalidOid : FindNamed(rename->relation);
  const bool own = OidIsValid(named) && Classify(named, session_branch) == Kind::kOwn;
  if (of_table) {
    LeadToAltered(rename->relation);
  } else if (!own ||
             !(rename->renameType == OBJECT_TABLE || rename->renameType == OBJECT_VIEW ||
               rename->renameType == OBJECT_MATVIEW || rename->renameType == OBJECT_SEQUENCE ||
               rename->renameType == OBJECT_INDEX)) {
    Refuse("renaming it", "Columns and constraints can be renamed, and what the branch created.");
  } else {
    // A table that stands for one of main keeps its name.
    const bool of_main =
        QueryOids(
            psprintf("SELECT main_relid FROM heliosdb.branch_relations WHERE local_relid = %u AND "
                     "main_relid <> 0",
                     named)) != NIL;
    if (of_main) Refuse("renaming it", "It stands for a relation of main.");
  }
  return Ddl::kRun;
}

Ddl LeadIndex(IndexStmt *index) {
  if (index->concurrent) Refuse("CREATE INDEX CONCURRENTLY", "Leave CONCURRENTLY out.");
  LeadToIndexed(index->relation);
  return Ddl::kRun;
}

// Raises an error if relations of main are made from one that is to be dropped on the branch.
void CheckDependents(Oid main) {
  List *dependents =
      QueryOids(psprintf("SELECT DISTINCT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = "
                         "d.objid WHERE d.classid = "
                         "'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND "
                         "d.refobjid = %u AND r.ev_class "
                         "<> d.refobjid ORDER BY 1",
                         main));
  ListCell *cell;
  foreach (cell, dependents) {
    const Oid view = lfirst_oid(cell);
    const Local local = FindLocal(CurrentBranch().id, view);
    if (local.exists || Classify(view, session_branch) == Kind::kForeign) continue;
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                    errmsg("cannot drop \"%s\" because view \"%s\" depends on it",
                           get_rel_name(main), get_rel_name(view)),
                    errhint("Drop the view on the branch first.")));
  }
}

// Leads one name of DROP; false if there is nothing left to drop natively.
bool LeadDropped(const DropStmt *drop, ListCell *object) {
  RangeVar *name = makeRangeVarFromNameList(lfirst_node(List, object));
  const Oid named = FindNamed(name);
  if (!OidIsValid(named)) return true;
  const Kind kind = Classify(named, session_branch);
  if ((kind == Kind::kView && drop->removeType == OBJECT_VIEW) ||
      (kind == Kind::kMatview && drop->removeType == OBJECT_MATVIEW)) {
    if (!pg_class_ownercheck(named, GetUserId()))
      aclcheck_error(ACLCHECK_NOT_OWNER, drop->removeType, name->relname);
    CheckDependents(named);
    const Oid local = LocalOf(named);
    if (kind == Kind::kView || !OidIsValid(local)) {
      NoteDropped(named);
      return false;
    }
  }
  if (kind == Kind::kTable) CheckDependents(named);
  const Oid local = LeadToCopy(name, 0);
  lfirst(object) = list_make2(makeString(get_namespace_name(get_rel_namespace(local))),
                              makeString(get_rel_name(local)));
  return true;
}

// Finds an index of the branch by name: behind one of main, or in a schema of copies.
Oid FindIndex(const RangeVar *name) {
  const Oid named = FindNamed(name);
  if (OidIsValid(named) &&
      IsBranchSpace(get_namespace_name(get_rel_namespace(named)), session_branch))
    return named;
  List *schemas = name->schemaname == nullptr
                      ? fetch_search_path(false)
                      : list_make1_oid(get_namespace_oid(name->schemaname, true));
  ListCell *cell;
  foreach (cell, schemas) {
    const char *base = get_namespace_name(lfirst_oid(cell));
    if (base == nullptr) continue;
    for (const Space space : {Space::kShadow, Space::kCopies}) {
      const Oid schema = get_namespace_oid(SpaceName(session_branch, space, base), true);
      const Oid found = OidIsValid(schema) ? get_relname_relid(name->relname, schema) : InvalidOid;
      if (OidIsValid(found)) return found;
    }
  }
  return InvalidOid;
}

bool LeadDroppedIndex(const DropStmt *drop, ListCell *object) {
  if (drop->concurrent) Refuse("DROP INDEX CONCURRENTLY", "Leave CONCURRENTLY out.");
  RangeVar *name = makeRangeVarFromNameList(lfirst_node(List, object));
  Oid index = FindIndex(name);
  const Oid named = FindNamed(name);
  if (!OidIsValid(index) && OidIsValid(named) && get_rel_relkind(named) == RELKIND_INDEX) {
    // Main's index, whose table the branch has no copy of.
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(named));
    const Oid table = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple))->indrelid;
    ReleaseSysCache(tuple);
    RangeVar *of =
        makeRangeVar(get_namespace_name(get_rel_namespace(table)), get_rel_name(table), -1);
    if (Classify(table, session_branch) != Kind::kTable) return true;
    const Local known = FindLocal(CurrentBranch().id, table);
    if (!known.exists) LeadToWhole(of, 0);
    index = known.exists ? InvalidOid : FindIndex(name);
    if (!OidIsValid(index)) {
      if (!drop->missing_ok)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("index \"%s\" does not exist on branch \"%s\"", name->relname,
                               SessionBranchName())));
      return false;
    }
  }
  if (!OidIsValid(index)) return true;
  lfirst(object) = list_make2(makeString(get_namespace_name(get_rel_namespace(index))),
                              makeString(get_rel_name(index)));
  return true;
}

// Leads a trigger or rule: the last name is its own, those before are the table's.
bool LeadDroppedPart(ListCell *object) {
  List *names = lfirst_node(List, object);
  Node *own = static_cast<Node *>(llast(names));
  RangeVar *table =
      makeRangeVarFromNameList(list_truncate(list_copy(names), list_length(names) - 1));
  const Oid altered = LeadToAltered(table);
  if (!OidIsValid(altered)) return true;
  lfirst(object) = list_make3(makeString(get_namespace_name(get_rel_namespace(altered))),
                              makeString(get_rel_name(altered)), own);
  return true;
}

Ddl LeadDrop(DropStmt *drop) {
  List *kept = NIL;
  ListCell *cell;
  foreach (cell, drop->objects) {
    bool keep;
    switch (drop->removeType) {
      case OBJECT_TABLE:
      case OBJECT_VIEW:
      case OBJECT_MATVIEW:
      case OBJECT_SEQUENCE:
        keep = LeadDropped(drop, cell);
        break;
      case OBJECT_INDEX:
        keep = LeadDroppedIndex(drop, cell);
        break;
      case OBJECT_TRIGGER:
      case OBJECT_RULE:
        keep = LeadDroppedPart(cell);
        break;
      case OBJECT_STATISTIC_EXT:
        keep = LeadDroppedStatistics(drop, cell);
        break;
      default:
        return Ddl::kNone;
    }
    if (keep) kept = lappend(kept, lfirst(cell));
  }
  drop->objects = kept;
  return kept == NIL ? Ddl::kDone : Ddl::kRun;
}

Ddl LeadTrigger(CreateTrigStmt *trigger) {
  const Oid named = FindNamed(trigger->relation);
  if (OidIsValid(named) && Classify(named, session_branch) == Kind::kView)
    Refuse("CREATE TRIGGER on a view of main",
           "Create a view of the same name on the branch first.");
  LeadToAltered(trigger->relation);
  if (trigger->constrrel != nullptr) LeadToWhole(trigger->constrrel, ACL_TRIGGER);
  return Ddl::kRun;
}

}  // namespace

Ddl LeadDdl(Node *statement) {
  switch (nodeTag(statement)) {
    case T_CreateStmt:
      return LeadCreateTable(reinterpret_cast<CreateStmt *>(statement));
    case T_CreateTableAsStmt:
      return LeadCreateTableAs(reinterpret_cast<CreateTableAsStmt *>(statement));
    case T_ViewStmt:
      return LeadView(reinterpret_cast<ViewStmt *>(statement));
    case T_CreateSeqStmt: {
      auto *create = reinterpret_cast<CreateSeqStmt *>(statement);
      return LeadNew(create->sequence, create->if_not_exists) ? Ddl::kRun : Ddl::kDone;
    }
    case T_AlterSeqStmt:
      LeadToCopy(reinterpret_cast<AlterSeqStmt *>(statement)->sequence, 0);
      return Ddl::kRun;
    case T_AlterTableStmt:
      return LeadAlterTable(reinterpret_cast<AlterTableStmt *>(statement));
    case T_RenameStmt:
      return LeadRename(reinterpret_cast<RenameStmt *>(statement));
    case T_IndexStmt:
      return LeadIndex(reinterpret_cast<IndexStmt *>(statement));
    case T_DropStmt:
      return LeadDrop(reinterpret_cast<DropStmt *>(statement));
    case T_CreateStatsStmt:
      return LeadCreateStatistics(reinterpret_cast<CreateStatsStmt *>(statement));
    case T_AlterStatsStmt:
      return LeadAlterStatistics(reinterpret_cast<AlterStatsStmt *>(statement));
    case T_RefreshMatViewStmt:
      return LeadRefresh(reinterpret_cast<RefreshMatViewStmt *>(statement));
    case T_RuleStmt:
      return LeadRule(reinterpret_cast<RuleStmt *>(statement));
    case T_CreateTrigStmt:
      return LeadTrigger(reinterpret_cast<CreateTrigStmt *>(statement));
    default:
      return Ddl::kNone;
  }
}

}  // namespace helios::branch
