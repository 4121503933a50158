#include "hybrid/compression.hpp"
#include "hybrid/direct_load.hpp"
#include "hybrid/executor.hpp"
#include "hybrid/explain.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/load_order.hpp"
#include "hybrid/reader_cache.hpp"
#include "hybrid/statements.hpp"

namespace helios::hybrid {

void InitHybrid() {
  InitCompression();
  InitExecutor();
  InitExplain();
  InitStatements();
  InitDirectLoad();
  InitLoadOrder();
  InitReaderCache();
}

}  // namespace helios::hybrid
