// A text as the server's own scanner sees it, token by token.
#pragma once

#include "pg/pg.hpp"

#include "syntax/core/token.hpp"

extern "C" {
#include "common/keywords.h"
#include "parser/scanner.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::syntax {

// base_yylex as the grammar calls it; its first argument is a union that begins with core_YYSTYPE.
using YylexFunction = int (*)(void *value, int *location, core_yyscan_t scanner);

// Codes of the tokens that all grammars over the core scanner share (parser/scanner.h); keywords have
// greater ones.
inline constexpr int kIdent = 258, kFloat = 260, kStringConstant = 261, kBitString = 263,
                     kHexString = 264, kOp = 265, kInteger = 266, kParameter = 267,
                     kNotEquals = 274;

// One token with what the grammar gets: plain bytes, its strings live in the caller's memory context.
struct LexedToken {
  int code;
  core_YYSTYPE value;
  int begin, end;  // bytes of the text
};

struct Lexed {
  const char *text;
  LexedToken *tokens;  // the last one has code 0
  int count;
  ErrorData *error;  // why the scanner stopped before the end of the text, or null
};

// The scanner that a redirect has displaced, or the server's.
extern YylexFunction stock_yylex;

// Scans a text, quietly: PostgreSQL's own parse has given its notices. Results are allocated in the current
// context.
Lexed *Lex(const char *text);

// Describes scanned tokens for the translator; views point into `lexed`. May throw std::bad_alloc.
Tokens Describe(const Lexed &lexed);

// Turns a token of a translation into what the grammar gets.
LexedToken Encode(const Lexed &lexed, const Token &token);

// The place of a byte of a text as error cursors count: characters from 1.
int CursorPosition(const char *text, int byte);

}  // namespace helios::syntax
