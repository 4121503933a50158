// Views with refresh_mode = 'immediate': the transaction that has written what they read maintains them at its end.
#pragma once

namespace helios::mview {

// Notes that which views are immediate, or what views read, is changed by this transaction.
void NoteImmediate();

void InitImmediate();

}  // namespace helios::mview
