// Creating and dropping branches.
#pragma once

namespace helios::branch {

// Notes whether every session has the library.
void InitManage();

}  // namespace helios::branch
