// Every utility statement of a session: statements about branches, and on a branch those that name relations. What
// is not known here is refused on a branch: it would change what all branches share.
#include "branch/utility.hpp"

#include "branch/catalog.hpp"
#include "branch/copy_up.hpp"
#include "branch/ddl.hpp"
#include "branch/inherit.hpp"
#include "branch/inherited.hpp"
#include "branch/main_ddl.hpp"
#include "branch/names.hpp"
#include "branch/path.hpp"
#include "branch/redirect.hpp"
#include "branch/relations.hpp"
#include "branch/security.hpp"
#include "branch/session.hpp"
#include "branch/statements.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"

#include <cstring>

extern "C" {
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> chain;

// Tells whether a statement runs as it is: it names no relation, or its queries are planned on their own.
bool RunsAsItIs(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_TransactionStmt:
    case T_VariableSetStmt:
    case T_VariableShowStmt:
    case T_PrepareStmt:
    case T_ExecuteStmt:
    case T_DeallocateStmt:
    case T_DeclareCursorStmt:
    case T_ClosePortalStmt:
    case T_FetchStmt:
    case T_DoStmt:
    case T_CallStmt:
    case T_NotifyStmt:
    case T_ListenStmt:
    case T_UnlistenStmt:
    case T_DiscardStmt:
    case T_CheckPointStmt:
    case T_LoadStmt:
      return true;
    case T_ExplainStmt: {
      const Node *explained = reinterpret_cast<const ExplainStmt *>(statement)->query;
      return !IsA(explained, Query) ||
             reinterpret_cast<const Query *>(explained)->commandType != CMD_UTILITY;
    }
    default:
      return false;
  }
}

// Lets calls of nextval() and its like in the parameters of EXECUTE, which no hook sees analysed, take the sequences of
// the branch.
bool LeadParameter(Node *node, void *context) {
  if (node == nullptr) return false;
  const bool stop = raw_expression_tree_walker(node, pg::AsWalker(LeadParameter), context);
  if (!IsA(node, FuncCall)) return stop;
  auto *call = reinterpret_cast<FuncCall *>(node);
  const char *name = strVal(llast(call->funcname));
  const bool of_server = list_length(call->funcname) == 1 ||
                         strcmp(strVal(linitial(call->funcname)), "pg_catalog") == 0;
  if (!of_server || call->args == NIL ||
      (strcmp(name, "nextval") != 0 && strcmp(name, "currval") != 0 && strcmp(name, "setval") != 0))
    return stop;
  TypeCast *sequence = makeNode(TypeCast);
  sequence->arg = static_cast<Node *>(linitial(call->args));
  sequence->typeName = SystemTypeName(pstrdup("regclass"));
  sequence->location = -1;
  List *function =
      list_make2(makeString(pstrdup(kAdminSchema)), makeString(pstrdup("branch_sequence")));
  linitial(call->args) = makeFuncCall(function, list_make1(sequence), COERCE_EXPLICIT_CALL, -1);
  return stop;
}

// Leads the sequences in the arguments of CALL and EXECUTE, which are not planned.
void LeadArguments(Node *statement) {
  if (IsA(statement, CallStmt)) {
    LeadExpression(reinterpret_cast<Node *>(reinterpret_cast<CallStmt *>(statement)->funcexpr));
  } else if (IsA(statement, ExecuteStmt)) {
    LeadParameter(reinterpret_cast<Node *>(reinterpret_cast<ExecuteStmt *>(statement)->params),
                  nullptr);
  }
}

// The utility statement that another one explains or stores the result of; null for a query.
Node *InnerUtility(Node *query) {
  return query != nullptr && IsA(query, Query) ? reinterpret_cast<Query *>(query)->utilityStmt
                                               : nullptr;
}

// Makes COPY of a table of main the COPY of a query, which is then read as of the fork.
void CopyAsQuery(CopyStmt *copy, Oid named) {
  SelectStmt *select = makeNode(SelectStmt);
  select->fromClause = list_make1(copy->relation);
  List *columns = copy->attlist;
  if (columns == NIL) {
    Relation table = table_open(named, AccessShareLock);
    const TupleDesc row = RelationGetDescr(table);
    for (int i = 0; i < row->natts; i++) {
      const Form_pg_attribute column = TupleDescAttr(row, i);
      if (column->attisdropped || column->attgenerated != '\0') continue;
      columns = lappend(columns, makeString(pstrdup(NameStr(column->attname))));
    }
    table_close(table, NoLock);
  }
  ListCell *cell;
  foreach (cell, columns) {
    ColumnRef *reference = makeNode(ColumnRef);
    reference->fields = list_make1(lfirst(cell));
    reference->location = -1;
    ResTarget *target = makeNode(ResTarget);
    target->val = reinterpret_cast<Node *>(reference);
    target->location = -1;
    select->targetList = lappend(select->targetList, target);
  }
  copy->relation = nullptr;
  copy->attlist = NIL;
  copy->query = reinterpret_cast<Node *>(select);
}

