// Settings: how every room defines one, with what users read about it in heliosdb.settings.
//
// A setting may have a second, bare name: `max_cpu_background` for heliosdb.max_cpu_background. The
// dotted entry holds the only value. The bare one is a port: what is assigned to it goes on to the
// dotted entry with the same source and lifespan (SET, LOCAL, start of the session), and showing it
// shows the dotted entry. Each entry then rolls back by itself, so that no order of the two can
// leave them apart. Statements are led to the dotted name before they run (settings/statements.cpp).
#pragma once

#include "pg/pg.hpp"

#include <type_traits>

extern "C" {
#include "utils/guc.h"
}
#undef Min
#undef Max
#undef Abs

struct config_generic;

namespace helios::pg {

inline constexpr const char *kInSession = "in this session at once";

// What users read about a setting, and how it behaves; its strings must live forever.
struct Setting {
  const char *name;     // the whole dotted name
  const char *meaning;  // one sentence
  const char *range = nullptr;
  const char *unit = nullptr;
  const char *takes_effect = kInSession;
  // Completes "It will …" until the feature that reads the setting exists; null from then on.
  const char *awaits = nullptr;
  // Of a setting of which only the server's value matters: what it does by that. Who sets another one is told.
  const char *of_server = nullptr;
  bool bare = false;  // also by the part behind the dot, for PGC_USERSET only
  int flags = 0;      // GUC_…; GUC_NO_SHOW_ALL keeps it out of the view
  // Judges the values that are in force now, together with those of settings of the same function:
  // called with WARNING after a SET, with LOG when the postmaster has read all of them anew.
  void (*review)(int elevel) = nullptr;
  // The number that is really used, when other settings may change it.
  double (*effective)() = nullptr;
};

// A room's own hooks, as guc.h describes them.
template <typename T>
struct SettingHooks {
  using Assigned = std::conditional_t<std::is_same_v<T, char *>, const char *, T>;
  bool (*check)(T *value, void **extra, GucSource source) = nullptr;
  void (*assign)(Assigned value, void *extra) = nullptr;
};

// Define a setting whose value guc.c keeps in `*variable`, a variable of the room.
void DefineBool(const Setting &setting, bool *variable, bool boot, GucContext context,
                SettingHooks<bool> hooks = {});
void DefineInt(const Setting &setting, int *variable, int boot, int min, int max,
               GucContext context, SettingHooks<int> hooks = {});
void DefineReal(const Setting &setting, double *variable, double boot, double min, double max,
                GucContext context, SettingHooks<double> hooks = {});
void DefineEnum(const Setting &setting, int *variable, int boot, const config_enum_entry *values,
                GucContext context, SettingHooks<int> hooks = {});
void DefineString(const Setting &setting, char **variable, const char *boot, GucContext context,
                  SettingHooks<char *> hooks = {});

// Finds what guc.c keeps of a setting, of the server or of a library; null if there is none.
config_generic *FindSetting(const char *name);

// Tells whether a loaded library (not a mere placeholder in a file or SET) has defined a setting.
bool SettingDefined(const char *name);

// Returns the settings defined so far, in that order: the one at `index`, or null at the end.
const Setting *SettingAt(int index);

// Returns the bare name of a setting, or null when it has none or another library took it.
const char *BareName(const Setting &setting);

// Returns the dotted name for a bare one, or null when `name` is none of ours.
const char *DottedName(const char *name);

// Tells the user when the named setting awaits its feature.
void NoticeNoEffect(const char *name);

// Allocates what a check hook leaves in `*extra`; null when out of memory.
inline void *AllocateExtra(size_t bytes) {
#if PG_VERSION_NUM >= 160000
  return guc_malloc(LOG, bytes);
#else
  return malloc(bytes);
#endif
}

}  // namespace helios::pg
