// The rescue: what happens to a text that the stock parser rejects.
//
//   raw_parser ──> stock parser ── accepts ──────────────────────────> parse tree
//   (redirected)       │ syntax error
//                      └> Lex ─> Translate ─ nothing of ours ─> the error, unchanged
//                                    │ tokens
//                                    └> stock parser, whose base_yylex hands them out ─> parse tree
#pragma once

#include "pg/pg.hpp"

#include "syntax/core/translate.hpp"
#include "syntax/lex.hpp"

extern "C" {
#include "parser/parser.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::syntax {

using ParserFunction = List *(*)(const char *text, RawParseMode mode);

// The parser that a redirect has displaced.
extern ParserFunction stock_parser;

// What takes the place of raw_parser and base_yylex.
List *ParseWithForms(const char *text, RawParseMode mode);
int SupplyToken(void *value, int *location, core_yyscan_t scanner);

// Translates a scanned text; the outcome lives in the current memory context. Raises what is wrong inside a
// form, its cursor in the text (`internal`: as an internal query).
const Translation *TranslateLexed(const Lexed &lexed, const TranslateOptions &options,
                                  bool internal);

}  // namespace helios::syntax
