// How tables want their cold rows to be kept.
#pragma once

#include "hybrid/chunk_writer.hpp"

namespace helios::hybrid {

// How a table's columns are encoded, in the current memory context.
ColumnPolicies PoliciesOf(Relation rel);

}  // namespace helios::hybrid
