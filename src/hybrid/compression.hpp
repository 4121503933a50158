// Compression as users name it: 'auto', 'fast', 'small', or the encoding of a codec; and the defaults of the server.
#pragma once

#include "codec/codec.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "catalog/pg_attribute.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

constexpr int kMaxCompressionLevel = 22;  // of zstd

// Registers heliosdb.default_compression and heliosdb.compression_level.
void InitCompression();

// How columns are encoded of which nothing else is said.
codec::Policy DefaultPolicy();

// Takes what a name stands for, and leaves the level; false if there is no such name.
bool ParseCompression(const char *name, codec::Policy *policy);

// Tells whether the values of a column can be encoded so.
bool FitsColumn(const codec::Policy &policy, const FormData_pg_attribute &column);

// Lists the names that fit a column (null: all names), for hints.
char *CompressionNames(const FormData_pg_attribute *column);

}  // namespace helios::hybrid
