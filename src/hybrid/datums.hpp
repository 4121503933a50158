// Datums of decoded values.
#pragma once

#include "codec/codec.hpp"
#include "hybrid/core/numeric.hpp"
#include "hybrid/forms.hpp"
#include "pg/pg.hpp"

namespace helios::hybrid {

constexpr size_t kNumericRoom = MAXALIGN(VARHDRSZ + kMaxNumericBytes);

// What values of a column become: `length` is that of the type, `scale` that of numeric values.
struct Shape {
  Form form;
  int16 length;
  int scale;
};

// Makes a numeric of a scaled integer in kNumericRoom aligned bytes.
Datum MakeNumeric(int64 value, int scale, char *room);

// Makes Datums of decoded values [from, from + count), those by reference in one piece of the current memory context;
// false if a value has another length than its type.
bool MakeDatums(const codec::Values &values, size_t from, size_t count, const Shape &shape,
                Datum *to);

}  // namespace helios::hybrid
