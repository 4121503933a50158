// numeric values as scaled integers: 12.50 is 1250 with scale 2. The bytes are the payload of a numeric as
// numeric.c lays it out: a header of 16 bits (or 32), then digits of base 10,000.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace helios::hybrid {

constexpr int kMaxNumericDigits = 18;    // that int64_t always holds
constexpr size_t kMaxNumericBytes = 14;  // of the payload of a numeric with as many digits

// Takes a numeric apart; false where it is not a finite number of at most 18 digits with a scale of at
// most 18, or not written as PostgreSQL writes it.
bool ParseNumeric(std::span<const uint8_t> payload, int64_t *value, int *scale);

// Writes value / 10^scale as PostgreSQL would, and gives the number of bytes, at most kMaxNumericBytes.
// |value| < 10^18, 0 <= scale <= 18; `payload` has room for kMaxNumericBytes in any case.
size_t WriteNumeric(int64_t value, int scale, uint8_t *payload);

}  // namespace helios::hybrid
