// Settings of the room.
#pragma once

namespace helios::mview {

// Part of a table's rows that may have changed; beyond it a full refresh is taken for cheaper.
extern double full_refresh_fraction;

// Load average for each core up to which the machine counts as idle, for lazy views.
extern double idle_load;

// So many changes are always applied incrementally.
inline constexpr double kSmallBacklog = 1000;

}  // namespace helios::mview
