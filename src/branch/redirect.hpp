// Planning of statements on a branch.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Installs the planner hook, in front of that of time travel.
void InitRedirect();

// Lets a call of nextval() and its like take the sequence of the session's branch when it is evaluated.
void LeadSequences(FuncExpr *call);

// Leads all such calls in an expression that no planner sees.
void LeadExpression(Node *expression);

// Plans a query about the tables that it names, for statements on the session's branch.
PlannedStmt *PlanUnled(Query *query);

// Tells whether a plan was made for the branch of the session.
bool IsForSession(const PlannedStmt *plan);

// Raises an error if a plan reads elsewhere what an inherited table has rows of its own for by now.
void CheckSources(const PlannedStmt *plan);

}  // namespace helios::branch
