#include "pg/module.hpp"

#include "pg/guc.hpp"
#include "pg/pause.hpp"

namespace helios::pg {

// Registers heliosdb.pause_point and reserves the prefix, so that a misspelt heliosdb.* setting is an error.
void InitPg() {
  DefineCustomStringVariable("heliosdb.pause_point", "Names the point of the code at which the session waits, for tests.",
                             nullptr, &pause_point, "", PGC_SUSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
                             nullptr, nullptr, nullptr);
}

}  // namespace helios::pg
