// The machinery of forms: patterns and targets are parsed when a statement failed to parse, which
// is rare.
#include <algorithm>
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
  // Adds to what the last match has captured.
  void Add(const Capture& capture) { captures_.push_back(capture); }
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
  Writer(const Tokens& tokens, const Matcher& matcher) : tokens_(tokens), matcher_(matcher) {}

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
};

bool ApplyToStatement(const Form& form, const Sequence& pattern, Tokens* statement) {
  Matcher matcher(*statement);
  const int begin =
      SkipExplain(*statement, matcher.close(), 0, static_cast<int>(statement->size()));
  if (!matcher.Match(pattern, begin, true)) return false;
  Tokens out(statement->begin(), statement->begin() + begin);
  Words words(form.target);
  Writer(*statement, matcher).Write(&words, &out);
  *statement = std::move(out);
  return true;
}

// Marks the tokens that stand in the items of a FROM clause, and the words FROM and JOIN
// themselves.
std::vector<bool> MarkTableItems(const Tokens& tokens) {
  static constexpr std::string_view kOthers[] = {
      "select", "where", "group", "order",  "having",    "window", "limit",    "offset",
      "union",  "fetch", "set",   "except", "intersect", "values", "returning"};
  std::vector<bool> marks(tokens.size(), false);
  std::vector<bool> outer;
  bool inside = false;
  for (size_t i = 0; i < tokens.size(); i++) {
    const Token& token = tokens[i];
    const bool label = i > 0 && (IsWord(tokens[i - 1], "as") || IsSymbol(tokens[i - 1], "."));
    if (IsSymbol(token, "(")) {
      outer.push_back(inside);
    } else if (IsSymbol(token, ")") && !outer.empty()) {
      inside = outer.back();
      outer.pop_back();
    } else if (IsWord(token, "from") || IsWord(token, "join")) {
      inside = inside || !(i > 0 && IsWord(tokens[i - 1], "distinct"));
    } else if (IsWord(token, "using")) {
      // Of DELETE and MERGE; that of a join has a list of columns.
      inside = inside || (i + 1 < tokens.size() && IsNameLike(tokens[i + 1]));
    } else if (!label && token.kind == TokenKind::kWord &&
               std::any_of(std::begin(kOthers), std::end(kOthers),
                           [&](std::string_view word) { return IsWord(token, word); })) {
      inside = false;
    }
    marks[i] = inside;
  }
  return marks;
}

// The first token of the name of a table that ends before `end` where FROM or JOIN wants one, or -1.
int BeginOfTableName(const Tokens& tokens, const std::vector<bool>& marks, int end) {
  int i = end - 1;
  if (i < 1 || !IsNameLike(tokens[i])) return -1;
  while (i >= 3 && IsSymbol(tokens[i - 1], ".") && IsNameLike(tokens[i - 2])) i -= 2;
  const int begin = i--;
  while (i > 0 && (IsWord(tokens[i], "only") || IsSymbol(tokens[i], "("))) i--;
  const bool wanted = marks[i] && (IsWord(tokens[i], "from") || IsWord(tokens[i], "join") ||
                                   IsWord(tokens[i], "using") || IsSymbol(tokens[i], ","));
  return wanted ? begin : -1;
}

bool ApplyToTables(const Form& form, const Sequence& pattern, Tokens* statement) {
  // FROM of CREATE DATABASE BRANCH names a branch.
  if (statement->size() > 1 && IsWord((*statement)[0], "create") &&
      (IsWord((*statement)[1], "database") || IsWord((*statement)[1], "branch")))
    return false;
  Matcher matcher(*statement);
  const std::vector<bool> marks = MarkTableItems(*statement);
  Tokens out;
  const int size = static_cast<int>(statement->size());
  int copied = 0;
  for (int i = 1; i < size; i++) {
    if (!matcher.Match(pattern, i, false)) continue;
    const int begin = BeginOfTableName(*statement, marks, i);
    if (begin < copied) continue;
    matcher.Add({"table", ElementKind::kRest, begin, i});
    matcher.Add({"name", ElementKind::kName, i - 1, i});
    out.insert(out.end(), statement->begin() + copied, statement->begin() + begin);
    Words words(form.target);
    Writer(*statement, matcher).Write(&words, &out);
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
  // Most statements lack the word that a form begins with: its pattern need not be taken apart then.
  if (std::none_of(statement->begin(), statement->end(),
                   [&](const Token& token) { return EqualsFolded(words.word(), token.text); }))
    return false;
  const Sequence pattern = ParsePattern(&words);
  const bool matched = form.place == FormPlace::kStatement
                           ? ApplyToStatement(form, pattern, statement)
                           : ApplyToTables(form, pattern, statement);
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

}  // namespace helios::syntax
