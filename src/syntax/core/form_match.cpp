// The machinery of forms: patterns and targets are parsed when a statement failed to parse, which
// is rare.
#include <algorithm>
#include <memory>
#include <utility>

#include "syntax/core/form.hpp"

namespace helios::syntax {

namespace {

enum class ElementKind : uint8_t {
  kLiteral,
  kAlternatives,
  kName,
  kAlias,
  kLabel,
  kString,
  kNumber,
  kGroup,
  kExpr,
  kFirst,
  kLast,
  kRest,
  kMark
};

struct Element;
using Sequence = std::vector<Element>;

struct Element {
  ElementKind kind;
  std::string_view text;               // kLiteral: the word or symbol; captures: their name
  std::vector<Sequence> alternatives;  // kAlternatives: tried in this order
};

constexpr std::pair<std::string_view, ElementKind> kCaptureKinds[] = {
    {"name", ElementKind::kName},     {"alias", ElementKind::kAlias},
    {"label", ElementKind::kLabel},   {"string", ElementKind::kString},
    {"number", ElementKind::kNumber}, {"group", ElementKind::kGroup},
    {"expr", ElementKind::kExpr},     {"first", ElementKind::kFirst},
    {"last", ElementKind::kLast},     {"rest", ElementKind::kRest},
    {"mark", ElementKind::kMark}};

// Splits a description at its blanks.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) { Advance(); }
  std::string_view word() const { return word_; }
  bool done() const { return word_.empty(); }
  void Advance() {
    const size_t begin = std::min(text_.find_first_not_of(' '), text_.size());
    const size_t end = std::min(text_.find(' ', begin), text_.size());
    word_ = text_.substr(begin, end - begin);
    text_.remove_prefix(end);
  }

 private:
  std::string_view text_, word_;
};

// Parses a pattern up to its end or to a closing mark, which is left.
Sequence ParsePattern(Words* words) {
  Sequence sequence;
  for (; !words->done(); words->Advance()) {
    const std::string_view word = words->word();
    if (word == "]" || word == "}" || word == "|") break;
    if (word == "[" || word == "{") {
      Element choice{ElementKind::kAlternatives, {}, {}};
      do {
        words->Advance();
        choice.alternatives.push_back(ParsePattern(words));
      } while (words->word() == "|");
      if (word == "[") choice.alternatives.emplace_back();
      sequence.push_back(std::move(choice));
    } else if (word.front() == '<') {
      const size_t colon = word.find(':');
      const std::string_view kind = word.substr(colon + 1, word.size() - colon - 2);
      const auto* entry = std::find_if(std::begin(kCaptureKinds), std::end(kCaptureKinds),
                                       [&](const auto& known) { return known.first == kind; });
      sequence.push_back({entry->second, word.substr(1, colon - 1), {}});
    } else {
      sequence.push_back({ElementKind::kLiteral, word, {}});
    }
  }
  return sequence;
}

struct Capture {
  std::string_view name;
  ElementKind kind;
  int begin, end;
};

class Matcher {
 public:
  explicit Matcher(const Tokens& tokens)
      : tokens_(tokens), close_(MatchParentheses(tokens)), size_(static_cast<int>(tokens.size())) {}

  // Matches `pattern` at `begin`; with `to_end` only if it reaches the end.
  bool Match(const Sequence& pattern, int begin, bool to_end) {
    captures_.clear();
    to_end_ = to_end;
    return Run(pattern, 0, nullptr, begin);
  }
  int end() const { return end_; }
  const Capture* Find(std::string_view name) const {
    for (const Capture& capture : captures_) {
      if (capture.name == name) return &capture;
    }
    return nullptr;
  }
  const std::vector<int>& close() const { return close_; }

 private:
  // What follows a sequence that is an alternative.
  struct Rest {
    const Sequence& sequence;
    size_t index;
    const Rest* outer;
  };

  bool Run(const Sequence& sequence, size_t index, const Rest* rest, int at) {
    if (index == sequence.size()) {
      if (rest != nullptr) return Run(rest->sequence, rest->index, rest->outer, at);
      end_ = at;
      return !to_end_ || at == size_;
    }
    const Element& element = sequence[index];
    const size_t kept = captures_.size();
    if (element.kind == ElementKind::kAlternatives) {
      const Rest after{sequence, index + 1, rest};
      for (const Sequence& alternative : element.alternatives) {
        if (Run(alternative, 0, &after, at)) return true;
        captures_.resize(kept);
      }
      return false;
    }
    const int stop = Take(element, sequence, index, rest, at);
    if (stop < 0) return false;
    if (element.kind != ElementKind::kLiteral)
      captures_.push_back({element.text, element.kind, at, stop});
    if (Run(sequence, index + 1, rest, stop)) return true;
    captures_.resize(kept);
    return false;
  }

