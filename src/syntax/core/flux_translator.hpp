// The two halves of the Flux translator: queries and statements (flux.cpp), pipes (pipe.cpp).
#pragma once

#include <map>
#include <string>
#include <utility>

#include "syntax/core/flux.hpp"

namespace helios::syntax {

// Translates ranges [begin, end) of one statement's tokens; every range lies between parentheses
// that match, or is the whole statement.
class FluxTranslator {
 public:
  FluxTranslator(const Tokens& in, Translation* result)
      : in_(in),
        close_(MatchParentheses(in)),
        size_(static_cast<int>(in.size())),
        result_(result) {}

  void Statement(int begin, int end, Tokens* out);
  // Copies tokens; what stands in parentheses is translated as a query where it is one.
  void Copy(int begin, int end, Tokens* out);
  // True once something of Flux was found.
  bool found() const { return found_; }
  // True when queries or statements nest deeper than the translator follows.
  bool too_deep() const { return too_deep_; }

 private:
  friend class Pipeline;

  // One level of recursion: the translator recurses on the C stack.
  class Level {
   public:
    explicit Level(FluxTranslator* flux);
    ~Level() { flux_.depth_--; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    bool too_deep() const { return flux_.too_deep_; }

   private:
    FluxTranslator& flux_;
  };

  // The order of clauses in the stock grammar; what follows ORDER BY keeps the user's order.
  enum Rank { kNoClause = -1, kSelect, kFrom, kWhere, kGroup, kHaving, kWindow, kOrder, kTail };
  // A clause of a query: its first token is the word that opens it.
  struct Clause {
    Rank rank;
    int begin, end;
  };

  void Insert(int begin, int end, Tokens* out);
  void Create(int begin, int end, Tokens* out);
  void RuleActions(int begin, int end, Tokens* out);
  // Copies [begin, split), and translates the rest as a statement or as a query that ends at
  // `stop`.
  void SplitQuery(int begin, int split, int stop, int end, Tokens* out);

  // A query: WITH, set operations, pipes.
  void Query(int begin, int end, Tokens* out);
  // A query without WITH and pipes.
  void SetOperation(int begin, int end, Tokens* out);
  // A query that begins with FROM, no set operation.
  void FromFirst(int begin, int end, Tokens* out);

  // The clauses of [begin, end) in the user's order.
  std::vector<Clause> Clauses(int begin, int end) const;
  // The clause that the word at i opens, in a query that begins with FROM at `begin`.
  Rank RankOf(int begin, int i) const;
  // The first index in [begin, end) outside parentheses for which `test(index)` holds, or `end`.
  template <typename Test>
  int Find(int begin, int end, Test test) const {
    for (int i = begin; i < end; i = Next(i)) {
      if (test(i)) return i;
    }
    return end;
  }
  int FindWord(int begin, int end, std::string_view word) const {
    return Find(begin, end, [&](int i) { return Is(i, word); });
  }
  // The token after i, or after the group that i opens.
  int Next(int i) const { return close_[i] < 0 ? i + 1 : close_[i] + 1; }

  // The keyword `word` at i that is neither a label (AS word) nor a part of a name (t.word).
  bool Is(int i, std::string_view word) const;
  bool IsSetOperator(int i) const {
    return Is(i, "union") || Is(i, "intersect") || Is(i, "except");
  }
  bool StartsQuery(int i) const;
  // True for a parenthesis around a query, which may begin with parentheses of its own.
  bool HoldsQuery(int i) const;
  // A `|>` followed by the name of a stage.
  bool IsPipe(int i) const;

  void Fail(int index, std::string hint, std::string message = {}, bool unsupported = false);

