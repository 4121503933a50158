// A lexer for tests: tokens of SQL text as the server's scanner and Describe (lex.cpp) give them,
// with the keywords that the tests need and without Unicode escapes and dollar quotes.
#pragma once

#include <algorithm>
#include <cctype>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>

#include "syntax/core/translate.hpp"

namespace helios::syntax {

// Keywords that may name a column or table without AS, and keywords that may not.
constexpr std::string_view kFreeKeywords[] = {
    "abort",        "aggregate",  "also",      "alter",    "at",         "atomic",
    "attach",       "begin",      "between",   "bigint",   "by",         "call",
    "cascaded",     "coalesce",   "commit",    "conflict", "copy",       "cube",
    "cursor",       "data",       "database",  "date",     "deallocate", "declare",
    "delete",       "drop",       "escape",    "execute",  "exists",     "explain",
    "extract",      "filter",     "first",     "force",    "function",   "grouping",
    "groups",       "if",         "index",     "insert",   "instead",    "int",
    "interval",     "key",        "language",  "last",     "local",      "matched",
    "materialized", "merge",      "next",      "no",       "nothing",    "nulls",
    "numeric",      "of",         "off",       "option",   "ordinality", "over",
    "overlay",      "overriding", "partition", "position", "prepare",    "procedure",
    "range",        "recursive",  "rename",    "replace",  "return",     "returns",
    "rollup",       "row",        "rows",      "rule",     "schema",     "scroll",
    "set",          "sets",       "share",     "show",     "skip",       "sql",
    "stdin",        "stdout",     "substring", "system",   "tablespace", "temp",
    "temporary",    "text",       "ties",      "time",     "timestamp",  "transaction",
    "transform",    "trim",       "type",      "unlogged", "update",     "value",
    "values",       "view",       "within",    "without",  "zone"};
constexpr std::string_view kTightKeywords[] = {
    "all",         "analyse",      "analyze", "and",      "any",      "array",     "as",
    "asc",         "both",         "case",    "cast",     "check",    "collate",   "create",
    "cross",       "current_date", "default", "desc",     "distinct", "do",        "else",
    "end",         "except",       "false",   "fetch",    "for",      "from",      "full",
    "group",       "having",       "in",      "inner",    "into",     "intersect", "is",
    "join",        "lateral",      "leading", "left",     "like",     "limit",     "natural",
    "not",         "null",         "offset",  "on",       "only",     "or",        "order",
    "outer",       "returning",    "right",   "select",   "similar",  "some",      "table",
    "tablesample", "then",         "to",      "trailing", "true",     "union",     "unique",
    "user",        "using",        "verbose", "when",     "where",    "window",    "with"};

// Tokens of a text, with the end token; owns what they point to.
class TestText {
 public:
  explicit TestText(std::string text) : text_(std::move(text)) {
    while (SkipBlanks()) Lex();
    Add(TokenKind::kEnd, text_.size(), {});
  }
  TestText(const TestText&) = delete;
  TestText& operator=(const TestText&) = delete;

  const std::string& text() const { return text_; }
  const Tokens& tokens() const { return tokens_; }

 private:
  static bool IsOperatorCharacter(char c) {
    return std::string_view("~!@#^&|`?+-*/%<>=").find(c) != std::string_view::npos;
  }
  static bool StartsName(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
  }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  bool StartsWith(size_t at, std::string_view what) const {
    return std::string_view(text_).substr(at, what.size()) == what;
  }