  // The end of what an element takes at `at`, or -1.
  int Take(const Element& element, const Sequence& sequence, size_t index, const Rest* rest,
           int at) const {
    const Token* token = at < size_ ? &tokens_[at] : nullptr;
    const auto one = [&](bool takes) { return token != nullptr && takes ? at + 1 : -1; };
    switch (element.kind) {
      case ElementKind::kLiteral:
        return one(token != nullptr && IsLiteral(*token, element.text));
      case ElementKind::kName:
        return one(token != nullptr && IsNameLike(*token));
      case ElementKind::kAlias:
        return one(token != nullptr && token->alias);
      case ElementKind::kLabel:
        return one(token != nullptr && (IsNameLike(*token) || token->kind == TokenKind::kString));
      case ElementKind::kString:
        return one(token != nullptr && token->kind == TokenKind::kString);
      case ElementKind::kNumber:
        return one(token != nullptr && token->kind == TokenKind::kNumber);
      case ElementKind::kGroup:
        return token != nullptr && IsSymbol(*token, "(") && close_[at] < size_ ? close_[at] + 1
                                                                               : -1;
      case ElementKind::kExpr: {
        const int stop = SkipExpression(tokens_, close_, at);
        return stop > at ? stop : -1;
      }
      case ElementKind::kFirst:
      case ElementKind::kLast: {
        int found = -1;
        for (int i = at; i < size_; i = close_[i] < 0 ? i + 1 : close_[i] + 1) {
          if (!CanFollow(sequence, index + 1, rest, i)) continue;
          found = i;
          if (element.kind == ElementKind::kFirst) break;
        }
        return found;
      }
      case ElementKind::kRest:
        return size_;
      default:
        return at;
    }
  }

  static bool IsLiteral(const Token& token, std::string_view text) {
    if (token.kind == TokenKind::kSymbol) return token.text == text;
    return IsNameLike(token) && !token.quoted && EqualsFolded(text, token.text);
  }

  // True if what follows in the pattern begins at token `at`: its first word, and the parenthesis
  // behind that if a group comes next.
  bool CanFollow(const Sequence& sequence, size_t index, const Rest* rest, int at) const {
    if (index == sequence.size())
      return rest != nullptr && CanFollow(rest->sequence, rest->index, rest->outer, at);
    const Element& element = sequence[index];
    if (element.kind == ElementKind::kAlternatives) {
      const Rest after{sequence, index + 1, rest};
      return std::any_of(
          element.alternatives.begin(), element.alternatives.end(),
          [&](const Sequence& alternative) { return CanFollow(alternative, 0, &after, at); });
    }
    if (element.kind == ElementKind::kGroup) return IsSymbol(tokens_[at], "(");
    if (element.kind != ElementKind::kLiteral || !IsLiteral(tokens_[at], element.text))
      return false;
    const bool group =
        index + 1 < sequence.size() && sequence[index + 1].kind == ElementKind::kGroup;
    return !group || (at + 1 < size_ && IsSymbol(tokens_[at + 1], "("));
  }

  const Tokens& tokens_;
  const std::vector<int> close_;
  const int size_;
  std::vector<Capture> captures_;
  bool to_end_ = false;
  int end_ = 0;
};

// Writes a target, up to its end or to a closing mark.
class Writer {
 public:
  Writer(const Tokens& tokens, const Matcher& matcher, Translation* result)
      : tokens_(tokens), matcher_(matcher), result_(result) {}

