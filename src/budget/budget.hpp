// The door of the budget room: background work within a share of the machine's CPU time.
//
// A room that has background work defines a JobKind and registers it in its Init. A worker in the database asks the
// kind which objects have work, and has it done in slices: short transactions that the worker opens and closes.
// Between slices the worker sleeps until there are tokens again; it never sleeps inside a transaction, so neither
// locks nor snapshots are held then.
#pragma once

#include "budget/core/choose.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "storage/lockdefs.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

// One slice of work on one object.
struct Slice {
  Oid object;    // a relation; invalid: the database as a whole
  int64 upto;    // what was found for it
  int64 cursor;  // the kind's own: 0 at the beginning of a pass, then what the last slice left
  bool is_done;  // set it when the pass is over
  double rest_seconds;  // and then, how long the object stays away at least
  // What the work failed of, where the kind has caught that in a subtransaction and noted it: counts as a failure
  // though the transaction commits. Lives in the memory of the slice.
  ErrorData *failure = nullptr;
};

// Where a kind says which objects have work.
class Findings {
 public:
  // Adds an object that needs a pass up to a mark, which is passed over when its last pass reached the same mark.
  virtual void Add(Oid object, int64 upto, Priority priority = Priority::kNormal) = 0;

 protected:
  ~Findings() = default;
};

class JobKind {
 public:
  // The name lives forever. A slice begins only if the lock on its relation is to be had at once.
  constexpr JobKind(const char *name, Budget budget, LOCKMODE lock)
      : name_(name), budget_(budget), lock_(lock) {}

  // Lists what has work in this database; in a transaction with a snapshot, as superuser: it runs nobody's code.
  virtual void Find(Findings *findings) const = 0;

  // Works until the pass is over or Throttle() says so; in a transaction with a snapshot, as the owner of the
  // relation in a security-restricted operation, with an empty search path. What it has done counts when the
  // transaction commits; after an error the object stays away for a while.
  virtual void Work(Slice *slice) const = 0;

  const char *name() const { return name_; }
  Budget budget() const { return budget_; }
  LOCKMODE lock() const { return lock_; }

 protected:
  ~JobKind() = default;

 private:
  const char *name_;
  Budget budget_;
  LOCKMODE lock_;
};

// Adds a kind; for Init functions. It lives forever.
void Register(const JobKind *kind);

// Charges the CPU time used so far, and tells whether the slice must end; never sleeps. In a session that is no
// worker of ours it answers false, so that code can serve both.
bool Throttle();

// Tells what the present slice is about: shown in heliosdb.background_activity. The phase lives forever; progress is
// from 0 to 1, the backlog in units of the kind; negative: unknown.
void Report(const char *phase, double progress, int64 backlog);

// Tells how many cores 100 percent of the machine stand for.
double Cores();

// Has a worker look for work in this database soon.
void Awaken();

// Registers settings, hooks and the launcher.
void InitBudget();

}  // namespace helios::budget
