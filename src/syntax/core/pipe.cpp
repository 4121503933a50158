// Pipes: the stages of GoogleSQL's pipe syntax as clauses of SELECT.
// https://github.com/google/zetasql/blob/master/docs/pipe-syntax.md
#include <algorithm>
#include <set>
#include <utility>

#include "syntax/core/flux_translator.hpp"

namespace helios::syntax {

namespace {

// Words that open a clause: in a stage they mean a forgotten pipe.
constexpr std::string_view kClauseWords[] = {"where",  "select", "from",   "group",  "having",
                                             "window", "order",  "limit",  "offset", "fetch",
                                             "for",    "union",  "except", "into",   "intersect"};
constexpr const char* kPipeHint = "Every stage of a pipe begins with |>.";

void Append(std::initializer_list<const char*> words, Tokens* out) {
  for (const char* word : words) {
    const bool symbol = (word[0] < 'A' || word[0] > 'Z');
    out->push_back(symbol ? MakeSymbol(word) : MakeWord(word));
  }
}

void Append(const Tokens& tokens, Tokens* out) {
  out->insert(out->end(), tokens.begin(), tokens.end());
}

bool IsJoin(const Token& token) { return IsWord(token, "join"); }

}  // namespace

std::string_view Pipeline::NewName() {
  return flux_.result_->Keep("|>" + std::to_string(++names_));
}

// ---- The state ----

void Pipeline::Head(int begin, int end) {
  const std::vector<FluxTranslator::Clause> clauses = flux_.Clauses(begin, end);
  const bool from_first = IsWord(flux_.in_[begin], "from");
  const bool compound = flux_.Find(begin, end, [&](int i) { return flux_.IsSetOperator(i); }) < end;
  if (from_first && !compound) {
    const bool keeps_rows = std::none_of(clauses.begin(), clauses.end(), [](const auto& clause) {
      return clause.rank == FluxTranslator::kSelect || clause.rank == FluxTranslator::kGroup;
    });
    if (keeps_rows) FindVariable(begin + 1, clauses.front().end);
    if (clauses.size() == 1) {
      open_ = commas_ = true;
      flux_.Copy(begin + 1, end, &from_);
      return;
    }
  }
  flux_.SetOperation(begin, end, &query_);
}

// Finds the range variables of the FROM items [begin, end): several, or the name of the one.
void Pipeline::FindVariable(int begin, int end) {
  const Tokens& in = flux_.in_;
  variables_ = Variables::kMany;
  const int several = flux_.Find(begin, end, [&](int i) {
    return IsSymbol(in[i], ",") || (IsJoin(in[i]) && flux_.Is(i, "join"));
  });
  if (several < end || begin >= end) return;
  variables_ = Variables::kNone;
  int i = begin;
  if (IsWord(in[i], "only") || IsWord(in[i], "lateral")) i++;
  for (int name = -1; i < end; i = flux_.Next(i)) {
    if (IsWord(in[i], "as")) {
      name = i + 1;
    } else if (IsWord(in[i], "with")) {
      i++;  // WITH ORDINALITY
    } else if (IsWord(in[i], "tablesample")) {
      i = end;
    } else if (in[i].alias || (IsNameLike(in[i]) && i > begin && IsSymbol(in[i - 1], "."))) {
      name = i;
    }
    if (name >= 0 && name < end) {
      variable_ = in[name];
      variables_ = Variables::kOne;
    }
    if (i >= end || IsWord(in[i], "as")) break;
  }
}

void Pipeline::EmitFrom(Tokens* out) {
  Append({"FROM"}, out);
  Append(from_, out);
  if (!where_.empty()) Append({"WHERE"}, out);
  Append(where_, out);
}

void Pipeline::Finished(Tokens query, bool keep_variable) {
  query_ = std::move(query);
  open_ = false;
  from_.clear();
  where_.clear();
  order_.clear();
  limit_.clear();
  if (!keep_variable || variables_ == Variables::kMany) variables_ = Variables::kNone;
}

void Pipeline::Close() {
  if (!open_) return;
  Tokens query;
  Append({"SELECT", "*"}, &query);
  EmitFrom(&query);
  Append(order_, &query);
  Append(limit_, &query);
  Finished(std::move(query), true);
}

void Pipeline::Open() {
  if (open_) return;
  open_ = true;
  commas_ = false;
  Append({"("}, &from_);
  Append(query_, &from_);
  Append({")", "AS"}, &from_);
  from_.push_back(variables_ == Variables::kOne ? variable_ : MakeName(NewName()));
  query_.clear();
}

void Pipeline::SettleOrder() {
  if (!order_.empty() || !limit_.empty()) Close();
  Open();
}

// `a, b JOIN c ON p` becomes `a CROSS JOIN (b JOIN c ON p)`: what is appended joins all of it.
void Pipeline::PrepareJoin() {
  if (!commas_) return;
  commas_ = false;
  Tokens joined, item;
  bool has_join = false, first = true;
  int depth = 0;
  const auto flush = [&] {
    if (!first) Append({"CROSS", "JOIN"}, &joined);
    const bool wrap = has_join && !first;
    if (wrap) Append({"("}, &joined);
    Append(item, &joined);
    if (wrap) Append({")"}, &joined);
    item.clear();
    has_join = first = false;
  };
  for (const Token& token : from_) {
    if (IsSymbol(token, "(") || IsSymbol(token, "[")) depth++;
    if (IsSymbol(token, ")") || IsSymbol(token, "]")) depth--;
    if (depth == 0 && IsSymbol(token, ",")) {
      flush();
      continue;
    }
    if (depth == 0 && IsJoin(token)) has_join = true;
    item.push_back(token);
  }
  flush();
  from_ = std::move(joined);
}

void Pipeline::Lateral(const Tokens& select) {
  PrepareJoin();
  Append({"CROSS", "JOIN", "LATERAL", "("}, &from_);
  Append(select, &from_);
  Append({")", "AS"}, &from_);
  from_.push_back(MakeName(NewName()));
}

void Pipeline::SettleWhere() {
  if (where_.empty()) return;
  PrepareJoin();
  Append({"JOIN", "(", "SELECT", ")", "AS"}, &from_);
  from_.push_back(MakeName(NewName()));
  Append({"ON"}, &from_);
  Append(where_, &from_);
  where_.clear();
}

void Pipeline::Finish(Tokens* out) {
  Close();
  Append(query_, out);
}

// ---- Stages ----

void Pipeline::Stage(int begin, int end) {
  const auto is = [&](std::string_view word) { return IsWord(flux_.in_[begin], word); };
  if (is("where")) return Where(begin, end);
  if (is("select")) return Select(begin, end);
  if (is("extend")) return Extend(begin, end);
  if (is("aggregate")) return Aggregate(begin, end);
  if (is("distinct")) return Distinct(begin, end);
  if (is("order")) return OrderBy(begin, end);
  if (is("limit")) return Limit(begin, end);
  if (is("as")) return As(begin, end);
  if (is("union") || is("intersect") || is("except")) return Combine(begin, end);
  Join(begin, end);
}

bool Pipeline::RefuseClauses(int begin, int end, std::initializer_list<std::string_view> allowed) {
  const int found = flux_.Find(begin, end, [&](int i) {
    for (const std::string_view word : kClauseWords) {
      if (!flux_.Is(i, word) || std::find(allowed.begin(), allowed.end(), word) != allowed.end())
        continue;
      // IS DISTINCT FROM and ROWS FROM (…); the ordered-set aggregates' WITHIN GROUP (…).
      if (word == "from" &&
          (IsWord(flux_.in_[i - 1], "distinct") || IsWord(flux_.in_[i - 1], "rows")))
        continue;
      if (word == "group" && IsWord(flux_.in_[i - 1], "within")) continue;
      return true;
    }
    return false;
  });
  if (found >= end) return true;
  flux_.Fail(found, kPipeHint);
  return false;
}

int Pipeline::DropComma(int begin, int end) const {
  return end > begin && IsSymbol(flux_.in_[end - 1], ",") ? end - 1 : end;
}

std::vector<std::pair<int, int>> Pipeline::Items(int begin, int end) const {
  std::vector<std::pair<int, int>> items;
  for (int i = begin; i < end;) {
    const int comma = flux_.Find(i, end, [&](int k) { return IsSymbol(flux_.in_[k], ","); });
    items.emplace_back(i, comma);
    i = comma + 1;
  }
  return items;
}

void Pipeline::Where(int begin, int end) {
  if (!RefuseClauses(begin + 1, end, {})) return;
  if (begin + 1 >= end) return flux_.Fail(end, {});
  if (!limit_.empty()) Close();
  Open();
  Tokens condition;
  flux_.Copy(begin + 1, end, &condition);
  if (where_.empty()) {
    where_ = std::move(condition);
    return;
  }
  Tokens both;
  Append({"("}, &both);
  Append(where_, &both);
  Append({")", "AND", "("}, &both);
  Append(condition, &both);
  Append({")"}, &both);
  where_ = std::move(both);
}

bool Pipeline::HasWindow(int begin, int end) const {
  return FindInExpressions(begin, end, [&](int i) {
           return i > begin && IsWord(flux_.in_[i], "over") && IsSymbol(flux_.in_[i - 1], ")");
         }) < end;
}

// The SELECT of a pending ORDER BY can take the list when that changes nothing: no clause of the
// list sees other rows than it would behind the sort, and no name of ORDER BY, which PostgreSQL
// looks up among the output columns first, is given to something else.
bool Pipeline::JoinsOrder(int begin, int end) {
  const Tokens& in = flux_.in_;
  if (begin >= end) return false;
  if (IsWord(in[begin], "distinct") || IsWord(in[begin], "all") || HasWindow(begin, end))
    return false;
  for (size_t i = 1; i < order_.size(); i++) {
    const bool item = IsWord(order_[i - 1], "by") || IsSymbol(order_[i - 1], ",");
    // ORDER BY 1 counts the columns of its own SELECT.
    if (item && order_[i].kind == TokenKind::kNumber) return false;
  }
  std::set<std::string_view> ordered;
  for (const Token& token : order_) {
    if (IsNameLike(token)) ordered.insert(token.text);
  }
  for (const auto& [from, to] : Items(begin, end)) {
    for (int i = from; i < to; i++) {
      // A call may be an aggregate or return a set, which LIMIT must not see.
      if (i > from && IsSymbol(in[i], "(") && IsNameLike(in[i - 1]) && !limit_.empty())
        return false;
    }
    const bool column = to == from + 1 || (to > from + 2 && IsSymbol(in[to - 2], "."));
    if (column || from >= to) continue;
    if (ordered.contains(in[to - 1].text)) return false;
  }
  return true;
}

void Pipeline::Select(int begin, int end) {
  if (!RefuseClauses(begin + 1, end, {"window"})) return;
  const int window = flux_.FindWord(begin + 1, end, "window");
  const int list_end = DropComma(begin + 1, window);
  const bool join_order = variables_ == Variables::kMany && JoinsOrder(begin + 1, list_end);
  if (join_order) {
    Open();
  } else {
    SettleOrder();
  }
  Tokens query;
  flux_.Copy(begin, list_end, &query);
  EmitFrom(&query);
  flux_.Copy(window, end, &query);
  Append(order_, &query);
  Append(limit_, &query);
  Finished(std::move(query), false);
}

void Pipeline::Extend(int begin, int end) {
  if (!RefuseClauses(begin + 1, end, {})) return;
  end = DropComma(begin + 1, end);
  if (begin + 1 >= end) return flux_.Fail(end, {});
  SettleOrder();
  Tokens list;
  flux_.Copy(begin + 1, end, &list);
  Tokens query;
  // A window sees all rows, a lateral subquery one: count(*) of that would be 1.
  if (HasWindow(begin + 1, end)) {
    Append({"SELECT", "*", ","}, &query);
    Append(list, &query);
    EmitFrom(&query);
    return Finished(std::move(query), true);
  }
  const Tokens& in = flux_.in_;
  const int star = FindInExpressions(begin + 1, end, [&](int i) {
    return IsSymbol(in[i], "*") && IsSymbol(in[i - 1], "(") && i + 1 < end &&
           IsSymbol(in[i + 1], ")");
  });
  if (star < end)
    return flux_.Fail(star, "Use the stage AGGREGATE, or add OVER ().",
                      "aggregate functions are not allowed in EXTEND");
  SettleWhere();
  Append({"SELECT"}, &query);
  Append(list, &query);
  Lateral(query);
}

// The columns of AGGREGATE: groups first, then aggregates; GROUP BY and ORDER BY name them by their
// places.
void Pipeline::Aggregate(int begin, int end) {
  const Tokens& in = flux_.in_;
  const int group = flux_.Find(
      begin + 1, end, [&](int i) { return flux_.Is(i, "group") && !IsWord(in[i - 1], "within"); });
  if (!RefuseClauses(begin + 1, group, {})) return;
  int by = group + 1;
  const bool order_groups = by + 1 < end && IsWord(in[by], "and") && IsWord(in[by + 1], "order");
  if (order_groups) by += 2;
  if (group < end && (by >= end || !IsWord(in[by], "by"))) return flux_.Fail(std::min(by, end), {});
  if (!RefuseClauses(by + 1, end, {})) return;
  const auto groups = Items(std::min(by + 1, end), end);
  const auto aggregates = Items(begin + 1, group);
  if (groups.empty() && (group < end || aggregates.empty())) return flux_.Fail(end, {});

  SettleOrder();
  Grouping grouping;
  for (const auto& [from, to] : groups) AddGroup(from, to, order_groups, &grouping);
  for (const auto& [from, to] : aggregates) AddColumn(from, to, false, &grouping);
  Tokens query;
  Append({"SELECT"}, &query);
  Append(grouping.columns, &query);
  EmitFrom(&query);
  if (!groups.empty()) Append({"GROUP", "BY"}, &query);
  Append(grouping.groups, &query);
  if (!grouping.order.empty()) Append({"ORDER", "BY"}, &query);
  Append(grouping.order, &query);
  Finished(std::move(query), false);
}

// Adds an output column without its order suffix, and the suffix to ORDER BY; returns its place.
Token Pipeline::AddColumn(int begin, int end, bool ordered, Grouping* grouping) {
  const Tokens& in = flux_.in_;
  const Token place = MakeNumber(flux_.result_->Keep(std::to_string(++grouping->count)));
  if (begin >= end) flux_.Fail(begin, {});
  const int suffix =
      flux_.Find(begin, end, [&](int i) { return flux_.Is(i, "asc") || flux_.Is(i, "desc"); });
  int rest = std::min(suffix + 1, end);
  if (rest + 1 < end && IsWord(in[rest], "nulls")) rest += 2;
  if (grouping->count > 1) Append({","}, &grouping->columns);
  flux_.Copy(begin, suffix, &grouping->columns);
  flux_.Copy(rest, end, &grouping->columns);
  if (ordered || suffix < end) {
    if (!grouping->order.empty()) Append({","}, &grouping->order);
    grouping->order.push_back(place);
    flux_.Copy(suffix, rest, &grouping->order);
  }
  return place;
}

// Adds an item of GROUP BY. Grouping sets have their columns inside.
void Pipeline::AddGroup(int begin, int end, bool ordered, Grouping* grouping) {
  const FluxTranslator::Level level(&flux_);
  if (level.too_deep()) return;
  const Tokens& in = flux_.in_;
  if (!grouping->groups.empty()) Append({","}, &grouping->groups);
  const bool query = begin + 1 < end && IsSymbol(in[begin], "(") &&
                     (flux_.StartsQuery(begin + 1) || flux_.Find(begin + 1, end - 1, [&](int i) {
                       return flux_.IsSetOperator(i);
                     }) < end - 1);
  const bool sets = !query && begin < end &&
                    (IsWord(in[begin], "rollup") || IsWord(in[begin], "cube") ||
                     IsWord(in[begin], "grouping") || IsSymbol(in[begin], "("));
  int open = begin;
  while (sets && open < end && !IsSymbol(in[open], "(")) open++;
  if (!sets || open >= end || !IsSymbol(in[open], "(") || flux_.Next(open) != end) {
    std::string text;
    for (int i = begin; i < end; i++) {
      text.push_back(static_cast<char>(in[i].kind));  // a is not 'a'
      text.append(in[i].text).push_back(' ');
    }
    const auto known = grouping->known.find(text);
    if (known != grouping->known.end()) {
      grouping->groups.push_back(known->second);
      return;
    }
    grouping->groups.push_back(AddColumn(begin, end, ordered, grouping));
    grouping->known.emplace(std::move(text), grouping->groups.back());
    return;
  }
  for (int i = begin; i <= open; i++) grouping->groups.push_back(in[i]);
  // The comma between items is that of the inner list.
  Tokens outer = std::move(grouping->groups);
  grouping->groups.clear();
  for (const auto& [from, to] : Items(open + 1, end - 1)) AddGroup(from, to, ordered, grouping);
  Append(grouping->groups, &outer);
  outer.push_back(in[end - 1]);
  grouping->groups = std::move(outer);
}

void Pipeline::Join(int begin, int end) {
  if (!RefuseClauses(begin, end, {})) return;
  SettleOrder();
  SettleWhere();
  PrepareJoin();
  flux_.Copy(begin, end, &from_);
  commas_ = flux_.Find(begin, end, [&](int i) { return IsSymbol(flux_.in_[i], ","); }) < end;
  variables_ = Variables::kMany;
}

void Pipeline::Distinct(int begin, int end) {
  if (begin + 1 < end) return flux_.Fail(begin + 1, kPipeHint);
  SettleOrder();
  Tokens query;
  Append({"SELECT"}, &query);
  flux_.Copy(begin, end, &query);
  Append({"*"}, &query);
  EmitFrom(&query);
  Finished(std::move(query), true);
}

void Pipeline::OrderBy(int begin, int end) {
  if (!RefuseClauses(begin + 1, end, {})) return;
  SettleOrder();
  flux_.Copy(begin, end, &order_);
}

void Pipeline::Limit(int begin, int end) {
  if (!RefuseClauses(begin + 1, end, {"offset"})) return;
  if (open_ && !limit_.empty()) Close();
  Open();
  flux_.Copy(begin, end, &limit_);
}

void Pipeline::As(int begin, int end) {
  Close();
  if (begin + 1 >= end) return flux_.Fail(end, {});
  if (begin + 2 < end) return flux_.Fail(begin + 2, kPipeHint);
  variable_ = flux_.in_[begin + 1];
  variables_ = Variables::kOne;
  Open();
}

// UNION, INTERSECT, EXCEPT [ALL | DISTINCT] (query), …
void Pipeline::Combine(int begin, int end) {
  const Tokens& in = flux_.in_;
  int i = begin + 1;
  if (i < end && (IsWord(in[i], "all") || IsWord(in[i], "distinct"))) i++;
  Close();
  Tokens query;
  Append({"("}, &query);
  Append(query_, &query);
  Append({")"}, &query);
  const std::vector<std::pair<int, int>> items = Items(i, end);
  if (items.empty()) return flux_.Fail(end, {});
  for (const auto& [from, to] : items) {
    const bool group = from < to && IsSymbol(in[from], "(") && flux_.Next(from) == to;
    if (!group) return flux_.Fail(from, "Put the queries behind the stage in parentheses.");
    Tokens op(in.begin() + begin, in.begin() + i);
    Append(op, &query);
    flux_.Copy(from, to, &query);
  }
  Finished(std::move(query), false);
}

}  // namespace helios::syntax
