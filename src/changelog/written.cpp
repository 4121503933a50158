// What the present transaction has written of what is tracked, for rooms that do something about that at its end.
#include "changelog/track.hpp"

extern "C" {
#include "access/xact.h"
#include "nodes/pg_list.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// Lies in the memory of the transaction.
constinit List *written = NIL;

// Forgets what an ended transaction has written.
void ForgetWritten(XactEvent event, void *) {
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
    written = NIL;
}

}  // namespace

void InitWritten() { RegisterXactCallback(ForgetWritten, nullptr); }

void NoteWritten(Oid relation) {
  MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
  written = list_append_unique_oid(written, relation);
  MemoryContextSwitchTo(before);
}

const List *WrittenRelations() { return written; }

}  // namespace helios::changelog
