// Flux: queries that begin with FROM, and pipes.
//
//   FROM t WHERE p SELECT a         ->  SELECT a FROM t WHERE p
//   FROM t |> WHERE p |> SELECT a   ->  SELECT a FROM t WHERE p
//
// Queries are found wherever SELECT may stand: in statements, behind EXPLAIN, AS, INSERT INTO t and
// the like, in parentheses and in set operations.
#pragma once

#include "syntax/core/translate.hpp"

namespace helios::syntax {

// Rewrites a statement; notes in `result` whether something was found, and what was wrong with it.
void ApplyFlux(const TranslateOptions& options, Tokens* statement, Translation* result);

}  // namespace helios::syntax
