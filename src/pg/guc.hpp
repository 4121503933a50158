// Settings: registration that survives another extension having defined the same name.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/guc.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Tells whether a loaded library (not a mere placeholder in a file or SET) has defined a setting.
bool SettingDefined(const char *name);

}  // namespace helios::pg
