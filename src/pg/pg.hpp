// PostgreSQL's headers as C++ sees them: include this first in every file that talks to the server.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

// PostgreSQL's macros break std and library headers (std::min, enumerators called ERROR, ...).
#undef Min
#undef Max
#undef Abs
#undef _
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext

#include "pg/guard.hpp"
