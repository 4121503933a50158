#include "pg/plans.hpp"

extern "C" {
#include "miscadmin.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

namespace {

struct Replacement {
  ReplacePlan replace;
  void *context;

  void At(Plan **place) const {
    if (*place == nullptr) return;
    Plan *other = replace(*place, context);
    if (other != nullptr) {
      *place = other;
    } else {
      Below(*place);
    }
  }

  void In(List *plans) const {
    ListCell *cell;
    foreach (cell, plans) At(reinterpret_cast<Plan **>(&lfirst(cell)));
  }

  void Below(Plan *plan) const {
    check_stack_depth();
    At(&plan->lefttree);
    At(&plan->righttree);
    switch (nodeTag(plan)) {
      case T_Append:
        return In(reinterpret_cast<Append *>(plan)->appendplans);
      case T_MergeAppend:
        return In(reinterpret_cast<MergeAppend *>(plan)->mergeplans);
      case T_SubqueryScan:
        return At(&reinterpret_cast<SubqueryScan *>(plan)->subplan);
      case T_CustomScan:
        return In(reinterpret_cast<CustomScan *>(plan)->custom_plans);
      default:
        return;
    }
  }
};

}  // namespace

void ReplacePlans(PlannedStmt *planned, ReplacePlan replace, void *context) {
  const Replacement replacement = {replace, context};
  replacement.At(&planned->planTree);
  replacement.In(planned->subplans);
}

}  // namespace helios::pg
