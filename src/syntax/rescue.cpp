#include "syntax/rescue.hpp"

#include "pg/memory.hpp"
#include "syntax/settings.hpp"
#include "syntax/syntax.hpp"

#include <algorithm>

extern "C" {
// Tells the scanner where the token lies; scanner_yyerror reads it.
void core_yyset_lloc(int *location, core_yyscan_t scanner);
}

namespace helios::syntax {

constinit ParserFunction stock_parser = raw_parser;

namespace {

// The tokens that base_yylex hands out while a translation is being parsed.
struct Supply {
  LexedToken *tokens;
  int count;
  int next;
  bool mode_token;  // the parser's own first token, for the modes of PL/pgSQL, is still to come
  char *cut;  // where the scanner's buffer was cut off behind the last token, and what stood there
  char cut_char;
};

constinit Supply *supply = nullptr;

using Look = void (*)(List *trees);
constinit Look look_at_rescued = nullptr;

// Hands out the next token of a translation.
pg_noinline int NextOfSupply(void *value, int *location, core_yyscan_t scanner) {
  Supply *const from = supply;
  core_yyset_lloc(location, scanner);
  if (from->mode_token) {
    from->mode_token = false;
    return stock_yylex(value, location, scanner);
  }
  char *buffer = (*static_cast<core_yy_extra_type **>(scanner))->scanbuf;
  const LexedToken &token = from->tokens[std::min(from->next++, from->count - 1)];
  *static_cast<core_YYSTYPE *>(value) = token.value;
  *location = token.begin;
  // Like the scanner itself, so that "at or near" shows the token and not all that follows.
  if (from->cut != nullptr) *from->cut = from->cut_char;
  from->cut = buffer + token.end;
  from->cut_char = *from->cut;
  *from->cut = '\0';
  return token.code;
}

// Makes the grammar's tokens of a translation.
Supply *MakeSupply(const Lexed &lexed, const Translation &translation, RawParseMode mode) {
  auto *made = static_cast<Supply *>(palloc0(sizeof(Supply)));
  made->count = static_cast<int>(translation.tokens.size());
  made->tokens = static_cast<LexedToken *>(
      MemoryContextAllocHuge(CurrentMemoryContext, sizeof(LexedToken) * translation.tokens.size()));
  for (int i = 0; i < made->count; i++) made->tokens[i] = Encode(lexed, translation.tokens[i]);
  made->mode_token = mode != RAW_PARSE_DEFAULT;
  return made;
}

// Parses a text that the stock parser rejected with `error`.
List *Rescue(const char *text, RawParseMode mode, ErrorData *error) {
  MemoryContext context = CurrentMemoryContext;
  const Lexed *lexed = Lex(text);
  TranslateOptions options;
  options.flux = flux_sql;
  options.all_forms = unfinished_forms;
  options.statements = mode == RAW_PARSE_DEFAULT;
  const Translation *translation = TranslateLexed(*lexed, options, false);
  if (!translation->changed) ReThrowError(error);
  // Of a form whose text ends in the middle of a constant, the scanner's complaint is the true one.
  if (lexed->error != nullptr) ReThrowError(lexed->error);

  Supply *made = MakeSupply(*lexed, *translation, mode);
  List *volatile tree = NIL;
  PG_TRY();
  {
    supply = made;
    tree = stock_parser(text, mode);
  }
  PG_CATCH();
  {
    supply = nullptr;
    // A translation that gets no further than the text itself was none: `(FROM "C"` in a list of
    // options, EXTRACT(FROM x).
    const int place = std::max(geterrposition(), getinternalerrposition());
    if (geterrcode() != ERRCODE_SYNTAX_ERROR ||
        place > std::max(error->cursorpos, error->internalpos))
      PG_RE_THROW();
    MemoryContextSwitchTo(context);
    FlushErrorState();
    ReThrowError(error);
  }
  PG_END_TRY();
  supply = nullptr;
  FreeErrorData(error);
  if (look_at_rescued != nullptr) look_at_rescued(tree);
  return tree;
}

}  // namespace

void OnRescue(void (*look)(List *trees)) { look_at_rescued = look; }

const Translation *TranslateLexed(const Lexed &lexed, const TranslateOptions &options,
                                  bool internal) {
  auto *translation = pg::InContext<Translation>(CurrentMemoryContext);
  pg::Enter([&] { Translate(Describe(lexed), options, translation); });
  // What stopped the scanner is told before a problem that may come of it.
  if (!translation->problem || lexed.error != nullptr) return translation;

  const Problem &problem = *translation->problem;
  const LexedToken &token = lexed.tokens[std::min(problem.source, lexed.count - 1)];
  const char *message = problem.message.empty() ? nullptr : problem.message.c_str();
  const char *near = pnstrdup(lexed.text + token.begin, token.end - token.begin);
  const int cursor = CursorPosition(lexed.text, token.begin);
  ereport(ERROR,
          (errcode(problem.unsupported ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_SYNTAX_ERROR),
           message != nullptr ? errmsg("%s", message)
           : token.code == 0  ? errmsg("syntax error at end of input")
                              : errmsg("syntax error at or near \"%s\"", near),
           problem.hint.empty() ? 0 : errhint("%s", problem.hint.c_str()),
           internal ? internalerrposition(cursor) : errposition(cursor),
           internal ? internalerrquery(lexed.text) : 0));
  pg_unreachable();
}

// The stock parser comes first: what it accepts is never looked at.
List *ParseWithForms(const char *text, RawParseMode mode) {
  // With exit_on_error an error ends the session before it could be caught.
  if (!syntax_enabled || supply != nullptr || mode == RAW_PARSE_TYPE_NAME || ExitOnAnyError)
    return stock_parser(text, mode);
  List *volatile tree = NIL;
  ErrorData *volatile error = nullptr;
  MemoryContext context = CurrentMemoryContext;
  // Raising an error resets these.
  const uint32 holdoffs = InterruptHoldoffCount, cancel_holdoffs = QueryCancelHoldoffCount;
  PG_TRY();
  { tree = stock_parser(text, mode); }
  PG_CATCH();
  {
    // The raw parser holds no locks, buffers or other resources: nothing but memory is left behind.
    if (geterrcode() != ERRCODE_SYNTAX_ERROR) PG_RE_THROW();
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
    InterruptHoldoffCount = holdoffs;
    QueryCancelHoldoffCount = cancel_holdoffs;
  }
  PG_END_TRY();
  return error == nullptr ? tree : Rescue(text, mode, error);
}

// Small, without a stack frame: every token of every statement passes here.
int SupplyToken(void *value, int *location, core_yyscan_t scanner) {
  if (likely(supply == nullptr)) return stock_yylex(value, location, scanner);
  return NextOfSupply(value, location, scanner);
}

}  // namespace helios::syntax
