// CREATE DATABASE x WITH branch_from = …, ALTER DATABASE x WITH drop_branch | merge_branch = …, SHOW branches: what
// the syntax layer makes of the verbatim statements, and what servers without that layer are given.
#include "branch/statements.hpp"

#include "branch/catalog.hpp"
#include "pg/hooks.hpp"

#include <cstring>

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

constinit pg::HookChain<post_parse_analyze_hook_type> analyze_chain;

const DefElem *FindOption(List *options, const char *name) {
  ListCell *cell;
  foreach (cell, options) {
    const auto *option = lfirst_node(DefElem, cell);
    if (strcmp(option->defname, name) == 0) return option;
  }
  return nullptr;
}

// Makes a JSON object of the options that are not among `known`.
Datum OtherOptions(List *options, std::initializer_list<const char *> known) {
  Datum *texts = static_cast<Datum *>(
      palloc(sizeof(Datum) * 2 * static_cast<size_t>(list_length(options) + 1)));
  int count = 0;
  ListCell *cell;
  foreach (cell, options) {
    auto *option = lfirst_node(DefElem, cell);
    bool is_known = false;
    for (const char *name : known) is_known |= strcmp(option->defname, name) == 0;
    if (is_known) continue;
    for (int i = 0; i < count; i += 2) {
      if (strcmp(TextDatumGetCString(texts[i]), option->defname) != 0) continue;
      ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                      errmsg("option \"%s\" is given twice", option->defname)));
    }
    texts[count++] = CStringGetTextDatum(option->defname);
    texts[count++] = CStringGetTextDatum(
        option->arg == nullptr ? "true" : defGetString(const_cast<DefElem *>(option)));
  }
  return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

// The value of an option as text; null if it is not there.
Datum OptionText(List *options, const char *name, char *null) {
  const DefElem *option = FindOption(options, name);
  *null = option == nullptr ? 'n' : ' ';
  return option == nullptr ? Datum{0}
                           : CStringGetTextDatum(defGetString(const_cast<DefElem *>(option)));
}

bool IsTrue(List *options, const char *name) {
  const DefElem *option = FindOption(options, name);
  return option != nullptr && defGetBoolean(const_cast<DefElem *>(option));
}

// Calls a function of the extension.
template <int kCount>
void CallFunction(const char *sql, Oid (&types)[kCount], Datum (&values)[kCount],
                  const char *nulls) {
  SPI_connect();
  if (SPI_execute_with_args(sql, kCount, types, values, nulls, false, 0) != SPI_OK_SELECT)
    elog(ERROR, "\"%s\" gave no result", sql);
  SPI_finish();
}

void RunCreate(const CreatedbStmt *create) {
  List *options = create->options;
  char nulls[] = "       ";
  Datum as_of = OptionText(options, "as_of_timestamp", &nulls[2]);
  if (nulls[2] == 'n') as_of = OptionText(options, "as_of", &nulls[2]);
  if (nulls[2] != 'n' && pg_strcasecmp(TextDatumGetCString(as_of), "now") == 0) nulls[2] = 'n';
  Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, BOOLOID, TEXTOID};
  Datum values[] = {CStringGetTextDatum(create->dbname),
                    OptionText(options, "branch_from", &nulls[1]),
                    as_of,
                    OptionText(options, "as_of_transaction", &nulls[3]),
                    OtherOptions(options, {"branch_from", "branch_if_not_exists", "as_of",
                                           "as_of_timestamp", "as_of_transaction", "as_of_scn"}),
                    BoolGetDatum(IsTrue(options, "branch_if_not_exists")),
                    OptionText(options, "as_of_scn", &nulls[6])};
  CallFunction(
      "SELECT heliosdb.create_branch($1, $2, $3::pg_catalog.timestamptz, $4::pg_catalog.int8, "
      "pg_catalog.jsonb_object($5), $6, $7::pg_catalog.int8)",
      types, values, nulls);
}

void RunDrop(const AlterDatabaseStmt *alter) {
  ListCell *cell;
  foreach (cell, alter->options) {
    const auto *option = lfirst_node(DefElem, cell);
    if (strcmp(option->defname, "drop_branch") == 0 ||
        strcmp(option->defname, "branch_if_exists") == 0)
      continue;
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                    errmsg("option \"%s\" does not go with DROP BRANCH", option->defname)));
  }
  Oid types[] = {TEXTOID, BOOLOID};
  Datum values[] = {CStringGetTextDatum(alter->dbname),
                    BoolGetDatum(IsTrue(alter->options, "branch_if_exists"))};
  CallFunction("SELECT heliosdb.drop_branch($1, $2)", types, values, nullptr);
}

void RunMerge(const AlterDatabaseStmt *alter) {
  char null;
  Oid types[] = {TEXTOID, TEXTOID, TEXTARRAYOID};
  Datum values[] = {OptionText(alter->options, "merge_branch", &null),
                    CStringGetTextDatum(alter->dbname),
                    OtherOptions(alter->options, {"merge_branch"})};
  CallFunction("SELECT heliosdb.merge_branch($1, $2, pg_catalog.jsonb_object($3))", types, values,
               nullptr);
}

// Replaces SHOW branches by the query that lists them.
void ShowBranches(Query *query, const char *setting) {
  if (strcmp(setting, "branches") != 0) return;
  List *parsed = raw_parser("TABLE heliosdb.branch_list", RAW_PARSE_DEFAULT);
  Query *list = parse_analyze_fixedparams(linitial_node(RawStmt, parsed),
                                          "TABLE heliosdb.branch_list", nullptr, 0, nullptr);
  const QuerySource source = query->querySource;
  *query = *list;
  query->querySource = source;
}

void AfterAnalysis(ParseState *state, Query *query, JumbleState *jumble) {
  if (query->commandType == CMD_UTILITY && IsA(query->utilityStmt, VariableShowStmt))
    ShowBranches(query, reinterpret_cast<VariableShowStmt *>(query->utilityStmt)->name);
  if (analyze_chain.previous() != nullptr) analyze_chain.previous()(state, query, jumble);
}

}  // namespace

bool RunBranchStatement(const Node *statement) {
  if (IsA(statement, CreatedbStmt)) {
    const auto *create = reinterpret_cast<const CreatedbStmt *>(statement);
    if (FindOption(create->options, "branch_from") == nullptr) return false;
    RunCreate(create);
    return true;
  }
  if (!IsA(statement, AlterDatabaseStmt)) return false;
  const auto *alter = reinterpret_cast<const AlterDatabaseStmt *>(statement);
  if (FindOption(alter->options, "drop_branch") != nullptr) {
    RunDrop(alter);
  } else if (FindOption(alter->options, "merge_branch") != nullptr) {
    RunMerge(alter);
  } else {
    return false;
  }
  return true;
}

void InitStatements() { analyze_chain.Install(&post_parse_analyze_hook, AfterAnalysis); }

}  // namespace helios::branch
