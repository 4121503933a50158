#include "syntax/lex.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/guc.h"

int base_yylex(void *value, int *location, core_yyscan_t scanner);
}
#undef Min
#undef Max
#undef Abs

#include <cctype>
#include <cstring>

namespace helios::syntax {

constinit YylexFunction stock_yylex = base_yylex;

namespace {

// base_yy_extra_type, which later versions do not install: core_yy_extra_type and then some state of the
// grammar, zero at first.
struct Extra {
  core_yy_extra_type core;
  char grammar[512];
};

constexpr int kFirstCapacity = 64;
constexpr int kTokensBetweenInterrupts = 4096;

// Scans to the end of the text or to an error.
void LexAll(Lexed *lexed) {
  auto *extra = static_cast<Extra *>(palloc0(sizeof(Extra)));
  core_yyscan_t scanner = scanner_init(lexed->text, &extra->core, &ScanKeywords, ScanKeywordTokens);
  extra->core.escape_string_warning = false;
  int capacity = kFirstCapacity;
  lexed->tokens = static_cast<LexedToken *>(palloc(sizeof(LexedToken) * capacity));
  int code;
  do {
    // Keeps a place for the closing token that an error leaves to be added.
    if (lexed->count + 1 >= capacity) {
      capacity *= 2;
      lexed->tokens = static_cast<LexedToken *>(
          repalloc_huge(lexed->tokens, sizeof(LexedToken) * static_cast<Size>(capacity)));
    }
    if (lexed->count % kTokensBetweenInterrupts == 0) CHECK_FOR_INTERRUPTS();
    LexedToken *token = &lexed->tokens[lexed->count];
    memset(&token->value, 0, sizeof(token->value));
    code = token->code = stock_yylex(&token->value, &token->begin, scanner);
    // The scanner cuts its buffer off behind the token.
    token->end = token->begin + static_cast<int>(strlen(extra->core.scanbuf + token->begin));
    lexed->count++;
  } while (code != 0);
  scanner_finish(scanner);
}

}  // namespace

Lexed *Lex(const char *text) {
  auto *lexed = static_cast<Lexed *>(palloc0(sizeof(Lexed)));
  MemoryContext context = CurrentMemoryContext;
  const int client_level = client_min_messages, log_level = log_min_messages;
  const uint32 holdoffs = InterruptHoldoffCount, cancel_holdoffs = QueryCancelHoldoffCount;
  lexed->text = text;
  client_min_messages = log_min_messages = ERROR;
  PG_TRY();
  { LexAll(lexed); }
  PG_CATCH();
  {
    client_min_messages = client_level;
    log_min_messages = log_level;
    // The scanner complains in these classes; whatever else was raised, a cancel or a conflict with
    // recovery, is not about the text.
    const int category = ERRCODE_TO_CATEGORY(geterrcode());
    if (category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
        category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_FEATURE_NOT_SUPPORTED)
      PG_RE_THROW();
    MemoryContextSwitchTo(context);
    lexed->error = CopyErrorData();
    FlushErrorState();
    InterruptHoldoffCount = holdoffs;
    QueryCancelHoldoffCount = cancel_holdoffs;
    const int end = static_cast<int>(strlen(text));
    lexed->tokens[lexed->count++] = {0, {}, end, end};
  }
  PG_END_TRY();
  client_min_messages = client_level;
  log_min_messages = log_level;
  return lexed;
}

Tokens Describe(const Lexed &lexed) {
  Tokens tokens;
  tokens.reserve(lexed.count);
  for (int i = 0; i < lexed.count; i++) {
    const LexedToken &lexed_token = lexed.tokens[i];
    Token token;
    token.begin = lexed_token.begin;
    token.end = lexed_token.end;
    token.source = i;
    const char *at = lexed.text + token.begin;
    token.text = std::string_view(at, token.end - token.begin);
    switch (lexed_token.code) {
      case 0:
        token.kind = TokenKind::kEnd;
        break;
      case kIdent:
        token.kind = TokenKind::kName;
        token.text = lexed_token.value.str;
        // "name" or U&"name"
        token.quoted = *at == '"' || (token.end - token.begin > 2 && at[1] == '&' && at[2] == '"');
        token.alias = true;
        break;
      case kStringConstant:
        token.kind = TokenKind::kString;
        token.text = lexed_token.value.str;
        break;
      case kFloat:
      case kInteger:
        token.kind = TokenKind::kNumber;
        break;
      case kBitString:
      case kHexString:
        token.kind = TokenKind::kOther;
        break;
      case kOp:
        token.kind = TokenKind::kOperator;
        token.text = lexed_token.value.str;
        break;
      case kParameter:
        token.kind = TokenKind::kParam;
        break;
      default:
        if (lexed_token.code <= kNotEquals) {
          token.kind = TokenKind::kSymbol;
        } else {
          token.kind = TokenKind::kWord;
          token.text = lexed_token.value.keyword;
          const int keyword = ScanKeywordLookup(lexed_token.value.keyword, &ScanKeywords);
          token.alias = keyword >= 0 && (ScanKeywordCategories[keyword] == UNRESERVED_KEYWORD ||
                                         ScanKeywordCategories[keyword] == COL_NAME_KEYWORD);
        }
    }
    tokens.push_back(token);
  }
  return tokens;
}

LexedToken Encode(const Lexed &lexed, const Token &token) {
  LexedToken encoded{};
  if (token.source >= 0) {
    encoded = lexed.tokens[token.source];
    encoded.begin = token.begin;
    encoded.end = token.end;
    return encoded;
  }
  char *text = pnstrdup(token.text.data(), token.text.size());
  encoded.begin = token.begin;
  encoded.end = token.end;
  encoded.value.str = text;
  switch (token.kind) {
    case TokenKind::kWord: {
      for (char *c = text; *c != '\0'; c++)
        *c = static_cast<char>(tolower(static_cast<unsigned char>(*c)));
      const int keyword = ScanKeywordLookup(text, &ScanKeywords);
      encoded.code = keyword < 0 ? kIdent : ScanKeywordTokens[keyword];
      if (keyword >= 0) encoded.value.keyword = GetScanKeyword(keyword, &ScanKeywords);
      break;
    }
    case TokenKind::kName:
      encoded.code = kIdent;
      break;
    case TokenKind::kString:
      encoded.code = kStringConstant;
      break;
    case TokenKind::kNumber:
      encoded.code = kInteger;
      encoded.value.ival = pg_strtoint32(text);
      break;
    default:
      encoded.code = static_cast<unsigned char>(text[0]);
  }
  return encoded;
}

int CursorPosition(const char *text, int byte) { return pg_mbstrlen_with_len(text, byte) + 1; }

}  // namespace helios::syntax
