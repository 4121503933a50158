// Forms: statements and clauses of our own, each one entry of the table in forms.cpp.
//
// A pattern is matched against tokens, a target says what tokens of the stock grammar stand for it:
//
//   pattern   CREATE [ UNIQUE <unique:mark> ] INDEX <head:first> ON <table:first> …
//   WORD          a keyword or unquoted name            ( ) , = .   themselves
//   <x:name>      an identifier or keyword              <x:label>   the same, or a string constant
//   <x:alias>     a name that needs no AS               <x:string>  a string constant
//   <x:number>    a number                              <x:group>   ( … ) with the parentheses
//   <x:expr>      an operand or operands joined by operators, as far as it goes
//   <x:first>     one or more tokens, up to the first place at which the next element matches
//   <x:last>      the same, up to the last such place
//   <x:rest>      what is left, may be nothing
//   <x:mark>      nothing; tells the target that this branch was taken
//   [ … ]         may be missing                        { a | b }   alternatives
//
//   target    CREATE $head ON $table USING hnsw $columns $rest
//   WORD          a made token                          'text'      a made string constant
//   $x            the captured tokens                   '$x'        the captured name as a string
//   @x            the captured list without parentheses and commas
//   [ … ]         only if every $x, @x and ?x in it was captured, and no !x; ?x, !x give nothing
//
// "First" and "last" look for places outside parentheses, and once found a place is kept: matching
// takes time linear in the tokens for each element of the pattern.
#pragma once

#include <span>

#include "syntax/core/translate.hpp"

namespace helios::syntax {

enum class FormPlace : uint8_t {
  kStatement,  // the whole of a statement
  kTable,      // behind the name of a table in FROM and JOIN; $table is that name, $name its last part
};

struct Form {
  const char* name;  // for heliosdb.syntax_forms()
  FormPlace place;
  bool accepted;  // false until its feature is there: the text keeps its stock error
  const char* pattern;
  const char* target;   // the carrier: what the stock grammar gets
  const char* meaning;  // one line for users
};

// The table, in the order in which forms are tried.
std::span<const Form> Forms();

// Rewrites a statement by the forms that `options` accept; notes in `result` whether one matched.
void ApplyForms(const TranslateOptions& options, Tokens* statement, Translation* result);

// The same by one form; true if it matched. For tests and ApplyForms.
bool ApplyForm(const Form& form, Tokens* statement, Translation* result);

// The index after the expression that begins at `begin`, or `begin` if none does: operands
// (constants, parameters, names, calls, casts, parentheses, CASE) joined by operators. It stops
// before words that only a clause can follow, and before a bare alias.
int SkipExpression(const Tokens& tokens, const std::vector<int>& close, int begin);

}  // namespace helios::syntax
