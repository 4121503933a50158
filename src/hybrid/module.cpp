#include "hybrid/direct_load.hpp"
#include "hybrid/executor.hpp"
#include "hybrid/hybrid.hpp"

namespace helios::hybrid {

void InitHybrid() {
  InitExecutor();
  InitDirectLoad();
}

}  // namespace helios::hybrid