  const Tokens& in_;
  const std::vector<int> close_;
  const int size_;
  Translation* result_;
  bool found_ = false;
  bool too_deep_ = false;
  int depth_ = 0;
};

// One query with pipes, stage after stage.
//
// The table that flows through the pipe is in one of two states: an open FROM clause with what may
// still join the same SELECT, so that its range variables (t.column) stay visible, or a finished
// query. WHERE, EXTEND and JOIN keep the clause open:
//
//   FROM t x |> WHERE p |> EXTEND e AS c |> JOIN u ON q
//     =>  t x JOIN (SELECT) AS "|>1" ON p CROSS JOIN LATERAL (SELECT e AS c) AS "|>2" JOIN u ON q
//
// (SELECT) is one row without columns. The made range variables "|>n" cannot meet a user's name by
// accident, and the planner dissolves them. Each stage sees just the columns to its left, as in
// GoogleSQL: a column that a later stage adds neither hides nor makes ambiguous what came before.
class Pipeline {
 public:
  explicit Pipeline(FluxTranslator* flux) : flux_(*flux) {}

  // The query before the first pipe.
  void Head(int begin, int end);
  // One stage; `begin` is the token after the pipe.
  void Stage(int begin, int end);
  void Finish(Tokens* out);

 private:
  // The SELECT that stands for AGGREGATE, as far as it is known.
  struct Grouping {
    Tokens columns, groups, order;
    int count = 0;                       // columns so far
    std::map<std::string, Token> known;  // grouped expressions and their places
  };
  // How many range variables of the user's the open clause has.
  enum class Variables : uint8_t { kNone, kOne, kMany };

  void Where(int begin, int end);
  void Select(int begin, int end);
  void Extend(int begin, int end);
  void Aggregate(int begin, int end);
  Token AddColumn(int begin, int end, bool ordered, Grouping* grouping);
  void AddGroup(int begin, int end, bool ordered, Grouping* grouping);
  void Join(int begin, int end);
  void Distinct(int begin, int end);
  void OrderBy(int begin, int end);
  void Limit(int begin, int end);
  void Combine(int begin, int end);
  void As(int begin, int end);

  // Makes the table an open FROM clause: a finished query becomes a subquery.
  void Open();
  // Makes the table a finished query: SELECT * FROM …
  void Close();
  // Opens the table with neither ORDER BY nor LIMIT pending.
  void SettleOrder();
  // Turns a pending WHERE into a join of the FROM clause.
  void SettleWhere();
  // Appends `[CROSS] JOIN …` safely to a FROM clause that may have commas.
  void PrepareJoin();
  // Appends FROM and WHERE of the open clause.
  void EmitFrom(Tokens* out);
  // The finished query becomes `query`, with the range variables it still has.
  void Finished(Tokens query, bool keep_variable);
  void Lateral(const Tokens& select);

  // Items of a list separated by commas outside parentheses; a trailing comma is allowed.
  std::vector<std::pair<int, int>> Items(int begin, int end) const;
  // The end of a list without its trailing comma.
  int DropComma(int begin, int end) const;
  // False, with a problem noted, if a word that opens a clause stands in a stage that has none.
  bool RefuseClauses(int begin, int end, std::initializer_list<std::string_view> allowed);
  // True if a select list can join the SELECT of a pending ORDER BY and LIMIT.
  bool JoinsOrder(int begin, int end);
  bool HasWindow(int begin, int end) const;
  // The first index in [begin, end), also in parentheses but not in subqueries, for which `test`
  // holds.
  template <typename Test>
  int FindInExpressions(int begin, int end, Test test) const {
    for (int i = begin; i < end; i++) {
      if (test(i)) return i;
      if (flux_.HoldsQuery(i)) i = flux_.Next(i) - 1;
    }
    return end;
  }
  void FindVariable(int begin, int end);
  std::string_view NewName();

  FluxTranslator& flux_;
  bool open_ = false;
  Tokens from_;          // open: the items of FROM
  bool commas_ = false;  // open: FROM may have commas
  Tokens where_;         // open: the condition of WHERE
  Tokens order_;         // open: ORDER BY …
  Tokens limit_;         // open: LIMIT … OFFSET …
  Tokens query_;         // not open: the query
  Variables variables_ = Variables::kNone;
  Token variable_;  // kOne: its name
  int names_ = 0;
};

}  // namespace helios::syntax
