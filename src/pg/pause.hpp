// Named pause points: places where tests stop a backend to kill it or to race it.
//
// `SET heliosdb.pause_point = 'name'` (superuser) makes the session wait there until the query is cancelled, or somebody
// holds the advisory lock whose number is the session's process id; the server log says "pause point reached: name".
#pragma once

namespace helios::pg {

extern char *pause_point;  // value of heliosdb.pause_point, empty by default

// Waits when `name` is the chosen point.
void PauseSlow(const char *name);

// Stops here when a test asked for it; never call it while holding a lightweight lock or a buffer
// lock that the test does not mean to hold.
inline void Pause(const char *name) {
  if (pause_point != nullptr && pause_point[0] != '\0') PauseSlow(name);
}

}  // namespace helios::pg
