// Statements of PostgreSQL that name a compression.
#pragma once

namespace helios::hybrid {

// Installs the hook that sees statements.
void InitStatements();

}  // namespace helios::hybrid
