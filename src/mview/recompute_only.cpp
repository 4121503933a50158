// Until changes can be computed, every view is computed anew.
#include "mview/delta.hpp"

namespace helios::mview {

struct Shape {
  Explanation explanation;
};

const Shape *Classify(const View &) {
  static constexpr Shape kRecompute = {
      {false, nullptr, "changes of this query cannot be computed yet", nullptr, NIL}};
  return &kRecompute;
}

const Explanation &Explain(const Shape *shape) { return shape->explanation; }

void ComputeDelta(const View &view, const Shape *, Delta *) {
  elog(ERROR, "changes of view %u cannot be computed", view.relation);
}

void BuildState(const View &, const Shape *) {}

void DropState(Oid) {}

}  // namespace helios::mview
