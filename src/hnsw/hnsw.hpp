// The door of the hnsw index access method.
#pragma once

namespace helios::hnsw {

// Registers the access method's own settings; those that pgvector also defines (hnsw.*) wait for
// the first use of the access method, so that preloading never disturbs a database that has
// pgvector.
void InitHnsw();

}  // namespace helios::hnsw
