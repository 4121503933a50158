// Options in CREATE TABLE and ALTER TABLE of hybrid tables: what is ours is taken off the statement and becomes options
// of the table and its columns.
//
//   COMPRESSION pglz, default   PostgreSQL's, for hot rows; default takes an option of ours away as well
//   COMPRESSION lz4             PostgreSQL's where the type takes it, which cold rows follow (PoliciesOf)
//   COMPRESSION …               ours
//   WITH, SET, RESET (compression = …, compression_level = …)   ours; in the name space heliosdb if the statement was
//                               ALTER TABLE … SET COMPRESSION …
//   WITH, SET, RESET (order_by = …, tier_column = …)            ours, of tables
#include "hybrid/statements.hpp"

#include "hybrid/am.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/options.hpp"
#include "hybrid/table_argument.hpp"
#include "pg/utility.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/toasting.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

constinit pg::HookChain<ProcessUtility_hook_type> chain;

using Call = pg::UtilityCall;

enum class Option { kCompression, kLevel, kOrderBy, kTierColumn };

struct OptionName {
  const char *name;
  Option option;
  bool of_columns;
};
constexpr OptionName kOptions[] = {{"compression", Option::kCompression, true},
                                   {"compression_level", Option::kLevel, true},
                                   {"order_by", Option::kOrderBy, false},
                                   {"tier_column", Option::kTierColumn, false}};

// An option that is to be set behind the statement.
struct Change {
  const char *column;  // null: the table's
  Option option;
  char *value;  // null: the default
};

constexpr const char *kNameSpace = "heliosdb";

void Note(List **changes, const Change &change) {
  auto *noted = static_cast<Change *>(palloc(sizeof(Change)));
  *noted = change;
  *changes = lappend(*changes, noted);
}

// Notes what a name means for a column of a hybrid table, and tells whether PostgreSQL is to see it too. `type` is the
// column's, invalid where it is not there yet.
bool Take(const char *column, char *name, Oid type, List **changes) {
  const bool is_lz4 = strcmp(name, "lz4") == 0;
  const bool is_default = strcmp(name, "default") == 0;
  if (strcmp(name, "pglz") == 0) return true;
  const bool is_stock = is_default || (is_lz4 && (!OidIsValid(type) || TypeIsToastable(type)));
  Note(changes, {column, Option::kCompression, is_stock ? nullptr : name});
  return is_stock;
}

// The same of a column that a statement defines; the name is taken off if PostgreSQL is not to see it.
void TakeFrom(ColumnDef *column, List **changes) {
  if (column->compression == nullptr) return;
  const Oid type =
      column->typeName != nullptr ? LookupTypeNameOid(nullptr, column->typeName, true) : InvalidOid;
  if (!Take(column->colname, column->compression, type, changes)) column->compression = nullptr;
}

// Which option of ours a table, or a column, is given; null: none of ours.
const OptionName *FindOurs(const DefElem *option, bool of_column) {
  if (option->defnamespace != nullptr && strcmp(option->defnamespace, kNameSpace) != 0)
    return nullptr;
  for (const OptionName &known : kOptions) {
    if ((known.of_columns || !of_column) && strcmp(option->defname, known.name) == 0) return &known;
  }
  return nullptr;
}

bool HasOurs(const List *options, bool of_column) {
  ListCell *cell;
  foreach (cell, options) {
    if (FindOurs(lfirst_node(DefElem, cell), of_column) != nullptr) return true;
  }
  return false;
}

// Notes options of a table or column that are ours, and gives the others.
List *TakeOptions(const char *column, List *options, List **changes) {
  List *stock = NIL;
  ListCell *cell;
  foreach (cell, options) {
    auto *option = lfirst_node(DefElem, cell);
    const OptionName *ours = FindOurs(option, column != nullptr);
    if (ours == nullptr) {
      stock = lappend(stock, option);
      continue;
    }
    char *value = option->arg != nullptr ? defGetString(option) : nullptr;
    if (value != nullptr && strcmp(value, "default") == 0) value = nullptr;
    Note(changes, {column, ours->option, value});
  }
  return stock;
}

