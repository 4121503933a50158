// Instants at which it was known which transactions had ended: a floor for cuts of the past.
//
//   heliosdb_log.instants   at timestamptz   floor xid8: every transaction below it had ended by then
//
// Without them each row that was written since its table is tracked would need its commit timestamp.
// Transactions that write to tracked tables leave one now and then; a floor too low is only slower.
#pragma once

#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

namespace helios::changelog {

// Records the present instant if nobody has done so for a while; for transactions that write anyway.
void NoteInstant();

}  // namespace helios::changelog
