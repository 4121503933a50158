#include "hybrid/compression.hpp"
#include "hybrid/executor.hpp"
#include "hybrid/explain.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/statements.hpp"

namespace helios::hybrid {

void InitHybrid() {
  InitCompression();
  InitExecutor();
  InitExplain();
  InitStatements();
}

}  // namespace helios::hybrid
