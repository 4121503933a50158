// The translator: statements that the stock grammar rejects become tokens of statements that it
// accepts.
//
// Pure: the server lexes, and parses what comes out. Order of the passes over each statement: forms
// (form.hpp), then Flux (flux.hpp). A text in which nothing matches is left alone.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "syntax/core/token.hpp"

namespace helios::syntax {

// What the user wrote wrong inside a form, known only to the form.
struct Problem {
  int source = 0;            // token that the error points at
  std::string message;       // empty: "syntax error at or near" that token
  std::string hint;          // may be empty
  bool unsupported = false;  // feature not supported, rather than a syntax error
};

struct TranslateOptions {
  bool flux = true;        // FROM-first and pipes
  bool forms = true;       // forms of the table that are accepted
  bool all_forms = false;  // also those whose feature is not there yet, for tests
  bool statements = true;  // false: the text is an expression or assignment of PL/pgSQL
};

// The outcome; owns the texts of made tokens.
struct Translation {
  Tokens tokens;  // ends with a kEnd token
  bool changed = false;
  std::optional<Problem> problem;
  std::deque<std::string> texts;  // a deque: views into it stay valid

  // Keeps a text for a made token.
  std::string_view Keep(std::string text) { return texts.emplace_back(std::move(text)); }
};

// Translates a lexed text, which ends with a kEnd token; `source` of its tokens counts from 0.
// Throws std::bad_alloc only.
void Translate(const Tokens& lexed, const TranslateOptions& options, Translation* result);

// Writes a translation as SQL: the user's own bytes where tokens stand as he wrote them, made and
// moved ones between single spaces. `lexed` are the tokens of `text`.
std::string Print(const Translation& translation, const Tokens& lexed, std::string_view text);

}  // namespace helios::syntax
