// Statements that concern whole databases.
#pragma once

namespace helios::budget {

// Has workers leave a database that a statement drops, renames, moves or copies, and tells the launcher when databases
// or the extension come and go.
void InitDatabaseStatements();

}  // namespace helios::budget
