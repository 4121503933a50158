// Puts our functions in the place of raw_parser and base_yylex, or tells why not.
#pragma once

namespace helios::syntax {

// Installs the redirect and tests it; after a failure the code of the server is as it was. Logs one line.
void InstallRedirect();

// Whether the redirect is installed in this server.
bool RedirectInstalled();

// Says so in words, or why not and what to do.
const char *RedirectStatus();

}  // namespace helios::syntax
