// What heliosdb.settings shows.
#include "pg/pg.hpp"

#include "pg/guc.hpp"

extern "C" {
#include "funcapi.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::settings {

namespace {

enum Column { kName, kBareName, kValue, kEffective, kUnit, kMeaning, kTakesEffect, kColumns };

// Fills the row of one setting; null texts become NULL.
void PutRow(ReturnSetInfo *result, const pg::Setting &setting, const char *value) {
  const char *texts[kColumns] = {};
  texts[kName] = setting.name;
  texts[kBareName] = pg::BareName(setting);
  texts[kValue] = value;
  texts[kEffective] = setting.effective != nullptr ? psprintf("%.4g", setting.effective()) : value;
  texts[kUnit] = setting.unit;
  texts[kMeaning] = setting.meaning;
  texts[kTakesEffect] = setting.awaits != nullptr ? "no effect yet" : setting.takes_effect;
  Datum values[kColumns];
  bool nulls[kColumns];
  for (int i = 0; i < kColumns; i++) {
    nulls[i] = texts[i] == nullptr;
    values[i] = nulls[i] ? Datum{0} : CStringGetTextDatum(texts[i]);
  }
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

}  // namespace helios::settings

// Lists the settings that this session knows.
HELIOS_FUNCTION(list_settings) {
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  for (int i = 0;; i++) {
    const helios::pg::Setting *setting = helios::pg::SettingAt(i);
    if (setting == nullptr) break;
    if ((setting->flags & GUC_NO_SHOW_ALL) != 0) continue;
    const char *value = GetConfigOptionByName(setting->name, nullptr, true);
    if (value != nullptr) helios::settings::PutRow(result, *setting, value);
  }
  return Datum{0};
}
