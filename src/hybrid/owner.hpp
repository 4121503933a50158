// Runs what a table's owner has written (index expressions) as the owner.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Between Begin and End the owner of a table is the user, restricted, with a search path of his own. An
// error ends it as well.
class AsOwner {
 public:
  void Begin(Relation rel) {
    GetUserIdAndSecContext(&user_, &security_);
    SetUserIdAndSecContext(rel->rd_rel->relowner, security_ | SECURITY_RESTRICTED_OPERATION);
    settings_ = NewGUCNestLevel();
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
  }
  void End() {
    AtEOXact_GUC(false, settings_);
    SetUserIdAndSecContext(user_, security_);
  }

 private:
  Oid user_;
  int security_;
  int settings_;
};

}  // namespace helios::hybrid
