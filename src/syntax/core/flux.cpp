#include "syntax/core/flux.hpp"

#include <algorithm>
#include <span>

#include "syntax/core/flux_translator.hpp"

namespace helios::syntax {

namespace {

// Deeper nesting is left to the stock parser's error.
constexpr int kMaxDepth = 500;
constexpr int kMaxStages = 1000;

constexpr std::string_view kStages[] = {"where", "select",   "extend", "aggregate", "join",
                                        "order", "limit",    "inner",  "cross",     "natural",
                                        "union", "distinct", "except", "intersect", "as"};
constexpr std::string_view kChanges[] = {"insert", "update", "delete", "merge"};
// Stages of GoogleSQL that there are not: refused by name. DROP and SET would need the table's
// columns.
constexpr std::string_view kMissingStages[] = {"drop",        "set",   "rename",  "call",
                                               "window",      "pivot", "unpivot", "assert",
                                               "tablesample", "group", "having",  "offset"};

bool Contains(std::span<const std::string_view> words, const Token& token) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return IsWord(token, word); });
}

bool IsPipeSymbol(const Token& token) {
  return token.kind == TokenKind::kOperator && token.text == "|>";
}

void Append(const Token& token, Tokens* out) { out->push_back(token); }

}  // namespace

void ApplyFlux(const TranslateOptions& options, Tokens* statement, Translation* result) {
  if (statement->empty() || result->problem) return;
  FluxTranslator translator(*statement, result);
  Tokens out;
  out.reserve(statement->size() + statement->size() / 2);
  const int size = static_cast<int>(statement->size());
  if (options.statements) {
    translator.Statement(0, size, &out);
  } else {
    translator.Copy(0, size, &out);
  }
  if (!translator.found() || translator.too_deep()) return;
  result->changed = true;
  *statement = std::move(out);
}

FluxTranslator::Level::Level(FluxTranslator* flux) : flux_(*flux) {
  if (++flux_.depth_ > kMaxDepth) flux_.too_deep_ = true;
}

void FluxTranslator::Fail(int index, std::string hint, std::string message, bool unsupported) {
  if (result_->problem) return;
  result_->changed = true;
  // Made tokens and the statement's end point at what follows the user's token before them.
  const bool own = index < size_ && in_[index].source >= 0;
  int before = std::min(index, size_) - 1;
  while (before >= 0 && in_[before].source < 0) before--;
  const int next = before < 0 ? 0 : in_[before].source + 1;
  result_->problem =
      Problem{own ? in_[index].source : next, std::move(message), std::move(hint), unsupported};
}

bool FluxTranslator::Is(int i, std::string_view word) const {
  if (i >= size_ || !IsWord(in_[i], word)) return false;
  return i == 0 || (!IsWord(in_[i - 1], "as") && !IsSymbol(in_[i - 1], "."));
}

bool FluxTranslator::StartsQuery(int i) const {
  static constexpr std::string_view kWords[] = {"from", "select", "values", "table", "with"};
  return i < size_ && Contains(kWords, in_[i]);
}

bool FluxTranslator::HoldsQuery(int i) const {
  if (!IsSymbol(in_[i], "(")) return false;
  // ((query)), ((query) UNION …) and ((query) |> …), but not ((query) + 1).
  for (; i + 1 < size_ && IsSymbol(in_[i + 1], "("); i++) {
    const int behind = Next(i + 1);
    if (behind < close_[i] && !IsSetOperator(behind) && !IsPipe(behind)) return false;
  }
  // TRIM(FROM x) is an expression.
  return StartsQuery(i + 1) && (i == 0 || !IsWord(in_[i - 1], "trim"));
}

bool FluxTranslator::IsPipe(int i) const {
  if (!IsPipeSymbol(in_[i]) || i + 1 >= size_) return false;
  const Token& name = in_[i + 1];
  if (Contains(kStages, name)) return true;
  // LEFT and RIGHT are functions too.
  if (IsWord(name, "left") || IsWord(name, "right") || IsWord(name, "full"))
    return i + 2 < size_ && (IsWord(in_[i + 2], "join") || IsWord(in_[i + 2], "outer"));
  return false;
}

// ---- Statements ----

// Finds the query inside a statement.
void FluxTranslator::Statement(int begin, int end, Tokens* out) {
  const Level level(this);
  if (begin >= end || level.too_deep()) return;
  const auto first = [&](std::string_view word) { return IsWord(in_[begin], word); };
  if (first("explain")) {
    const int split = SkipExplain(in_, close_, begin, end);
    Copy(begin, split, out);
    return Statement(split, end, out);
  }
  if (first("insert")) return Insert(begin, end, out);
  if (first("create")) return Create(begin, end, out);
  if (first("prepare")) {
    const int as = Find(begin, end, [&](int i) { return IsWord(in_[i], "as"); });
    Copy(begin, std::min(as + 1, end), out);
    return Statement(std::min(as + 1, end), end, out);
  }
  if (first("declare")) {
    const int split = FindWord(begin, end, "for");
    return SplitQuery(begin, std::min(split + 1, end), end, end, out);
  }
  if (StartsQuery(begin) || IsSymbol(in_[begin], "(")) return Query(begin, end, out);
  Copy(begin, end, out);
}

