#include "pg/handles.hpp"

#include <stdexcept>

extern "C" {
#include "access/relation.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

RelationHandle::RelationHandle(Oid relation, LOCKMODE lock)
    : relation_(Call([&] { return relation_open(relation, lock); })) {}

RelationHandle::~RelationHandle() {
  if (!watch_.unwinding()) relation_close(relation_, NoLock);
}

BlockNumber RelationHandle::blocks() const {
  return Call([&] { return RelationGetNumberOfBlocks(relation_); });
}

SpiSession::SpiSession() {
  if (Call([] { return SPI_connect(); }) != SPI_OK_CONNECT)
    throw std::runtime_error("could not connect to SPI");
}

SpiSession::~SpiSession() {
  if (!watch_.unwinding()) SPI_finish();
}

uint64 SpiSession::Execute(const char *sql, bool read_only, long limit) {
  if (Call([&] { return SPI_execute(sql, read_only, limit); }) < 0)
    throw std::runtime_error("SPI refuses the statement");
  return SPI_processed;
}

std::string_view SpiSession::Text(uint64 row, int column) const {
  if (SPI_tuptable == nullptr || row >= SPI_tuptable->numvals)
    throw std::out_of_range("no such row in the result");
  const char *text =
      Call([&] { return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column); });
  return text == nullptr ? std::string_view() : text;
}

}  // namespace helios::pg