void LeadCopy(CopyStmt *copy) {
  if (copy->relation == nullptr) return;
  if (copy->is_from) {
    LeadToCopy(copy->relation, ACL_INSERT);
    return;
  }
  const Oid named = FindNamed(copy->relation);
  if (!OidIsValid(named)) return;
  const Kind kind = Classify(named, session_branch);
  if (kind == Kind::kTable || (kind == Kind::kOwn && ReadsSource(named))) CopyAsQuery(copy, named);
  if (kind == Kind::kForeign || kind == Kind::kOther) RaiseUnsupported(named);
}

void LeadTruncate(TruncateStmt *truncate) {
  ListCell *cell;
  foreach (cell, truncate->relations) {
    const Oid local = LeadToCopy(lfirst_node(RangeVar, cell), ACL_TRUNCATE);
    if (OidIsValid(local) && Classify(local, session_branch) == Kind::kOwn &&
        truncate->behavior == DROP_CASCADE)
      FillConnected(local);
  }
}

void LeadLock(LockStmt *lock) {
  ListCell *cell;
  foreach (cell, lock->relations) {
    auto *name = lfirst_node(RangeVar, cell);
    const Oid named = FindNamed(name);
    if (!OidIsValid(named)) continue;
    if (get_rel_relkind(named) == RELKIND_VIEW)
      Refuse("LOCK of a view", "It would lock tables of main.");
    // A lock that only keeps the table from going has nothing to do with what the branch changes.
    const Kind kind = Classify(named, session_branch);
    if (lock->mode == AccessShareLock &&
        (kind == Kind::kOwn || (kind == Kind::kTable && !OidIsValid(LocalOf(named)))))
      continue;
    LeadToCopy(name,
               lock->mode == RowExclusiveLock  ? ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE
               : lock->mode == AccessShareLock ? ACL_SELECT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE
                                               : ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE);
  }
}

void LeadVacuum(VacuumStmt *vacuum) {
  if (vacuum->rels == NIL)
    Refuse(vacuum->is_vacuumcmd ? "VACUUM without a table" : "ANALYZE without a table",
           "It would be about the tables of all branches.");
  ListCell *cell;
  foreach (cell, vacuum->rels) {
    auto *relation = lfirst_node(VacuumRelation, cell);
    const Oid named = FindNamed(relation->relation);
    const Kind kind = OidIsValid(named) ? Classify(named, session_branch) : Kind::kShared;
    if (kind != Kind::kTable && kind != Kind::kMatview && kind != Kind::kOwn) continue;
    const Oid local = kind == Kind::kOwn ? named : LocalOf(named);
    if (!OidIsValid(local) || ReadsSource(local))
      Refuse(vacuum->is_vacuumcmd ? "VACUUM of this table" : "ANALYZE of this table",
             "The branch has not changed it.");
    PointTo(relation->relation, local);
  }
}

// Leads the constraints that SET CONSTRAINTS names: they are in the schemas of their tables.
void LeadConstraints(ConstraintsSetStmt *set) {
  ListCell *cell;
  foreach (cell, set->constraints) {
    auto *name = lfirst_node(RangeVar, cell);
    List *schemas = name->schemaname == nullptr
                        ? fetch_search_path(false)
                        : list_make1_oid(get_namespace_oid(name->schemaname, true));
    ListCell *schema;
    foreach (schema, schemas) {
      const Oid found = FindConstraintSpace(lfirst_oid(schema), name->relname);
      if (!OidIsValid(found)) continue;
      name->schemaname = get_namespace_name(found);
      break;
    }
  }
}

// Leads a statement on a branch; kNone if it is refused.
Ddl Lead(Node *statement) {
  switch (nodeTag(statement)) {
    case T_CopyStmt:
      LeadCopy(reinterpret_cast<CopyStmt *>(statement));
      return Ddl::kRun;
    case T_TruncateStmt:
      LeadTruncate(reinterpret_cast<TruncateStmt *>(statement));
      return Ddl::kRun;
    case T_LockStmt:
      LeadLock(reinterpret_cast<LockStmt *>(statement));
      return Ddl::kRun;
    case T_VacuumStmt:
      LeadVacuum(reinterpret_cast<VacuumStmt *>(statement));
      return Ddl::kRun;
    case T_ExplainStmt: {
      // EXPLAIN of CREATE TABLE AS and the like.
      Node *explained = InnerUtility(reinterpret_cast<ExplainStmt *>(statement)->query);
      if (!RunsAsItIs(explained)) return Lead(explained);
      LeadArguments(explained);
      return Ddl::kRun;
    }
    case T_CreateTableAsStmt:
      if (Node *executed = InnerUtility(reinterpret_cast<CreateTableAsStmt *>(statement)->query))
        LeadArguments(executed);
      return LeadDdl(statement);
    case T_ConstraintsSetStmt:
      LeadConstraints(reinterpret_cast<ConstraintsSetStmt *>(statement));
      return Ddl::kRun;
    default:
      return LeadDdl(statement);
  }
}

// True for statements that create or drop relations.
bool ChangesRelations(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_CopyStmt:
    case T_TruncateStmt:
    case T_LockStmt:
    case T_VacuumStmt:
    case T_ConstraintsSetStmt:
      return false;
    default:
      return true;
  }
}

