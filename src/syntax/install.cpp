#include "syntax/install.hpp"

#include "pg/pg.hpp"
#include "syntax/core/redirect.hpp"
#include "syntax/rescue.hpp"
#include "syntax/settings.hpp"

extern "C" {
#include "nodes/parsenodes.h"

int base_yylex(void *value, int *location, core_yyscan_t scanner);
}
#undef Min
#undef Max
#undef Abs

namespace helios::syntax {

namespace {

constinit Redirect parser_redirect, lexer_redirect;
constinit bool installed = false;
constinit const char *status =
    "not installed: the library is not in shared_preload_libraries; add it and restart the server";

// Parses with redirect and translation; returns what is wrong, or null.
const char *SelfTest() {
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "heliosdb self-test", ALLOCSET_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(context);
  const char *volatile wrong = nullptr;
  PG_TRY();
  {
    if (list_length(stock_parser("SELECT 1", RAW_PARSE_DEFAULT)) != 1)
      wrong = "the displaced parser does not parse";
    List *tree = raw_parser("FROM a |> WHERE b::text = 'c' |> SELECT d", RAW_PARSE_DEFAULT);
    const auto *select = list_length(tree) == 1
                             ? reinterpret_cast<SelectStmt *>(linitial_node(RawStmt, tree)->stmt)
                             : nullptr;
    if (select == nullptr || !IsA(select, SelectStmt) || list_length(select->targetList) != 1 ||
        list_length(select->fromClause) != 1 || select->whereClause == nullptr)
      wrong = "a translated statement is not parsed as it should be";
  }
  PG_CATCH();
  {
    FlushErrorState();
    wrong = "a translated statement is not parsed";
  }
  PG_END_TRY();
  MemoryContextSwitchTo(before);
  MemoryContextDelete(context);
  return wrong;
}

// Does all of it; returns why not, or null.
const char *Install() {
  const char *refusal = lexer_redirect.Prepare(reinterpret_cast<void *>(base_yylex),
                                               reinterpret_cast<void *>(SupplyToken));
  if (refusal == nullptr)
    refusal = parser_redirect.Prepare(reinterpret_cast<void *>(raw_parser),
                                      reinterpret_cast<void *>(ParseWithForms));
  if (refusal != nullptr) return refusal;
  if ((refusal = lexer_redirect.Apply()) != nullptr) return refusal;
  stock_yylex = reinterpret_cast<YylexFunction>(lexer_redirect.original());
  if ((refusal = parser_redirect.Apply()) == nullptr) {
    stock_parser = reinterpret_cast<ParserFunction>(parser_redirect.original());
    refusal = SelfTest();
    if (refusal != nullptr) parser_redirect.Revert();
    if (refusal != nullptr) stock_parser = raw_parser;
  }
  if (refusal == nullptr) return nullptr;
  lexer_redirect.Revert();
  stock_yylex = base_yylex;
  return refusal;
}

}  // namespace

void InstallRedirect() {
  if (!extended_syntax) {
    status = "not installed: heliosdb.extended_syntax is off; set it to on and restart the server";
    return;
  }
  const char *refusal = Install();
  if (refusal == nullptr) {
    installed = true;
    status = "installed: raw_parser and base_yylex are redirected";
    ereport(LOG,
            (errmsg("heliosdb extended syntax is on: raw_parser and base_yylex are redirected"),
             errhint("\"heliosdb.extended_syntax = off\" leaves the server's code alone.")));
    return;
  }
  status = MemoryContextStrdup(TopMemoryContext, psprintf("refused: %s", refusal));
  ereport(LOG, (errmsg("heliosdb extended syntax is unavailable: %s", refusal),
                errdetail("Functions and stock statements keep working.")));
}

bool RedirectInstalled() { return installed; }

const char *RedirectStatus() { return status; }

}  // namespace helios::syntax
