#include "syntax/syntax.hpp"

#include "pg/guc.hpp"
#include "pg/pg.hpp"
#include "syntax/install.hpp"
#include "syntax/settings.hpp"

namespace helios::syntax {

constinit bool extended_syntax = true;
constinit bool syntax_enabled = true;
constinit bool flux_sql = true;
constinit bool unfinished_forms = false;

void InitSyntax() {
  const bool preloading = process_shared_preload_libraries_in_progress;
  pg::DefineBool(
      {.name = "heliosdb.extended_syntax",
       .meaning =
           "Installs the redirect of the parser that statements beyond the stock grammar need.",
       .takes_effect = "at server start, with shared_preload_libraries"},
      // PostgreSQL lets a library that comes later define no setting of the server's start.
      &extended_syntax, true, preloading ? PGC_POSTMASTER : PGC_SIGHUP);
  pg::DefineBool({.name = "heliosdb.syntax",
                  .meaning = "Accepts statements beyond the stock grammar in this session."},
                 &syntax_enabled, true, PGC_USERSET);
  pg::DefineBool({.name = "heliosdb.flux_sql",
                  .meaning = "Accepts queries that begin with FROM, and pipes.",
                  .bare = true},
                 &flux_sql, true, PGC_USERSET);
#ifdef HELIOS_DEV
  pg::DefineBool({.name = "heliosdb.unfinished_forms",
                  .meaning = "Accepts forms whose feature is not there yet, for tests.",
                  .flags = GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE},
                 &unfinished_forms, false, PGC_SUSET);
#endif
  if (preloading) InstallRedirect();
}

}  // namespace helios::syntax
