// Chained hooks: installs a function into a PostgreSQL hook and remembers who was there before.
#pragma once

#include "pg/pg.hpp"

namespace helios::pg {

// One link of a hook chain; a constinit global per hook, so that nothing runs at exit.
template <typename Hook>
class HookChain {
 public:
  // Installs `mine` in `*slot`; the previous hook is kept and must be called by `mine` through
  // previous().
  void Install(Hook *slot, Hook mine) {
    previous_ = *slot;
    *slot = mine;
  }
  Hook previous() const { return previous_; }
  // What `mine` goes on with: the previous hook, or what the server does without any.
  Hook next(Hook standard) const { return previous_ != nullptr ? previous_ : standard; }

 private:
  Hook previous_ = nullptr;
};

}  // namespace helios::pg
