#include "pg/guc.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

extern "C" {
#include "access/parallel.h"
#include "utils/guc_tables.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

namespace {

constexpr int kMaxSettings = 64;

// A setting with what its hooks need, since guc.c does not tell them whom they serve.
struct Entry {
  Setting setting;
  config_generic *record;  // null until the definition is complete
  void (*check)();         // of the room
  void (*assign)();        // of the room
  void *variable;
  GucSource source;  // of the value that has just passed its check
  bool fresh;        // such a value waits for its assignment
  bool reread;       // the postmaster has taken it from its files in this reload
  const char *bare;
  config_generic *bare_record;
  char *bare_text;
};

// What the check of a bare name hands to its assignment.
struct Forward {
  Entry *entry;
  GucSource source;
  bool done;
  char value[FLEXIBLE_ARRAY_MEMBER];
};

constinit Entry entries[kMaxSettings] = {};
constinit int entry_count = 0;

// Tells how the assignment under way lasts; push_old_value() has noted that before any assign hook.
GucAction ActionOf(const config_generic *record) {
  if (record->stack == nullptr || record->stack->state == GUC_SET) return GUC_ACTION_SET;
  return record->stack->state == GUC_SAVE ? GUC_ACTION_SAVE : GUC_ACTION_LOCAL;
}

// Reports once a reload has come to the last of the settings that are reviewed together.
void ReviewReread(Entry *entry) {
  const auto same = [entry](const Entry &other) {
    return other.setting.review == entry->setting.review;
  };
  if (entry->reread) {  // left from a reload that stopped at a wrong value
    for (Entry &other : entries) other.reread &= !same(other);
  }
  entry->reread = true;
  for (const Entry &other : entries) {
    const bool expected = other.record != nullptr && same(other) &&
                          (other.record->status & GUC_IS_IN_FILE) != 0 &&
                          other.record->source <= PGC_S_FILE;
    if (expected && !other.reread) return;
  }
  for (Entry &other : entries) other.reread &= !same(other);
  entry->setting.review(LOG);
}

// Tells the user when a value of less than the whole server is of no use.
void NoticeOfServer(const Entry &entry) {
  const Setting &setting = entry.setting;
  if (setting.of_server == nullptr) return;
  ereport(NOTICE, (errmsg("setting \"%s\" %s by the server's value only",
                          entry.bare != nullptr ? entry.bare : setting.name, setting.of_server),
                   errhint("ALTER SYSTEM SET %s, then SELECT pg_reload_conf().", setting.name)));
}

// Says what there is to say about a new value that is in force.
void AfterAssignment(Entry *entry) {
  if (entry->source == PGC_S_SESSION && ActionOf(entry->record) != GUC_ACTION_SAVE) {
    NoticeNoEffect(entry->setting.name);
    NoticeOfServer(*entry);
    if (entry->setting.review != nullptr) entry->setting.review(WARNING);
  } else if (entry->source == PGC_S_FILE && !IsUnderPostmaster &&
             entry->setting.review != nullptr) {
    ReviewReread(entry);
  }
}

template <typename T>
bool Check(Entry *entry, T *value, void **extra, GucSource source) {
  const auto check = reinterpret_cast<decltype(SettingHooks<T>::check)>(entry->check);
  if (check != nullptr && !check(value, extra, source)) return false;
  // ALTER ROLE, ALTER DATABASE and CREATE FUNCTION … SET check without assigning.
  if (source == PGC_S_TEST) {
    NoticeNoEffect(entry->setting.name);
    NoticeOfServer(*entry);
  }
  entry->fresh = source == PGC_S_SESSION || source == PGC_S_FILE;
  entry->source = source;
  return true;
}

// A rollback or RESET assigns without a check and is quiet; so is a definition.
template <typename T>
void Assign(Entry *entry, typename SettingHooks<T>::Assigned value, void *extra) {
  const auto assign = reinterpret_cast<decltype(SettingHooks<T>::assign)>(entry->assign);
  if (assign != nullptr) assign(value, extra);
  const bool fresh = entry->fresh && entry->record != nullptr && !InitializingParallelWorker;
  entry->fresh = false;
  if (!fresh) return;
  // guc.c stores the value after this hook, and needs the old one until then.
  T *const variable = static_cast<T *>(entry->variable);
  const T old = *variable;
  memcpy(variable, &value, sizeof(T));
  AfterAssignment(entry);
  *variable = old;
}

// The bare name of the entry's setting: has guc.c check the value for the dotted one. A parallel
// worker gets the dotted entry's value from its leader.
bool CheckBare(Entry *entry, char **text, void **extra, GucSource source) {
  if (*text == nullptr || source == PGC_S_DEFAULT || InitializingParallelWorker) return true;
  if (source == PGC_S_FILE) {
    GUC_check_errmsg("setting \"%s\" cannot be in a configuration file by its bare name",
                     entry->bare);
    GUC_check_errdetail("The server would not start with it.");
    GUC_check_errhint("Write \"%s\".", entry->setting.name);
    return false;
  }
  const bool at_login = source >= PGC_S_GLOBAL && source <= PGC_S_DATABASE_USER;
  if (set_config_option(entry->setting.name, *text, PGC_USERSET, PGC_S_OVERRIDE, GUC_ACTION_SET,
                        false, at_login ? WARNING : ERROR, false) == 0) {
    return false;
  }
  auto *forward =
      static_cast<Forward *>(AllocateExtra(offsetof(Forward, value) + strlen(*text) + 1));
  if (forward == nullptr) return false;
  forward->entry = entry;
  forward->source = source;
  forward->done = false;
  strcpy(forward->value, *text);
  *extra = forward;
  return true;
}

// Sets the dotted entry the first time that a value arrives; a rollback or RESET brings back an old
// one, and the dotted entry rolls back by itself.
void AssignBare(const char *, void *extra) {
  auto *forward = static_cast<Forward *>(extra);
  if (forward == nullptr || forward->done) return;
  forward->done = true;
  const Entry &entry = *forward->entry;
  (void)set_config_option(entry.setting.name, forward->value, PGC_USERSET, forward->source,
                          ActionOf(entry.bare_record), true, 0, false);
}

// The hooks of each entry: functions that differ in the entry they know.
template <typename T, int kIndex>
bool CheckAt(T *value, void **extra, GucSource source) {
  return Check<T>(&entries[kIndex], value, extra, source);
}

template <typename T, int kIndex>
void AssignAt(typename SettingHooks<T>::Assigned value, void *extra) {
  Assign<T>(&entries[kIndex], value, extra);
}

template <int kIndex>
bool CheckBareAt(char **value, void **extra, GucSource source) {
  return CheckBare(&entries[kIndex], value, extra, source);
}

template <int kIndex>
const char *ShowBareAt() {
  return GetConfigOptionByName(entries[kIndex].setting.name, nullptr, false);
}

using Indexes = std::make_integer_sequence<int, kMaxSettings>;

template <typename T, int... kIndex>
constexpr auto HooksOfAll(std::integer_sequence<int, kIndex...>) {
  return std::array<SettingHooks<T>, kMaxSettings>{
      SettingHooks<T>{CheckAt<T, kIndex>, AssignAt<T, kIndex>}...};
}

template <typename T>
constexpr auto kHooks = HooksOfAll<T>(Indexes{});

struct BareHooks {
  GucStringCheckHook check;
  GucShowHook show;
};

template <int... kIndex>
constexpr auto BareHooksOfAll(std::integer_sequence<int, kIndex...>) {
  return std::array<BareHooks, kMaxSettings>{BareHooks{CheckBareAt<kIndex>, ShowBareAt<kIndex>}...};
}

constexpr auto kBareHooks = BareHooksOfAll(Indexes{});

// Takes the next entry for a setting.
template <typename T>
int Register(const Setting &setting, T *variable, const SettingHooks<T> &hooks) {
  if (entry_count == kMaxSettings) elog(ERROR, "too many settings");
  Entry *entry = &entries[entry_count];
  *entry = {};
  entry->setting = setting;
  entry->check = reinterpret_cast<void (*)()>(hooks.check);
  entry->assign = reinterpret_cast<void (*)()>(hooks.assign);
  entry->variable = variable;
  return entry_count++;
}

// Ends the definition of the dotted name, and defines the bare one where it is free.
void Complete(int index) {
  Entry *entry = &entries[index];
  entry->record = FindSetting(entry->setting.name);
  entry->fresh = false;
  if (!entry->setting.bare) return;
  const char *bare = strchr(entry->setting.name, '.') + 1;
  if (FindSetting(bare) != nullptr) {
    ereport(WARNING, (errmsg("another library has defined the setting \"%s\"", bare),
                      errhint("Use \"%s\" for the setting of heliosdb.", entry->setting.name)));
    return;
  }
  const char *range = MemoryContextStrdup(
      TopMemoryContext,
      psprintf("Bare name of %s, not for configuration files.", entry->setting.name));
  DefineCustomStringVariable(bare, entry->setting.meaning, range, &entry->bare_text, nullptr,
                             PGC_USERSET,
                             entry->setting.flags | GUC_DISALLOW_IN_FILE | GUC_NOT_IN_SAMPLE,
                             kBareHooks[index].check, AssignBare, kBareHooks[index].show);
  entry->bare_record = FindSetting(bare);
  entry->bare = bare;
}

}  // namespace

void DefineBool(const Setting &setting, bool *variable, bool boot, GucContext context,
                SettingHooks<bool> hooks) {
  const int index = Register(setting, variable, hooks);
  DefineCustomBoolVariable(setting.name, setting.meaning, setting.range, variable, boot, context,
                           setting.flags, kHooks<bool>[index].check, kHooks<bool>[index].assign,
                           nullptr);
  Complete(index);
}

void DefineInt(const Setting &setting, int *variable, int boot, int min, int max,
               GucContext context, SettingHooks<int> hooks) {
  const int index = Register(setting, variable, hooks);
  DefineCustomIntVariable(setting.name, setting.meaning, setting.range, variable, boot, min, max,
                          context, setting.flags, kHooks<int>[index].check,
                          kHooks<int>[index].assign, nullptr);
  Complete(index);
}

void DefineReal(const Setting &setting, double *variable, double boot, double min, double max,
                GucContext context, SettingHooks<double> hooks) {
  const int index = Register(setting, variable, hooks);
  DefineCustomRealVariable(setting.name, setting.meaning, setting.range, variable, boot, min, max,
                           context, setting.flags, kHooks<double>[index].check,
                           kHooks<double>[index].assign, nullptr);
  Complete(index);
}

void DefineEnum(const Setting &setting, int *variable, int boot, const config_enum_entry *values,
                GucContext context, SettingHooks<int> hooks) {
  const int index = Register(setting, variable, hooks);
  DefineCustomEnumVariable(setting.name, setting.meaning, setting.range, variable, boot, values,
                           context, setting.flags, kHooks<int>[index].check,
                           kHooks<int>[index].assign, nullptr);
  Complete(index);
}

void DefineString(const Setting &setting, char **variable, const char *boot, GucContext context,
                  SettingHooks<char *> hooks) {
  const int index = Register(setting, variable, hooks);
  DefineCustomStringVariable(setting.name, setting.meaning, setting.range, variable, boot, context,
                             setting.flags, kHooks<char *>[index].check,
                             kHooks<char *>[index].assign, nullptr);
  Complete(index);
}

// A SET of an unknown dotted name leaves a placeholder, which a later definition adopts.
config_generic *FindSetting(const char *name) {
#if PG_VERSION_NUM >= 160000
  return find_option(name, false, true, ERROR);
#else
  config_generic **records = get_guc_variables();
  for (int i = 0; i < GetNumConfigOptions(); i++) {
    if (pg_strcasecmp(records[i]->name, name) == 0) return records[i];
  }
  return nullptr;
#endif
}

bool SettingDefined(const char *name) {
  if (GetConfigOption(name, true, false) == nullptr) return false;
  return (GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) == 0;
}

const Setting *SettingAt(int index) {
  return index < entry_count ? &entries[index].setting : nullptr;
}

const char *BareName(const Setting &setting) {
  for (const Entry &entry : entries) {
    if (&entry.setting == &setting) return entry.bare;
  }
  return nullptr;
}

const char *DottedName(const char *name) {
  for (const Entry &entry : entries) {
    if (entry.bare != nullptr && pg_strcasecmp(entry.bare, name) == 0) return entry.setting.name;
  }
  return nullptr;
}

void NoticeNoEffect(const char *name) {
  for (const Entry &entry : entries) {
    const Setting &setting = entry.setting;
    if (setting.awaits == nullptr || pg_strcasecmp(setting.name, name) != 0) continue;
    ereport(NOTICE, (errmsg("setting \"%s\" has no effect yet",
                            entry.bare != nullptr ? entry.bare : setting.name),
                     errdetail("It will %s.", setting.awaits)));
  }
}

}  // namespace helios::pg
