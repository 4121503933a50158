#include "pg/module.hpp"

#include "pg/guc.hpp"
#include "pg/pause.hpp"

#ifndef HELIOS_VERSION
#define HELIOS_VERSION "1.0"
#endif

namespace helios::pg {

constinit bool preloaded = false;

void InitPg() {
  preloaded = process_shared_preload_libraries_in_progress;
  DefineString({.name = "heliosdb.pause_point",
                .meaning = "Names the point of the code at which the session waits, for tests.",
                .flags = GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE},
               &pause_point, "", PGC_SUSET);
}

void FinishPg() { MarkGUCPrefixReserved("heliosdb"); }

}  // namespace helios::pg

// Version of the library, which may be newer than the extension's objects after an upgrade of the
// files.
HELIOS_FUNCTION(version) {
  (void)fcinfo;
  PG_RETURN_TEXT_P(cstring_to_text(HELIOS_VERSION));
}

// Tells whether the postmaster loaded the library.
HELIOS_FUNCTION(preloaded) {
  (void)fcinfo;
  PG_RETURN_BOOL(helios::pg::preloaded);
}
