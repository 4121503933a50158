// What a worker knows, and how it finds out what has work in its database.
#pragma once

#include "budget/slice.hpp"

namespace helios::budget {

struct Found {
  int kind;
  Oid object;
  int64 upto;
  Priority priority;
  bool is_over;  // the pass is done
};

struct Me {
  int slot;
  uint32 generation;
  SliceContexts contexts;
  MemoryContext findings;  // of the last look; reset by the next one
  Found *found;
  int found_count;
  Candidate *candidates;  // one for each, made when a job is chosen
  Oid extension;          // in which they were found
};

extern Me me;

inline TaskKey KeyOf(const Found &item) { return {MyDatabaseId, item.kind, item.object}; }

// Looks for work of all kinds; false if the extension is not here.
bool Look();

}  // namespace helios::budget
