// Creating and dropping branches.
#pragma once

#include "branch/catalog.hpp"

namespace helios::branch {

// Notes whether every session has the library.
void InitManage();

// Raises an error unless the role may change, merge or drop a branch.
void RequireOwner(const Branch &branch);

}  // namespace helios::branch
