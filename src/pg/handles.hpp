// Relations and SPI for C++ code that holds live objects: every call into PostgreSQL passes the
// fence, so errors come as pg::Error. Where one unwinds a handle, the handle leaves its resources to
// the abort of the (sub)transaction that must follow.
#pragma once

#include "pg/pg.hpp"

#include <exception>
#include <string_view>

extern "C" {
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Tells, at the end of a scope, whether an exception is leaving it.
class UnwindWatch {
 public:
  bool unwinding() const { return std::uncaught_exceptions() != at_start_; }

 private:
  int at_start_ = std::uncaught_exceptions();
};

// An open table, index or other relation; the lock is kept to the end of the transaction.
class RelationHandle {
 public:
  RelationHandle(Oid relation, LOCKMODE lock);
  ~RelationHandle();
  RelationHandle(const RelationHandle &) = delete;
  RelationHandle &operator=(const RelationHandle &) = delete;
  Relation get() const { return relation_; }
  BlockNumber blocks() const;  // of the main fork

 private:
  UnwindWatch watch_;
  Relation relation_;
};

// A connection to the Server Programming Interface.
class SpiSession {
 public:
  SpiSession();
  ~SpiSession();
  SpiSession(const SpiSession &) = delete;
  SpiSession &operator=(const SpiSession &) = delete;
  // Runs one statement and returns the number of rows; at most `limit` (0: all) are kept.
  uint64 Execute(const char *sql, bool read_only, long limit = 0);
  // Text of a value of the last result, valid until the session ends; empty for NULL. Columns count
  // from 1, rows from 0.
  std::string_view Text(uint64 row, int column) const;

 private:
  UnwindWatch watch_;
};

}  // namespace helios::pg
