// What the settings of this room say.
#pragma once

namespace helios::syntax {

extern bool
    extended_syntax;  // heliosdb.extended_syntax: install the redirect, decided at server start
extern bool syntax_enabled;    // heliosdb.syntax: accept our forms in this session
extern bool flux_sql;          // heliosdb.flux_sql: among them FROM-first and pipes
extern bool unfinished_forms;  // tests only: also accept forms whose feature is not there yet

}  // namespace helios::syntax
