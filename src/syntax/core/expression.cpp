// How far an expression goes, by its tokens alone.
#include <algorithm>

#include "syntax/core/form.hpp"

namespace helios::syntax {

namespace {

// The number of tokens of the binary operator at `at`, 0 if there is none.
int OperatorSize(const Tokens& tokens, int at) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*",  "/",  "%",  "^", "<",
                                                  ">", "=", "<=", ">=", "<>", "!="};
  static constexpr std::string_view kAtTimeZone[] = {"at", "time", "zone"};
  if (at >= static_cast<int>(tokens.size())) return 0;
  const Token& token = tokens[at];
  // A pipe goes on with the next stage.
  if (token.kind == TokenKind::kOperator) return token.text != "|>";
  if (token.kind == TokenKind::kSymbol)
    return std::find(std::begin(kSymbols), std::end(kSymbols), token.text) != std::end(kSymbols);
  const int words = static_cast<int>(std::size(kAtTimeZone));
  if (at + words > static_cast<int>(tokens.size())) return 0;
  const bool zone = std::equal(std::begin(kAtTimeZone), std::end(kAtTimeZone), tokens.begin() + at,
                               [](auto word, const Token& own) { return IsWord(own, word); });
  return zone ? words : 0;
}

// The index after one operand, or `at` if none begins there.
int SkipOperand(const Tokens& tokens, const std::vector<int>& close, int at) {
  const int size = static_cast<int>(tokens.size());
  int i = at;
  while (i < size && (IsSymbol(tokens[i], "+") || IsSymbol(tokens[i], "-"))) i++;
  if (i >= size) return at;
  const auto group = [&] { return i < size && close[i] >= 0 && close[i] < size; };
  switch (tokens[i].kind) {
    case TokenKind::kString:
    case TokenKind::kNumber:
    case TokenKind::kParam:
    case TokenKind::kOther:
      i++;
      break;
    case TokenKind::kSymbol:
      if (!IsSymbol(tokens[i], "(") || !group()) return at;
      i = close[i] + 1;
      break;
    case TokenKind::kWord:
    case TokenKind::kName:
      if (IsWord(tokens[i], "case")) {
        if (!group()) return at;
        i = close[i] + 1;
        break;
      }
      i++;
      while (i + 1 < size && IsSymbol(tokens[i], ".") && IsNameLike(tokens[i + 1])) i += 2;
      if (i < size && tokens[i].kind == TokenKind::kString) {
        i++;  // TIMESTAMP '…', INTERVAL '…'
      } else if (group()) {
        i = close[i] + 1;
      }
      break;
    default:
      return at;
  }
  while (i < size) {
    if (IsSymbol(tokens[i], "[") && group()) {
      i = close[i] + 1;
    } else if (IsSymbol(tokens[i], "::") && i + 1 < size && IsNameLike(tokens[i + 1])) {
      i += 2;
      while (i + 1 < size && IsSymbol(tokens[i], ".") && IsNameLike(tokens[i + 1])) i += 2;
      if (i < size && IsSymbol(tokens[i], "(") && group()) i = close[i] + 1;
    } else {
      break;
    }
  }
  return i;
}

}  // namespace

int SkipExpression(const Tokens& tokens, const std::vector<int>& close, int begin) {
  int end = SkipOperand(tokens, close, begin);
  while (end > begin) {
    const int operand = end + OperatorSize(tokens, end);
    const int next = operand > end ? SkipOperand(tokens, close, operand) : operand;
    if (next == operand) break;
    end = next;
  }
  return end;
}

}  // namespace helios::syntax
