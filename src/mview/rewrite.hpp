// Queries that are answered from materialized views: heliosdb.mv_rewrite.
#pragma once

namespace helios::mview {

// Whether the planner looks for views that answer a query.
extern bool rewrite_from_views;

// Installs the hooks of planner and executor.
void InitRewrite();

}  // namespace helios::mview
