// Reads of main's tables as of the fork that no statement of the user contains: rows that are to be copied.
#pragma once

#include "branch/catalog.hpp"
#include "branch/fork.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// The clause that lets time travel read a table as of a fork.
TableSampleClause *SampleAt(ForkPoint fork);

// The same for a table of main that no branch on the way to the session's has changed.
TableSampleClause *ForkSample();

// What a reader of a partly copied table asks for.
enum class Rows : char {
  kAll = 'a',      // those of the branch: of the copy, and main's that it has not got
  kUncopied = 'u'  // main's that it has not got
};

// The same with the rows of a copy that was made row by row in place of main's.
TableSampleClause *OverlaidSample(const Local &local, Rows rows);

// Plans a read of rows of `main` as of the fork, in the columns of its copy. `quals` are conditions on entry 1 of the
// range table. `sample` as above. The caller keeps locks on the tables of the plan.
PlannedStmt *PlanForkRead(Oid main, Oid copy, TableSampleClause *sample, List *quals);

// Runs such a plan, row by row.
class ForkReader {
 public:
  // Prepares to run a plan for a snapshot; `params` are for its parameters.
  void Open(PlannedStmt *plan, ParamListInfo params, Snapshot snapshot);
  // Begins anew, with other values of the parameters.
  void Rescan();
  // The next row, or an empty slot; it lives until the next call.
  TupleTableSlot *Next();
  void Close();
  bool is_open() const { return query_ != nullptr; }

 private:
  QueryDesc *query_ = nullptr;
};

}  // namespace helios::branch