// Lays one change over options.
void Apply(Oid relation, const Change &change, Options *options) {
  char *value = change.value;
  switch (change.option) {
    case Option::kCompression:
      options->compression = value;
      break;
    case Option::kLevel:
      options->level.reset();
      if (value != nullptr) options->level = pg_strtoint32(value);
      break;
    case Option::kOrderBy:
      options->order = value != nullptr ? ParseOrder(relation, value) : Order{};
      break;
    case Option::kTierColumn:
      options->tier_column = value != nullptr ? FindColumn(relation, value) : InvalidAttrNumber;
      break;
  }
}

// Stores what was noted.
void Store(Relation rel, List *changes) {
  const Oid relation = RelationGetRelid(rel);
  ListCell *cell;
  foreach (cell, changes) {
    const auto *change = static_cast<const Change *>(lfirst(cell));
    const AttrNumber attribute =
        change->column != nullptr ? FindColumn(relation, change->column) : kWholeTable;
    Options options = ReadOptions(rel, attribute);
    Apply(relation, *change, &options);
    StoreOptions(rel, attribute, options);
  }
}

Oid TypeOf(Oid relation, const char *column) {
  const AttrNumber attribute = get_attnum(relation, column);
  return attribute > 0 ? get_atttype(relation, attribute) : InvalidOid;
}

bool IsOfColumn(const AlterTableCmd *command) {
  return command->subtype == AT_SetOptions || command->subtype == AT_ResetOptions;
}

