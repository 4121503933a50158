// Plans of statements in text, kept in this session: views are refreshed by the same statements again and again.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Plans a statement over named rows, or takes the plan that was made for as many rows, give or take; the caller
// releases it with ReleaseCachedPlan(…, CurrentResourceOwner).
CachedPlan *PlanText(const char *text, QueryEnvironment *names, TupleDesc *desc);

}  // namespace helios::mview