  // Appends the tokens of a target; false if it mentions something that was not captured.
  bool Write(Words* words, Tokens* out) {
    bool complete = true;
    for (; !words->done() && words->word() != "]"; words->Advance()) {
      const std::string_view word = words->word();
      if (word == "[") {
        words->Advance();
        Tokens part;
        if (Write(words, &part)) out->insert(out->end(), part.begin(), part.end());
      } else if (word.front() == '!') {
        if (matcher_.Find(word.substr(1)) != nullptr) complete = false;
      } else if (word.front() == '?') {
        if (matcher_.Find(word.substr(1)) == nullptr) complete = false;
      } else if (word.front() == '$' || word.front() == '@') {
        if (!WriteCapture(word, out)) complete = false;
      } else if (word.front() == '\'') {
        const std::string_view inner = word.substr(1, word.size() - 2);
        const bool from_capture = inner.front() == '$';
        const Capture* capture = from_capture ? matcher_.Find(inner.substr(1)) : nullptr;
        if (from_capture && capture == nullptr) {
          complete = false;
        } else {
          out->push_back(MakeString(from_capture ? tokens_[capture->begin].text : inner));
        }
      } else {
        const char first = word.front();
        const bool letter = (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
        out->push_back(letter ? MakeWord(word) : MakeSymbol(word));
      }
    }
    return complete;
  }

 private:
  // $x copies what was captured, a string constant as a name where the pattern says label; @x
  // copies a parenthesised list without parentheses and commas.
  bool WriteCapture(std::string_view word, Tokens* out) {
    const Capture* capture = matcher_.Find(word.substr(1));
    if (capture == nullptr) return false;
    if (word.front() == '@') {
      for (int i = capture->begin + 1; i < capture->end - 1; i++) {
        if (!IsSymbol(tokens_[i], ",")) out->push_back(tokens_[i]);
      }
    } else if (capture->kind == ElementKind::kLabel &&
               tokens_[capture->begin].kind == TokenKind::kString) {
      out->push_back(MakeName(tokens_[capture->begin].text));
    } else {
      out->insert(out->end(), tokens_.begin() + capture->begin, tokens_.begin() + capture->end);
    }
    return true;
  }

  const Tokens& tokens_;
  const Matcher& matcher_;
  Translation* result_;
};

bool ApplyToStatement(const Form& form, const Sequence& pattern, Tokens* statement,
                      Translation* result) {
  Matcher matcher(*statement);
  const int begin =
      SkipExplain(*statement, matcher.close(), 0, static_cast<int>(statement->size()));
  if (!matcher.Match(pattern, begin, true)) return false;
  Tokens out(statement->begin(), statement->begin() + begin);
  Words words(form.target);
  Writer(*statement, matcher, result).Write(&words, &out);
  *statement = std::move(out);
  return true;
}

bool ApplyToTables(const Form& form, const Sequence& pattern, Tokens* statement,
                   Translation* result) {
  Matcher matcher(*statement);
  Tokens out;
  const int size = static_cast<int>(statement->size());
  int copied = 0;
  for (int i = 1; i < size; i++) {
    if (!IsNameLike((*statement)[i - 1]) || !matcher.Match(pattern, i, false)) continue;
    out.insert(out.end(), statement->begin() + copied, statement->begin() + i);
    Words words(form.target);
    Writer(*statement, matcher, result).Write(&words, &out);
    copied = matcher.end();
    i = copied - 1;
  }
  if (copied == 0) return false;
  out.insert(out.end(), statement->begin() + copied, statement->end());
  *statement = std::move(out);
  return true;
}

}  // namespace

bool ApplyForm(const Form& form, Tokens* statement, Translation* result) {
  Words words(form.pattern);
  const Sequence pattern = ParsePattern(&words);
  const bool matched = form.place == FormPlace::kStatement
                           ? ApplyToStatement(form, pattern, statement, result)
                           : ApplyToTables(form, pattern, statement, result);
  if (matched) result->changed = true;
  return matched;
}

void ApplyForms(const TranslateOptions& options, Tokens* statement, Translation* result) {
  for (const Form& form : Forms()) {
    if (!form.accepted && !options.all_forms) continue;
    if (form.place == FormPlace::kStatement && !options.statements) continue;
    ApplyForm(form, statement, result);
  }
}

namespace {

// The number of tokens of the binary operator at `at`, 0 if there is none.
int OperatorSize(const Tokens& tokens, int at) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/",  "%",  "^",
                                                  "<", ">", "=", "<=", ">=", "<>"};
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
        for (int depth = 0; i < size; i++) {
          if (IsWord(tokens[i], "case")) depth++;
          if (IsWord(tokens[i], "end") && --depth == 0) break;
        }
        if (i++ >= size) return at;
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