// Tells whether a statement may have something of ours.
bool MayHaveOurs(const AlterTableStmt *alter) {
  ListCell *cell;
  foreach (cell, alter->cmds) {
    const auto *command = lfirst_node(AlterTableCmd, cell);
    switch (command->subtype) {
      case AT_SetCompression:
        return true;
      case AT_AddColumn:
        if (reinterpret_cast<const ColumnDef *>(command->def)->compression != nullptr) return true;
        break;
      case AT_SetRelOptions:
      case AT_ResetRelOptions:
      case AT_SetOptions:
      case AT_ResetOptions:
        if (HasOurs(castNode(List, command->def), IsOfColumn(command))) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

// Tells whether a statement says that something is ours.
bool HasCarrier(const AlterTableStmt *alter) {
  const auto *command = linitial_node(AlterTableCmd, alter->cmds);
  if (command->subtype != AT_SetRelOptions && command->subtype != AT_SetOptions) return false;
  const auto *option = linitial_node(DefElem, castNode(List, command->def));
  return option->defnamespace != nullptr && FindOurs(option, IsOfColumn(command)) != nullptr;
}

// Takes what is ours off a subcommand, and tells whether anything is left of it.
bool TakeFrom(AlterTableCmd *command, Oid relation, List **changes) {
  switch (command->subtype) {
    case AT_AddColumn:
      TakeFrom(castNode(ColumnDef, command->def), changes);
      return true;
    case AT_SetCompression:
      return Take(command->name, strVal(command->def), TypeOf(relation, command->name), changes);
    case AT_SetRelOptions:
    case AT_ResetRelOptions:
    case AT_SetOptions:
    case AT_ResetOptions: {
      if (!HasOurs(castNode(List, command->def), IsOfColumn(command))) return true;
      List *stock = TakeOptions(command->name, castNode(List, command->def), changes);
      command->def = reinterpret_cast<Node *>(stock);
      return stock != NIL;
    }
    default:
      return true;
  }
}

// Runs ALTER TABLE without what is ours, even if that is all of it: locks, event triggers and IF EXISTS stay
// PostgreSQL's.
void Alter(const Call &call, AlterTableStmt *original) {
  const Oid relation = AlterTableLookupRelation(original, AlterTableGetLockLevel(original->cmds));
  if (!OidIsValid(relation)) return call.GoOn(chain);
  Relation table = relation_open(relation, NoLock);
  const bool is_hybrid = IsHybrid(table);
  if (!is_hybrid && HasCarrier(original)) RaiseNotHybrid(table);
  relation_close(table, NoLock);
  if (!is_hybrid) return call.GoOn(chain);
  auto *alter = static_cast<AlterTableStmt *>(copyObjectImpl(original));
  // The search path may lead to another table by now.
  alter->relation->schemaname = get_namespace_name(get_rel_namespace(relation));
  List *left = NIL, *changes = NIL;
  ListCell *cell;
  foreach (cell, alter->cmds) {
    auto *command = lfirst_node(AlterTableCmd, cell);
    if (TakeFrom(command, relation, &changes)) left = lappend(left, command);
  }
  alter->cmds = left;
  call.With(reinterpret_cast<Node *>(alter)).GoOn(chain);
  CommandCounterIncrement();
  Relation rel = table_open(relation, NoLock);
  Store(rel, changes);
  table_close(rel, NoLock);
}

bool MayHaveOurs(const CreateStmt *create) {
  if (HasOurs(create->options, false)) return true;
  ListCell *cell;
  foreach (cell, create->tableElts) {
    const auto *column = static_cast<const ColumnDef *>(lfirst(cell));
    if (IsA(column, ColumnDef) && column->compression != nullptr) return true;
  }
  return false;
}

// Tells whether a statement creates a hybrid table.
bool CreatesHybrid(const CreateStmt *create) {
  if (create->partspec != nullptr) return false;
  const Oid method = get_table_am_oid(
      create->accessMethod != nullptr ? create->accessMethod : default_table_access_method, true);
  HeapTuple tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(method));
  if (!HeapTupleIsValid(tuple)) return false;
  const Oid handler = reinterpret_cast<Form_pg_am>(GETSTRUCT(tuple))->amhandler;
  ReleaseSysCache(tuple);
  return GetTableAmRoutine(handler) == Routine();
}

void Create(const Call &call, const CreateStmt *original) {
  auto *create = static_cast<CreateStmt *>(copyObjectImpl(original));
  Oid existing;
  const Oid schema = RangeVarGetAndCheckCreationNamespace(create->relation, NoLock, &existing);
  List *changes = NIL;
  create->options = TakeOptions(nullptr, create->options, &changes);
  ListCell *cell;
  foreach (cell, create->tableElts) {
    auto *column = static_cast<ColumnDef *>(lfirst(cell));
    if (IsA(column, ColumnDef)) TakeFrom(column, &changes);
  }
  call.With(reinterpret_cast<Node *>(create)).GoOn(chain);
  if (OidIsValid(existing)) return;
  CommandCounterIncrement();
  Relation rel = table_open(get_relname_relid(create->relation->relname, schema), NoLock);
  Store(rel, changes);
  table_close(rel, NoLock);
}

void OnUtility(PlannedStmt *planned, const char *text, bool read_only,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
               DestReceiver *receiver, QueryCompletion *completion) {
  const Call call = {planned, text, read_only, context, params, environment, receiver, completion};
  Node *statement = planned->utilityStmt;
  if (IsA(statement, AlterTableStmt)) {
    auto *alter = reinterpret_cast<AlterTableStmt *>(statement);
    if (MayHaveOurs(alter)) return Alter(call, alter);
  } else if (IsA(statement, CreateStmt)) {
    const auto *create = reinterpret_cast<const CreateStmt *>(statement);
    if (MayHaveOurs(create) && CreatesHybrid(create)) return Create(call, create);
  }
  call.GoOn(chain);
}

}  // namespace

void InitStatements() { chain.Install(&ProcessUtility_hook, OnUtility); }

}  // namespace helios::hybrid
