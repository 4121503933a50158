// Tokens as the translator sees them: the server's scanner without the server.
//
//   user's text   FROM  orders  SELECT  id
//   source        0     1       2       3        place of a token in the lexed text
//   translated    SELECT(2)  id(3)  FROM(0)  orders(1)
//
// A translation reorders tokens and adds made ones (source = -1); it never changes one, so that the
// grammar sees values and offsets of the user's own text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace helios::syntax {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,    // a keyword of the server; made ones are keywords if the server knows them, else names
  kName,    // an identifier
  kString,  // a string constant
  kNumber,  // an integer or float constant
  kParam,   // $n
  kOperator,  // an operator of the operator characters
  kSymbol,    // ( ) , . ; = :: and the like
  kOther,     // bit strings
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  bool quoted = false;    // an identifier in double quotes: never a word of a form
  bool alias = false;     // may name a column or table without AS: the grammar's ColId
  std::string_view text;  // words in lower case, names folded, contents of strings
  int begin = 0,
      end = 0;      // bytes of the user's text; of made and moved ones, where an error points
  int source = -1;  // index in the lexed text
};

using Tokens = std::vector<Token>;

// Compares with a text in lower case; made words may have been written in upper case.
inline bool EqualsFolded(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// True for the keyword or unquoted name `word`, given in lower case.
inline bool IsWord(const Token& token, std::string_view word) {
  return (token.kind == TokenKind::kWord || (token.kind == TokenKind::kName && !token.quoted)) &&
         (token.source < 0 ? EqualsFolded(token.text, word) : token.text == word);
}

inline bool IsSymbol(const Token& token, std::string_view symbol) {
  return token.kind == TokenKind::kSymbol && token.text == symbol;
}

// True for a keyword or an identifier.
inline bool IsNameLike(const Token& token) {
  return token.kind == TokenKind::kWord || token.kind == TokenKind::kName;
}

// For every opening parenthesis or bracket the index of the closing one (the end of the tokens
// where there is none), for a CASE that ends the index of its END, -1 elsewhere.
std::vector<int> MatchParentheses(const Tokens& tokens);

// The index of the statement behind EXPLAIN and its options that begins at `begin`; `begin` if
// there is no EXPLAIN.
int SkipExplain(const Tokens& tokens, const std::vector<int>& close, int begin, int end);

// A made token; `text` must outlive the translation.
inline Token MakeWord(std::string_view text) {
  return {TokenKind::kWord, false, false, text, 0, 0, -1};
}
inline Token MakeSymbol(std::string_view text) {
  return {TokenKind::kSymbol, false, false, text, 0, 0, -1};
}
inline Token MakeName(std::string_view text) {
  return {TokenKind::kName, true, true, text, 0, 0, -1};
}
inline Token MakeString(std::string_view text) {
  return {TokenKind::kString, false, false, text, 0, 0, -1};
}
inline Token MakeNumber(std::string_view text) {
  return {TokenKind::kNumber, false, false, text, 0, 0, -1};
}

}  // namespace helios::syntax
