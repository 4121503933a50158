// The front door: one Init per room, nothing else.
#include "pg/pg.hpp"

#include "branch/branch.hpp"
#include "budget/budget.hpp"
#include "changelog/changelog.hpp"
#include "hnsw/hnsw.hpp"
#include "hybrid/hybrid.hpp"
#include "mview/mview.hpp"
#include "pg/module.hpp"
#include "settings/settings.hpp"
#include "syntax/syntax.hpp"
#include "timetravel/timetravel.hpp"
#include "vector/vector.hpp"

extern "C" {
PG_MODULE_MAGIC;

void _PG_init(void);

void _PG_init(void) {
  helios::pg::InitPg();
  helios::settings::InitSettings();
  helios::budget::InitBudget();
  helios::vector::InitVector();
  helios::hnsw::InitHnsw();
  helios::hybrid::InitHybrid();
  helios::syntax::InitSyntax();
  helios::changelog::InitChangelog();
  helios::timetravel::InitTimetravel();
  helios::branch::InitBranch();
  helios::mview::InitMview();
  helios::pg::FinishPg();
}
}
