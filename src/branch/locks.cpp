// The analysis of a statement locks the tables that it names for writing, which on a branch are not written: a
// transaction there would keep main from creating an index. What is written, the branch's own table, is locked when
// the statement is led there (redirect.cpp).
#include "branch/locks.hpp"

#include "branch/relations.hpp"
#include "branch/session.hpp"
#include "pg/compat.hpp"
#include "pg/hooks.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<post_parse_analyze_hook_type> analyze_chain;

// Keeps main's tables of a query locked for reading only, now and whenever a plan for it is used again.
bool WeakenLocks(Node *node, void *context) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return expression_tree_walker(node, pg::AsWalker(WeakenLocks), context);
  auto *query = reinterpret_cast<Query *>(node);
  ListCell *cell;
  foreach (cell, query->rtable) {
    auto *entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind != RTE_RELATION || entry->rellockmode <= AccessShareLock ||
        Classify(entry->relid, session_branch) != Kind::kTable)
      continue;
    // EXCLUDED of ON CONFLICT stands for the table and has taken no lock.
    if (entry->relkind != RELKIND_COMPOSITE_TYPE) {
      LockRelationOid(entry->relid, AccessShareLock);
      UnlockRelationOid(entry->relid, entry->rellockmode);
    }
    entry->rellockmode = AccessShareLock;
  }
  return query_tree_walker(query, pg::AsWalker(WeakenLocks), context, 0);
}

void AfterAnalysis(ParseState *state, Query *query, JumbleState *jumble) {
  if (unlikely(OnBranch())) {
    // A query that is explained, or that a cursor is declared for, was analysed along.
    Query *inner =
        query->commandType == CMD_UTILITY ? UtilityContainsQuery(query->utilityStmt) : query;
    WeakenLocks(reinterpret_cast<Node *>(inner), nullptr);
  }
  if (analyze_chain.previous() != nullptr) analyze_chain.previous()(state, query, jumble);
}

}  // namespace

void InitLocks() { analyze_chain.Install(&post_parse_analyze_hook, AfterAnalysis); }

}  // namespace helios::branch
