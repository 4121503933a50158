// The door of the syntax layer: statements that the stock grammar rejects.
#pragma once

namespace helios::syntax {

// Defines the settings, and installs the redirect of the parser when the library is preloaded.
void InitSyntax();

}  // namespace helios::syntax
