// C++ objects owned by PostgreSQL memory contexts.
#pragma once

#include "pg/pg.hpp"

#include <new>
#include <utility>

namespace helios::pg {

// Constructs a T inside `context`; its destructor runs when the context is reset or deleted, also
// on error. The object must not refer to other objects whose contexts may go first.
template <typename T, typename... Args>
T *InContext(MemoryContext context, Args &&...args) {
  static_assert(alignof(T) <= MAXIMUM_ALIGNOF, "palloc aligns no further");
  struct Holder {
    MemoryContextCallback callback;
    alignas(T) unsigned char bytes[sizeof(T)];
  };
  auto *holder = static_cast<Holder *>(MemoryContextAllocZero(context, sizeof(Holder)));
  T *object = new (holder->bytes) T(std::forward<Args>(args)...);
  holder->callback.func = [](void *arg) { static_cast<T *>(arg)->~T(); };
  holder->callback.arg = object;
  MemoryContextRegisterResetCallback(context, &holder->callback);
  return object;
}

}  // namespace helios::pg
