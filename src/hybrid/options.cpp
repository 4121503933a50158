#include "hybrid/options.hpp"

namespace helios::hybrid {

ColumnPolicies PoliciesOf(Relation) { return {}; }

}  // namespace helios::hybrid
