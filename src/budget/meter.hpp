// The CPU time of this process, and what it is charged to.
#pragma once

#include "budget/shared.hpp"

namespace helios::budget {

// Charges what this process has used since the last call, user and system time; takes the lock.
void Meter(Budget budget, Task *task);

// Frames a slice: what is used until the end is charged to the task, and Throttle() speaks of it.
void BeginSlice(int slot, Budget budget, Task *task);
void EndSlice();

}  // namespace helios::budget
