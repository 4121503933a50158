#include "hybrid/executor.hpp"
#include "hybrid/hybrid.hpp"

namespace helios::hybrid {

void InitHybrid() { InitExecutor(); }

}  // namespace helios::hybrid
