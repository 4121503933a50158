// SQL functions: state of the redirect, list of forms, translation as text.
#include "pg/pg.hpp"

#include "syntax/core/form.hpp"
#include "syntax/install.hpp"
#include "syntax/rescue.hpp"
#include "syntax/settings.hpp"

extern "C" {
#include "access/htup_details.h"
#include "funcapi.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::syntax {

namespace {

// Translates SQL text, Flux always and forms as far as they are accepted; text without any comes back as it
// is.
text *ToSql(const char *sql) {
  const Lexed *lexed = Lex(sql);
  if (lexed->error != nullptr) {
    // The scanner took the text for the client's statement.
    lexed->error->internalpos = lexed->error->cursorpos;
    lexed->error->internalquery = pstrdup(sql);
    lexed->error->cursorpos = 0;
    ReThrowError(lexed->error);
  }
  const Translation *translation = TranslateLexed(*lexed, TranslateOptions{}, true);
  if (!translation->changed) return cstring_to_text(sql);
  text *result = nullptr;
  pg::Enter([&] {
    const std::string printed = Print(*translation, Describe(*lexed), sql);
    result = pg::Call([&] { return cstring_to_text_with_len(printed.data(), printed.size()); });
  });
  return result;
}

}  // namespace

}  // namespace helios::syntax

HELIOS_FUNCTION(flux_to_sql) {
  char *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
  PG_RETURN_TEXT_P(helios::syntax::ToSql(sql));
}

// Returns one row: whether the redirect is installed, whether the session uses it, and why not.
HELIOS_FUNCTION(syntax_status) {
  TupleDesc row;
  if (get_call_result_type(fcinfo, nullptr, &row) != TYPEFUNC_COMPOSITE)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the function returns a row")));
  Datum values[] = {
      BoolGetDatum(helios::syntax::RedirectInstalled()),
      BoolGetDatum(helios::syntax::RedirectInstalled() && helios::syntax::syntax_enabled),
      CStringGetTextDatum(helios::syntax::RedirectStatus())};
  bool nulls[lengthof(values)] = {};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

// Returns the forms that are accepted.
HELIOS_FUNCTION(syntax_forms) {
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  for (const helios::syntax::Form &form : helios::syntax::Forms()) {
    if (!form.accepted) continue;
    Datum values[] = {CStringGetTextDatum(form.name), CStringGetTextDatum(form.meaning),
                      CStringGetTextDatum(form.pattern), CStringGetTextDatum(form.target)};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  return Datum{0};
}
