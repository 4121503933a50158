#include "hybrid/compression.hpp"

#include "hybrid/forms.hpp"
#include "pg/guc.hpp"

extern "C" {
#include "lib/stringinfo.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

using codec::Policy;

struct NamedAim {
  const char *name;
  Policy::Aim aim;
};
constexpr NamedAim kAims[] = {
    {"auto", Policy::Aim::kAuto}, {"fast", Policy::Aim::kFast}, {"small", Policy::Aim::kSmall}};

constexpr int kDefaultLevel = 3;

char *default_compression;
int compression_level;

// Tells whether a codec takes values of the column; those of numeric may be given as integers.
bool Fits(const codec::CodecInfo &codec, const FormData_pg_attribute &column) {
  return codec.kinds[static_cast<int>(KindOf(FormOf(column)))] ||
         (column.atttypid == NUMERICOID && codec.kinds[static_cast<int>(codec::Kind::kInt)]);
}

bool CheckDefault(char **name, void **, GucSource) {
  Policy policy;
  if (ParseCompression(*name, &policy)) return true;
  GUC_check_errhint("%s", CompressionNames(nullptr));
  return false;
}

}  // namespace

bool ParseCompression(const char *name, Policy *policy) {
  for (const NamedAim &aim : kAims) {
    if (pg_strcasecmp(aim.name, name) != 0) continue;
    policy->aim = aim.aim;
    return true;
  }
  char lower[NAMEDATALEN];
  const size_t length = strlcpy(lower, name, sizeof(lower));
  if (length >= sizeof(lower)) return false;
  for (char *letter = lower; *letter != '\0'; letter++) *letter = pg_ascii_tolower(*letter);
  if (!codec::ParseEncoding({lower, length}, &policy->named)) return false;
  policy->aim = Policy::Aim::kNamed;
  return true;
}

bool FitsColumn(const Policy &policy, const FormData_pg_attribute &column) {
  if (policy.aim != Policy::Aim::kNamed) return true;
  for (const codec::CodecInfo &codec : codec::Registry()) {
    if (codec.codec == policy.named.codec) return Fits(codec, column);
  }
  return false;
}

char *CompressionNames(const FormData_pg_attribute *column) {
  StringInfoData names;
  initStringInfo(&names);
  for (const NamedAim &aim : kAims) appendStringInfo(&names, "%s, ", aim.name);
  appendStringInfoString(&names, "lz4, zstd");
  for (const codec::CodecInfo &codec : codec::Registry()) {
    if (column != nullptr && !Fits(codec, *column)) continue;
    appendStringInfo(&names, ", %.*s", static_cast<int>(codec.name.size()), codec.name.data());
  }
  appendStringInfoString(&names, "; codecs also with +lz4 or +zstd behind.");
  return names.data;
}

Policy DefaultPolicy() {
  Policy policy;
  (void)ParseCompression(default_compression, &policy);
  policy.zstd_level = compression_level;
  return policy;
}

void InitCompression() {
  pg::DefineString({.name = "heliosdb.default_compression",
                    .meaning = "Compression of cold columns that have no option of their own.",
                    .takes_effect = "when rows are made cold"},
                   &default_compression, "auto", PGC_USERSET, {CheckDefault, nullptr});
  pg::DefineInt({.name = "heliosdb.compression_level",
                 .meaning = "Level of zstd where it compresses cold columns.",
                 .range = "1 (fastest) to 22 (smallest).",
                 .takes_effect = "when rows are made cold"},
                &compression_level, kDefaultLevel, 1, kMaxCompressionLevel, PGC_USERSET);
}

}  // namespace helios::hybrid
