#include "syntax/core/translate.hpp"

#include <algorithm>

#include "syntax/core/flux.hpp"
#include "syntax/core/form.hpp"

namespace helios::syntax {

std::vector<int> MatchParentheses(const Tokens& tokens) {
  const int size = static_cast<int>(tokens.size());
  std::vector<int> close(tokens.size(), -1);
  std::vector<int> open;
  const auto is_case = [&](int i) { return IsWord(tokens[i], "case"); };
  for (int i = 0; i < size; i++) {
    const bool label = i > 0 && (IsWord(tokens[i - 1], "as") || IsSymbol(tokens[i - 1], "."));
    if (IsSymbol(tokens[i], "(") || IsSymbol(tokens[i], "[")) {
      open.push_back(i);
      close[i] = size;
    } else if (IsSymbol(tokens[i], ")") || IsSymbol(tokens[i], "]")) {
      while (!open.empty() && is_case(open.back())) open.pop_back();
      if (open.empty()) continue;
      close[open.back()] = i;
      open.pop_back();
    } else if (is_case(i) && !label) {
      open.push_back(i);
    } else if (IsWord(tokens[i], "end") && !label && !open.empty() && is_case(open.back())) {
      close[open.back()] = i;
      open.pop_back();
    }
  }
  return close;
}

int SkipExplain(const Tokens& tokens, const std::vector<int>& close, int begin, int end) {
  int i = begin;
  if (i >= end || !IsWord(tokens[i], "explain")) return begin;
  i++;
  const auto is = [&](std::string_view word) { return i < end && IsWord(tokens[i], word); };
  if (i < end && IsSymbol(tokens[i], "(")) {
    // The parenthesis may also be that of a query.
    const bool query =
        i + 1 < end && (IsWord(tokens[i + 1], "from") || IsWord(tokens[i + 1], "select") ||
                        IsWord(tokens[i + 1], "values") || IsWord(tokens[i + 1], "table") ||
                        IsWord(tokens[i + 1], "with") || IsSymbol(tokens[i + 1], "("));
    return query ? i : std::min(close[i] + 1, end);
  }
  if (is("analyze") || is("analyse")) i++;
  if (is("verbose")) i++;
  return i;
}

namespace {

bool OpensClause(const Token& token) {
  static constexpr std::string_view kWords[] = {
      "select", "from", "where", "group",     "having", "window", "order", "limit", "offset",
      "fetch",  "for",  "union", "intersect", "except", "with",   "as",    "using"};
  return token.kind == TokenKind::kWord &&
         std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return IsWord(token, word); });
}

// Gives made and moved tokens the place at which the user's text goes on after the token before
// them. The grammar reports an error at the token it cannot take: of `FROM t SELECT a, WHERE b`
// that is the FROM moved behind the comma, while the user should look at WHERE. Of moved tokens
// only words that open a clause do so: no parse node keeps their offset.
void SetPlaces(const Tokens& lexed, Tokens* tokens) {
  const int last = static_cast<int>(lexed.size()) - 1;
  int next = 0;
  for (Token& token : *tokens) {
    if (token.source < 0 || (token.source != next && OpensClause(token))) {
      token.begin = lexed[next].begin;
      token.end = lexed[next].end;
    }
    if (token.source >= 0) next = std::min(token.source + 1, last);
  }
}

}  // namespace

void Translate(const Tokens& lexed, const TranslateOptions& options, Translation* result) {
  const std::vector<int> close = MatchParentheses(lexed);
  const int size = static_cast<int>(lexed.size());
  Tokens statement;
  for (int begin = 0; begin < size;) {
    int end = begin;
    while (end < size && !IsSymbol(lexed[end], ";") && lexed[end].kind != TokenKind::kEnd) {
      end = std::max(end + 1, std::min(close[end], size - 1));
    }
    statement.assign(lexed.begin() + begin, lexed.begin() + end);
    if (options.forms && !statement.empty()) ApplyForms(options, &statement, result);
    if (options.flux) ApplyFlux(options, &statement, result);
    result->tokens.insert(result->tokens.end(), statement.begin(), statement.end());
    if (end < size) result->tokens.push_back(lexed[end]);
    begin = end + 1;
  }
  SetPlaces(lexed, &result->tokens);
}

namespace {

// A name as SQL text.
std::string QuoteName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string QuoteString(std::string_view value) {
  // Escape strings mean the same whatever standard_conforming_strings says.
  const bool escape = value.find('\\') != std::string_view::npos;
  std::string quoted = escape ? "E'" : "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + '\'';
}

}  // namespace

std::string Print(const Translation& translation, const Tokens& lexed, std::string_view text) {
  std::string out;
  const Token* before = nullptr;
  for (const Token& token : translation.tokens) {
    const bool follows = before != nullptr && token.source >= 0 && before->source >= 0 &&
                         token.source == before->source + 1;
    const Token* own = token.source < 0 ? nullptr : &lexed[token.source];
    if (before == nullptr) {
      if (token.source == 0) out += text.substr(0, own->begin);
    } else if (follows) {
      const int gap = lexed[before->source].end;
      out += text.substr(gap, own->begin - gap);
    } else if (token.kind != TokenKind::kEnd && !IsSymbol(token, ")") && !IsSymbol(token, ",") &&
               !IsSymbol(token, ";") && !IsSymbol(token, ".") && !IsSymbol(*before, ".") &&
               !IsSymbol(*before, "(")) {
      out += ' ';
    }
    before = &token;
    if (token.kind == TokenKind::kEnd) break;
    if (own != nullptr) {
      out += text.substr(own->begin, own->end - own->begin);
    } else if (token.kind == TokenKind::kName) {
      out += QuoteName(token.text);
    } else if (token.kind == TokenKind::kString) {
      out += QuoteString(token.text);
    } else {
      out += token.text;
    }
  }
  return out;
}

}  // namespace helios::syntax