void FluxTranslator::SplitQuery(int begin, int split, int stop, int end, Tokens* out) {
  Copy(begin, split, out);
  Query(split, stop, out);
  Copy(stop, end, out);
}

// INSERT INTO t [AS alias] [(columns)] [OVERRIDING …] query [ON CONFLICT …] [RETURNING …]
void FluxTranslator::Insert(int begin, int end, Tokens* out) {
  const int table = begin + 2;
  if (table >= end || !IsWord(in_[begin + 1], "into")) return Copy(begin, end, out);
  const int split = Find(std::min(Next(table), end), end, [&](int i) {
    if (IsSymbol(in_[i], "("))
      return StartsQuery(i + 1) || (i + 1 < end && IsSymbol(in_[i + 1], "("));
    return StartsQuery(i) && !IsSymbol(in_[i - 1], ".");
  });
  const int stop = Find(split, end, [&](int i) {
    return Is(i, "returning") || (Is(i, "on") && i + 1 < end && IsWord(in_[i + 1], "conflict"));
  });
  SplitQuery(begin, split, stop, end, out);
}

void FluxTranslator::Create(int begin, int end, Tokens* out) {
  static constexpr std::string_view kModifiers[] = {"or",        "replace",   "temp",
                                                    "temporary", "local",     "global",
                                                    "unlogged",  "recursive", "materialized"};
  int i = begin + 1;
  while (i < end && Contains(kModifiers, in_[i])) i++;
  if (i >= end) return Copy(begin, end, out);
  if (IsWord(in_[i], "view") || IsWord(in_[i], "table")) {
    const int as = Find(i, end, [&](int k) { return IsWord(in_[k], "as"); });
    if (as >= end) return Copy(begin, end, out);
    // The options behind a query: WITH [NO] DATA, WITH [CASCADED | LOCAL] CHECK OPTION.
    int stop = end;
    for (int k = Next(as + 1 < end ? as + 1 : as); k < end; k = Next(k)) {
      if (!Is(k, "with") || k + 1 >= end) continue;
      const Token& next = in_[k + 1];
      if (IsWord(next, "data") || IsWord(next, "no") || IsWord(next, "check") ||
          IsWord(next, "cascaded") || IsWord(next, "local"))
        stop = k;
    }
    return SplitQuery(begin, as + 1, stop, end, out);
  }
  if (IsWord(in_[i], "function") || IsWord(in_[i], "procedure")) {
    const int atomic = FindWord(i, end, "atomic");
    const int split = std::min(atomic + 1, end);
    Copy(begin, split, out);
    return Statement(split, end, out);
  }
  if (IsWord(in_[i], "rule")) {
    int split = std::min(FindWord(i, end, "do") + 1, end);
    if (split < end && (IsWord(in_[split], "also") || IsWord(in_[split], "instead"))) split++;
    Copy(begin, split, out);
    return RuleActions(split, end, out);
  }
  if (IsWord(in_[i], "schema")) {
    // Its elements are statements without a mark between them.
    const auto element = [&](int k) { return Is(k, "create") || Is(k, "grant"); };
    int next = Find(i, end, element);
    Copy(begin, next, out);
    while (next < end) {
      const int stop = Find(next + 1, end, element);
      Statement(next, stop, out);
      next = stop;
    }
    return;
  }
  if (IsWord(in_[i], "transform")) {
    // (FROM SQL WITH FUNCTION …) is stock grammar.
    out->insert(out->end(), in_.begin() + begin, in_.begin() + end);
    return;
  }
  Copy(begin, end, out);
}

// One statement, or several in parentheses.
void FluxTranslator::RuleActions(int begin, int end, Tokens* out) {
  if (begin >= end || !IsSymbol(in_[begin], "(")) return Statement(begin, end, out);
  const int close = std::min(close_[begin], end);
  Append(in_[begin], out);
  for (int i = begin + 1; i < close;) {
    const int stop = Find(i, close, [&](int k) { return IsSymbol(in_[k], ";"); });
    Statement(i, stop, out);
    if (stop < close) Append(in_[stop], out);
    i = stop + 1;
  }
  Copy(close, end, out);
}

// ---- Queries ----