  // Skips blanks and comments; false at the end of the text.
  bool SkipBlanks() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
        at_++;
      } else if (StartsWith(at_, "--")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (StartsWith(at_, "/*")) {
        SkipComment();
      } else {
        return true;
      }
    }
    return false;
  }

  void SkipComment() {
    int depth = 0;
    do {
      if (StartsWith(at_, "/*")) depth++;
      if (StartsWith(at_, "*/")) depth--;
      at_ += StartsWith(at_, "/*") || StartsWith(at_, "*/") ? 2 : 1;
    } while (depth > 0 && at_ < text_.size());
    at_ = std::min(at_, text_.size());
  }

  // Adds the token from the current place to `end`; empty `value`: its own text.
  Token& Add(TokenKind kind, size_t end, std::string_view value) {
    Token token;
    token.kind = kind;
    token.text = value.empty() ? std::string_view(text_).substr(at_, end - at_) : value;
    token.begin = static_cast<int>(at_);
    token.end = static_cast<int>(end);
    token.source = static_cast<int>(tokens_.size());
    at_ = end;
    return tokens_.emplace_back(token);
  }

  void Lex() {
    const char c = text_[at_];
    if (c == '"' || c == '\'') return LexQuoted(c);
    if ((c == 'E' || c == 'e') && StartsWith(at_ + 1, "'")) {
      at_++;
      LexQuoted('\'');
      tokens_.back().begin--;
      return;
    }
    if (StartsName(c)) return LexWord();
    if (IsDigit(c) || (c == '.' && at_ + 1 < text_.size() && IsDigit(text_[at_ + 1]))) {
      size_t end = at_;
      while (end < text_.size() && (IsDigit(text_[end]) || text_[end] == '.')) end++;
      Add(TokenKind::kNumber, end, {});
      return;
    }
    if (c == '$') {
      size_t end = at_ + 1;
      while (end < text_.size() && IsDigit(text_[end])) end++;
      Add(TokenKind::kParam, end, {});
      return;
    }
    if (IsOperatorCharacter(c)) return LexOperator();
    size_t size = 1;
    for (const std::string_view two : {"::", ":=", ".."}) {
      if (StartsWith(at_, two)) size = two.size();
    }
    Add(TokenKind::kSymbol, at_ + size, {});
  }

  // "name" or 'string', a doubled quote in it; an unfinished one ends with the text.
  void LexQuoted(char quote) {
    std::string value;
    size_t end = at_ + 1;
    for (; end < text_.size(); end++) {
      if (text_[end] == quote) {
        if (end + 1 >= text_.size() || text_[end + 1] != quote) break;
        end++;
      }
      value += text_[end];
    }
    end = std::min(end + 1, text_.size());
    values_.push_back(std::move(value));
    Token& token = Add(quote == '"' ? TokenKind::kName : TokenKind::kString, end, {});
    token.text = values_.back();
    token.quoted = token.alias = quote == '"';
  }

  void LexWord() {
    size_t end = at_;
    while (end < text_.size() &&
           (StartsName(text_[end]) || IsDigit(text_[end]) || text_[end] == '$'))
      end++;
    std::string& word = values_.emplace_back(text_, at_, end - at_);
    for (char& letter : word)
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    const auto known = [&](const auto& words) {
      return std::find(std::begin(words), std::end(words), word) != std::end(words);
    };
    const bool free = known(kFreeKeywords), keyword = free || known(kTightKeywords);
    Token& token = Add(keyword ? TokenKind::kWord : TokenKind::kName, end, word);
    token.alias = free || !keyword;
  }

  // A run of operator characters, up to a comment; + and - end one only behind special characters.
  void LexOperator() {
    size_t end = at_;
    while (end < text_.size() && IsOperatorCharacter(text_[end]) && !StartsWith(end, "--") &&
           !StartsWith(end, "/*"))
      end++;
    const auto special = [&] { return text_.find_first_of("~!@#^&|`?%", at_) < end; };
    while (end > at_ + 1 && (text_[end - 1] == '+' || text_[end - 1] == '-') && !special()) end--;
    const std::string_view op = std::string_view(text_).substr(at_, end - at_);
    static constexpr std::string_view kSymbols[] = {"+", "-", "*",  "/",  "%",  "^",  "<",
                                                    ">", "=", "<=", ">=", "<>", "!=", "=>"};
    const bool symbol =
        std::find(std::begin(kSymbols), std::end(kSymbols), op) != std::end(kSymbols);
    Add(symbol ? TokenKind::kSymbol : TokenKind::kOperator, end, {});
  }

  const std::string text_;
  size_t at_ = 0;
  Tokens tokens_;
  std::deque<std::string> values_;
};

inline bool SameTokens(const Tokens& a, const Tokens& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Token& x, const Token& y) {
    return x.kind == y.kind && x.quoted == y.quoted && x.alias == y.alias && x.text == y.text &&
           x.begin == y.begin && x.end == y.end && x.source == y.source;
  });
}

// What becomes of a text, in one line: "same", the translation, or the problem and its token.
inline std::string Outcome(std::string text, const TranslateOptions& options = {}) {
  const TestText lexed(std::move(text));
  Translation result;
  Translate(lexed.tokens(), options, &result);
  if (!result.changed) return SameTokens(result.tokens, lexed.tokens()) ? "same" : "not the same";
  if (!result.problem) return Print(result, lexed.tokens(), lexed.text());
  const Problem& problem = *result.problem;
  std::string line = problem.unsupported ? "unsupported" : "error";
  line += " at " + std::to_string(problem.source) + ' ';
  line += lexed.tokens().at(problem.source).text;
  if (!problem.message.empty()) line += ": " + problem.message;
  if (!problem.hint.empty()) line += "; " + problem.hint;
  return line;
}

}  // namespace helios::syntax
