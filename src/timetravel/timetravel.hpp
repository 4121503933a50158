// The door of time travel: tables as they were.
#pragma once

#include "pg/pg.hpp"

namespace helios::timetravel {

// Installs the planner hook that serves AS OF, and asks for commit timestamps when preloaded.
void InitTimetravel();

// Notes that a row of a table that is laid over the past, there from now on, counts as inserted by an earlier command of
// this transaction. Who reads the table since before, as of a later command, may have missed it, and gets an error where
// that matters.
void NoteInsertedBehind(Oid table, CommandId command);

}  // namespace helios::timetravel