void FluxTranslator::Query(int begin, int end, Tokens* out) {
  const Level level(this);
  if (begin >= end || level.too_deep()) return;
  int main = begin;
  const auto changes_data = [&](int i) { return i < end && Contains(kChanges, in_[i]); };
  if (IsWord(in_[begin], "with")) {
    // The main query begins at the first such word that is no name of a common table expression.
    main = Find(begin + 1, end, [&](int i) {
      const Token& before = in_[i - 1];
      if (IsWord(before, "with") || IsWord(before, "recursive") || IsSymbol(before, ","))
        return false;
      if (IsSymbol(in_[i], "(")) return IsSymbol(before, ")");
      return StartsQuery(i) || changes_data(i);
    });
    Copy(begin, main, out);
  }
  // A common table expression may be an INSERT.
  const bool inserts =
      begin + 1 < end && IsWord(in_[begin], "insert") && IsWord(in_[begin + 1], "into");
  if (inserts || (main > begin && changes_data(main))) return Statement(main, end, out);
  const auto is_pipe = [&](int i) { return IsPipe(i); };
  const bool from_first = main < end && IsWord(in_[main], "from");
  int pipe = Find(main, end, is_pipe);
  const bool is_query =
      from_first || (main < end && (StartsQuery(main) || IsSymbol(in_[main], "(")));
  if (from_first || (is_query && pipe < end)) {
    const int missing = Find(main, end, [&](int i) {
      return IsPipeSymbol(in_[i]) && i + 1 < end && Contains(kMissingStages, in_[i + 1]);
    });
    if (missing < end) {
      Fail(missing + 1,
           "The stages are WHERE, SELECT, EXTEND, AGGREGATE, JOIN, ORDER BY, LIMIT, DISTINCT, "
           "UNION, INTERSECT, EXCEPT and AS.",
           "there is no pipe stage \"" + std::string(in_[missing + 1].text) + "\"", true);
    }
  }
  if (pipe >= end || !is_query) return SetOperation(main, end, out);
  found_ = true;
  Pipeline pipeline(this);
  pipeline.Head(main, pipe);
  for (int stages = 1; pipe < end && !result_->problem; stages++) {
    const int stop = Find(pipe + 1, end, is_pipe);
    if (stages > kMaxStages) Fail(pipe, {}, "a query has at most 1000 pipe stages", true);
    pipeline.Stage(pipe + 1, stop);
    pipe = stop;
  }
  pipeline.Finish(out);
}

void FluxTranslator::SetOperation(int begin, int end, Tokens* out) {
  for (int i = begin; i < end;) {
    const int stop = Find(i, end, [&](int k) { return IsSetOperator(k); });
    if (IsWord(in_[i], "from")) {
      FromFirst(i, stop, out);
    } else {
      Copy(i, stop, out);
    }
    i = stop;
    if (i < end) Append(in_[i++], out);
    if (i < end && (Is(i, "all") || Is(i, "distinct"))) Append(in_[i++], out);
  }
}

FluxTranslator::Rank FluxTranslator::RankOf(int begin, int i) const {
  if (i == begin) return kFrom;
  if (Is(i, "from") && !IsWord(in_[i - 1], "distinct") && !IsWord(in_[i - 1], "rows")) return kFrom;
  if (Is(i, "where")) return kWhere;
  if (Is(i, "select")) return kSelect;
  if (Is(i, "group") && !IsWord(in_[i - 1], "within")) return kGroup;
  if (Is(i, "having")) return kHaving;
  if (Is(i, "window")) return kWindow;
  if (Is(i, "order")) return kOrder;
  if (Is(i, "limit") || Is(i, "offset") || Is(i, "fetch") || Is(i, "for")) return kTail;
  return kNoClause;
}

std::vector<FluxTranslator::Clause> FluxTranslator::Clauses(int begin, int end) const {
  std::vector<Clause> clauses;
  for (int i = begin; i < end; i = Next(i)) {
    const Rank rank = RankOf(begin, i);
    if (rank == kNoClause) continue;
    if (!clauses.empty()) clauses.back().end = i;
    clauses.push_back({rank, i, end});
  }
  return clauses;
}

// Sorts the clauses into the order of the stock grammar. A doubled one is refused here, where its
// place is known.
void FluxTranslator::FromFirst(int begin, int end, Tokens* out) {
  found_ = true;
  std::vector<Clause> clauses = Clauses(begin, end);
  std::stable_sort(clauses.begin(), clauses.end(),
                   [](const Clause& a, const Clause& b) { return a.rank < b.rank; });
  for (size_t i = 1; i < clauses.size(); i++) {
    if (clauses[i].rank == clauses[i - 1].rank && clauses[i].rank != kTail)
      Fail(clauses[i].begin, {});
  }
  if (clauses.front().rank != kSelect) {
    Append(MakeWord("SELECT"), out);
    Append(MakeSymbol("*"), out);
  }
  for (const Clause& clause : clauses) Copy(clause.begin, clause.end, out);
}

void FluxTranslator::Copy(int begin, int end, Tokens* out) {
  for (int i = begin; i < end; i++) {
    Append(in_[i], out);
    if (!IsSymbol(in_[i], "(")) continue;
    const int close = std::min(close_[i], end);
    // TRIM(FROM x) is stock grammar.
    if (i > 0 && IsWord(in_[i - 1], "trim")) {
      if (close > i + 1) Append(in_[i + 1], out);
      Copy(std::min(i + 2, close), close, out);
    } else {
      Query(i + 1, close, out);
    }
    i = close - 1;
  }
}

}  // namespace helios::syntax
