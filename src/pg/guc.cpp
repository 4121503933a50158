#include "pg/guc.hpp"

namespace helios::pg {

// A SET of an unknown dotted name leaves a placeholder, which a later definition adopts.
bool SettingDefined(const char *name) {
  if (GetConfigOption(name, true, false) == nullptr) return false;
  return (GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) == 0;
}

}  // namespace helios::pg
