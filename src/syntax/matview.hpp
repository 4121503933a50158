// Options of materialized views that are not there yet.
#pragma once

namespace helios::syntax {

// Makes CREATE and ALTER MATERIALIZED VIEW refuse the options of incremental views by name.
void InitMatview();

}  // namespace helios::syntax