// True for statements that change what relations there are on a branch, or how they are defined.
bool ChangesDefinitions(const Node *statement) {
  const RangeVar *made = nullptr;
  switch (nodeTag(statement)) {
    case T_CreateStmt:
      made = reinterpret_cast<const CreateStmt *>(statement)->relation;
      break;
    case T_CreateTableAsStmt:
      made = reinterpret_cast<const CreateTableAsStmt *>(statement)->into->rel;
      break;
    case T_ViewStmt:
      made = reinterpret_cast<const ViewStmt *>(statement)->view;
      break;
    case T_CreateSeqStmt:
      made = reinterpret_cast<const CreateSeqStmt *>(statement)->sequence;
      break;
    case T_DropStmt: {
      const auto *drop = reinterpret_cast<const DropStmt *>(statement);
      ListCell *cell;
      if (drop->removeType != OBJECT_TABLE) return true;
      foreach (cell, drop->objects) {
        const Oid named = FindNamed(makeRangeVarFromNameList(lfirst_node(List, cell)));
        if (!OidIsValid(named) || get_rel_persistence(named) != RELPERSISTENCE_TEMP) return true;
      }
      return false;
    }
    default:
      return ChangesRelations(statement);
  }
  return made->relpersistence != RELPERSISTENCE_TEMP;
}

// Tells whether a statement plans another one, and runs it with the snapshot that was taken before.
bool RunsWithOldSnapshot(const Node *statement) {
  return IsA(statement, DeclareCursorStmt) || IsA(statement, ExecuteStmt);
}

// Runs such a statement with a snapshot of its own, which sees what tables are filled with for it.
void RunSeeingFills(PlannedStmt *planned, const char *text, bool read_only,
                    ProcessUtilityContext context, ParamListInfo params,
                    QueryEnvironment *environment, DestReceiver *receiver,
                    QueryCompletion *completion) {
  PushCopiedSnapshot(GetActiveSnapshot());
  Snapshot before = SeeFills(GetActiveSnapshot());
  PG_TRY();
  {
    chain.next(standard_ProcessUtility)(planned, text, read_only, context, params, environment,
                                        receiver, completion);
  }
  PG_FINALLY();
  { SeeFills(before); }
  PG_END_TRY();
  PopActiveSnapshot();
}

void OnUtility(PlannedStmt *planned, const char *text, bool read_only,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
               DestReceiver *receiver, QueryCompletion *completion) {
  if (RunBranchStatement(planned->utilityStmt)) return;
  const bool on_main = likely(!OnBranch());
  if (on_main) CheckReserved(planned->utilityStmt);
  if (!on_main && (IsA(planned->utilityStmt, CallStmt) || IsA(planned->utilityStmt, ExecuteStmt))) {
    // The tree may be kept for another run.
    planned = static_cast<PlannedStmt *>(copyObjectImpl(planned));
    LeadArguments(planned->utilityStmt);
  }
  if (on_main || RunsAsItIs(planned->utilityStmt)) {
    // What the extension does itself for branches is as it should be.
    const bool of_user = on_main && !SystemScope::IsEntered();
    List *watched = of_user ? BeforeMainDdl(planned->utilityStmt) : NIL;
    if (!on_main && RunsWithOldSnapshot(planned->utilityStmt) && ActiveSnapshotSet()) {
      RunSeeingFills(planned, text, read_only, context, params, environment, receiver, completion);
      return;
    }
    chain.next(standard_ProcessUtility)(planned, text, read_only, context, params, environment,
                                        receiver, completion);
    AfterMainDdl(watched);
    if (of_user && ChangesSecurity(planned->utilityStmt)) SyncSecurity();
    return;
  }
  CurrentBranch();
  // The tree may be kept for another run.
  planned = static_cast<PlannedStmt *>(copyObjectImpl(planned));
  read_only = false;
  List *watched = NIL;
  if (context != PROCESS_UTILITY_SUBCOMMAND) {
    if (ChangesDefinitions(planned->utilityStmt)) {
      PreventCommandIfReadOnly(GetCommandTagName(CreateCommandTag(planned->utilityStmt)));
      NoteDefinitions();
    }
    watched = BeforeBranchDdl(planned->utilityStmt);
  }
  const Ddl led = Lead(planned->utilityStmt);
  if (led == Ddl::kNone) {
    Refuse(GetCommandTagName(CreateCommandTag(planned->utilityStmt)),
           "It would change what all branches share.");
  }
  const bool changes = ChangesRelations(planned->utilityStmt);
  if (led == Ddl::kRun) {
    chain.next(standard_ProcessUtility)(planned, text, read_only, context, params, environment,
                                        receiver, completion);
  }
  AfterMainDdl(watched);
  // Parts of a statement are noted when it is complete.
  if (changes && context != PROCESS_UTILITY_SUBCOMMAND) {
    NoteCreatedAndDropped();
    // A column takes the policies along that need it.
    if (IsA(planned->utilityStmt, AlterTableStmt)) SyncSecurity();
  }
}

}  // namespace

void InitUtility() { chain.Install(&ProcessUtility_hook, OnUtility); }

}  // namespace helios::branch
