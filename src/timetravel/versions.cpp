// `t VERSIONS BETWEEN low AND high x` is, to the stock grammar,
//
//   (SELECT versions.*, heliosdb.versions_startscn(versions) AS versions_startscn, …
//    FROM t versions TABLESAMPLE heliosdb.versions(low instant, low scn, high instant, high scn)) x
//
// of which the inner table is replaced by
//
//   SELECT columns, startscn, starttime, endscn, endtime, xid, operation FROM
//     (current rows that were there at `high`
//      UNION ALL versions of the log that were there at some time in between
//      UNION ALL deletions in between: the version that a transaction ended without leaving another under its key)
//
// An instant of 'infinity' is the present, what the statement sees; '-infinity' is the beginning of the history. The
// query is written as text, parsed with the names of the catalog qualified, and then gets the bounds, permission
// checks and policies of the table. Of a row that has no primary key it is not known what it was before: every new
// version is an insert. A changed key is a deletion and an insert.
#include "timetravel/versions.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "timetravel/cut.hpp"
#include "timetravel/past.hpp"
#include "timetravel/query.hpp"

#include <new>

extern "C" {
#include "access/attmap.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_param.h"
#include "parser/parser.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// What a version tells beside its columns, in the order in which they follow these.
struct PseudoColumn {
  const char *function;  // heliosdb.<function>(row)
  Oid type;
};

constexpr PseudoColumn kPseudoColumns[] = {
    {"versions_startscn", INT8OID}, {"versions_starttime", TIMESTAMPTZOID},
    {"versions_endscn", INT8OID},   {"versions_endtime", TIMESTAMPTZOID},
    {"versions_xid", XID8OID},      {"versions_operation", TEXTOID}};

constexpr int kBounds = 4;
constexpr Oid kBoundTypes[kBounds] = {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID};

// ---- Text of the query ----

// The bounds as arguments of functions: parameters 1 to 4, from an initplan where they cost something.
struct Text {
  StringInfoData sql;
  const char *bounds;
};

// Writes the columns of the table, by names of `source` or, for a log, by numbers.
void AppendColumns(StringInfo sql, Relation table, const AttrMap *of_log) {
  TupleDesc desc = RelationGetDescr(table);
  for (int i = 0; i < desc->natts; i++) {
    const Form_pg_attribute column = TupleDescAttr(desc, i);
    if (column->attisdropped) {
      appendStringInfo(sql, "NULL::pg_catalog.int4 AS a%d, ", i + 1);
    } else if (of_log == nullptr) {
      appendStringInfo(sql, "v.%s AS a%d, ", quote_identifier(NameStr(column->attname)), i + 1);
    } else {
      appendStringInfo(sql, "v.c%d AS a%d, ", of_log->attnums[i], i + 1);
    }
  }
}

// Writes the condition that another version has the same key as `v`: a row of the table, or of the log.
char *SameKey(const changelog::TrackedTable &leaf, Relation leaf_table, bool v_of_log,
              bool other_of_log) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < leaf.key_count; i++) {
    const char *name = quote_identifier(
        NameStr(TupleDescAttr(RelationGetDescr(leaf_table), leaf.key[i] - 1)->attname));
    const char *number = psprintf("c%d", leaf.key[i]);
    appendStringInfo(&text, "%so.%s %s v.%s", i == 0 ? "" : " AND ", other_of_log ? number : name,
                     changelog::KeyOperator(leaf.relation, i), v_of_log ? number : name);
  }
  return text.data;
}

// Writes the arms of one table that holds rows: the table itself, or a leaf of a partitioned one.
void AppendLeaf(Text *text, Relation table, Relation leaf_table) {
  const changelog::TrackedTable leaf = TrackedOrError(RelationGetRelid(leaf_table));
  const AttrMap *attributes =
      build_attrmap_by_name(RelationGetDescr(leaf_table), RelationGetDescr(table));
  const char *name = quote_qualified_identifier(
      get_namespace_name(RelationGetNamespace(leaf_table)), RelationGetRelationName(leaf_table));
  const char *log = changelog::LogName(leaf);
  StringInfo sql = &text->sql;
  const auto place = [&](const char *xid) {
    return psprintf("heliosdb.version_place(%u, %s, %s)", leaf.relation, xid, text->bounds);
  };
  const char *xmin = "heliosdb.version_creator(v.xmin)";
  const bool keyed = leaf.key_count > 0;

  // Was there a version under the same key that the creator ended?
  const auto followed = [&](const char *creator, bool of_log) {
    return keyed ? psprintf("EXISTS (SELECT FROM %s o WHERE o.op <> 'I' AND o.xid = %s AND %s)",
                            log, creator, SameKey(leaf, leaf_table, of_log, true))
                 : "false";
  };
  appendStringInfoString(sql, sql->len > 0 ? " UNION ALL SELECT " : "SELECT ");
  AppendColumns(sql, table, nullptr);
  appendStringInfo(
      sql,
      "%s AS creator, NULL::pg_catalog.xid8 AS ender, false AS deleted, %s AS followed, "
      "%s AS started, 1 AS ended FROM ONLY %s v WHERE %s <= 0",
      xmin, followed(xmin, false), place(xmin), name, place(xmin));

  const char *creator = "heliosdb.changelog_top(v.creator)";
  const char *recent = psprintf("v.op <> 'I' AND v.xid >= (SELECT heliosdb.version_floor(%u, %s))",
                                leaf.relation, text->bounds);
  appendStringInfoString(sql, " UNION ALL SELECT ");
  AppendColumns(sql, table, attributes);
  appendStringInfo(sql,
                   "%s, v.xid, false, %s, %s, %s FROM %s v WHERE %s AND %s <= 0 AND %s >= 0 "
                   "AND %s <> v.xid",
                   creator, followed(creator, true), place("v.creator"), place("v.xid"), log,
                   recent, place("v.creator"), place("v.xid"), creator);

  const char *left =
      keyed ? psprintf(
                  "NOT EXISTS (SELECT FROM ONLY %s o WHERE %s AND heliosdb.version_creator("
                  "o.xmin) = v.xid) AND NOT EXISTS (SELECT FROM %s o WHERE o.op <> 'I' AND %s "
                  "AND heliosdb.changelog_top(o.creator) = v.xid)",
                  name, SameKey(leaf, leaf_table, true, false), log,
                  SameKey(leaf, leaf_table, true, true))
            : "v.op = 'D'";
  appendStringInfoString(sql, " UNION ALL SELECT ");
  AppendColumns(sql, table, attributes);
  appendStringInfo(sql,
                   "v.xid, NULL, true, false, 0, 1 FROM %s v WHERE %s AND %s = 0 AND %s AND %s <> "
                   "v.xid",
                   log, recent, place("v.xid"), left, creator);
}

// Writes the whole query for a table.
char *WriteQuery(Relation table, const Versions &versions) {
  Text arms;
  initStringInfo(&arms.sql);
  StringInfoData bounds;
  initStringInfo(&bounds);
  for (int i = 0; i < kBounds; i++) {
    const bool simple = IsSimple(static_cast<Node *>(list_nth(versions.bounds, i)));
    appendStringInfo(&bounds, simple ? "%s$%d" : "%s(SELECT $%d)", i == 0 ? "" : ", ", i + 1);
  }
  arms.bounds = bounds.data;
  StringInfoData answerable;
  initStringInfo(&answerable);
  ListCell *cell;
  foreach (cell, find_all_inheritors(RelationGetRelid(table), AccessShareLock, nullptr)) {
    Relation leaf = table_open(lfirst_oid(cell), NoLock);
    appendStringInfo(&answerable, "%sheliosdb.version_answerable(%u, %s)",
                     answerable.len > 0 ? " AND " : "", RelationGetRelid(leaf), bounds.data);
    if (leaf->rd_rel->relkind == RELKIND_RELATION) AppendLeaf(&arms, table, leaf);
    table_close(leaf, NoLock);
  }
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  for (int i = 0; i < RelationGetDescr(table)->natts; i++) appendStringInfo(&sql, "a%d, ", i + 1);
  appendStringInfo(&sql,
                   "CASE WHEN started = 0 THEN heliosdb.transaction_scn(creator) END, "
                   "CASE WHEN started = 0 THEN heliosdb.version_time(creator) END, "
                   "CASE WHEN ended = 0 THEN heliosdb.transaction_scn(ender) END, "
                   "CASE WHEN ended = 0 THEN heliosdb.version_time(ender) END, "
                   "CASE WHEN started = 0 THEN creator END, "
                   "CASE WHEN deleted THEN 'D' WHEN started <> 0 THEN NULL "
                   "WHEN followed THEN 'U' ELSE 'I' END "
                   "FROM (%s) v WHERE %s",
                   arms.sql.data, answerable.data);
  if (arms.sql.len == 0) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has no partitions", RelationGetRelationName(table))));
  }
  return sql.data;
}

// ---- From text to tree ----

// Parses a query with parameters of the bounds' types, unseen by hooks for users' queries. Operators are those of the
// catalog, whatever the caller's search path says. Names are looked up as a superuser: the user needs no right to the schemas of logs, nor, through a view, to that of the table. Nothing is
// run meanwhile, and the rights to the table are asked for when the query is.
Query *Analyze(const char *sql) {
  List *raw = raw_parser(sql, RAW_PARSE_DEFAULT);
  ParseState *state = make_parsestate(nullptr);
  state->p_sourcetext = sql;
  setup_parse_fixed_parameters(state, kBoundTypes, kBounds);
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
  const int settings = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                    0, false);
  Query *query = transformTopLevelStmt(state, linitial_node(RawStmt, raw));
  AtEOXact_GUC(false, settings);
  SetUserIdAndSecContext(user, context);
  free_parsestate(state);
  return query;
}

// Puts the bounds in place of parameters, and the rights and policies of the table where it and its logs are read.
struct Adoption {
  const RangeTblEntry *original;
  int index;  // of that
  Relation table;
  const Versions *versions;
  int depth;  // queries around the node that belong to what replaces the table
  bool has_links;
};

Node *AdoptNode(Node *node, Adoption *adoption);

// Gives an entry of the made query what the table's own entry has.
void AdoptEntry(Query *query, RangeTblEntry *entry, const Adoption &adoption) {
  if (entry->rtekind != RTE_RELATION) return;
  const RangeTblEntry *original = adoption.original;
  const Oid of_log = changelog::TableOfLog(entry->relid);
  Relation leaf = table_open(OidIsValid(of_log) ? of_log : entry->relid, NoLock);
  const AttrMap *attributes =
      build_attrmap_by_name(RelationGetDescr(leaf), RelationGetDescr(adoption.table));
  entry->securityQuals = MapPolicies(original, adoption.index, attributes,
                                     OidIsValid(of_log) ? changelog::kLogColumns : 0);
  query->hasSubLinks =
      query->hasSubLinks || checkExprHasSubLink(reinterpret_cast<Node *>(entry->securityQuals));
  table_close(leaf, NoLock);
  // Asked for once, by the entry that is added at the top.
  entry->requiredPerms = 0;
  entry->selectedCols = nullptr;
}

Query *AdoptQuery(Query *query, Adoption *adoption) {
  const bool outer_links = adoption->has_links;
  adoption->has_links = false;
  adoption->depth++;
  query = query_tree_mutator(query, pg::AsMutator(AdoptNode), adoption, 0);
  adoption->depth--;
  query->hasSubLinks = query->hasSubLinks || adoption->has_links;
  adoption->has_links = outer_links;
  ListCell *cell;
  foreach (cell, query->rtable) AdoptEntry(query, lfirst_node(RangeTblEntry, cell), *adoption);
  return query;
}

Node *AdoptNode(Node *node, Adoption *adoption) {
  if (node == nullptr) return nullptr;
  if (IsA(node, Query))
    return reinterpret_cast<Node *>(AdoptQuery(reinterpret_cast<Query *>(node), adoption));
  if (IsA(node, Param) && reinterpret_cast<Param *>(node)->paramkind == PARAM_EXTERN) {
    const int number = reinterpret_cast<Param *>(node)->paramid;
    auto *bound =
        static_cast<Node *>(copyObjectImpl(list_nth(adoption->versions->bounds, number - 1)));
    IncrementVarSublevelsUp(bound, adoption->depth, 0);
    adoption->has_links = adoption->has_links || checkExprHasSubLink(bound);
    return bound;
  }
  return expression_tree_mutator(node, pg::AsMutator(AdoptNode), adoption);
}

// ---- The query around ----

// Replaces the functions of pseudo-columns over the row of one entry by columns of the query in its place.
struct Pseudo {
  int varno;
  int columns;  // of the table
  int depth;
  const char *table;
};

Node *ReplacePseudo(Node *node, Pseudo *pseudo) {
  if (node == nullptr) return nullptr;
  const auto is_row = [pseudo](const Node *argument) {
    const auto *var = reinterpret_cast<const Var *>(argument);
    return IsA(argument, Var) && var->varno == pseudo->varno &&
           var->varattno == InvalidAttrNumber &&
           static_cast<int>(var->varlevelsup) == pseudo->depth;
  };
  if (IsA(node, FuncExpr)) {
    const auto *call = reinterpret_cast<FuncExpr *>(node);
    Node *argument =
        list_length(call->args) == 1 ? static_cast<Node *>(linitial(call->args)) : nullptr;
    if (argument != nullptr && is_row(argument)) {
      int column = pseudo->columns;
      for (const PseudoColumn &known : kPseudoColumns) {
        column++;
        if (call->funcid != FunctionOf(known.function, {RECORDOID})) continue;
        return reinterpret_cast<Node *>(makeVar(pseudo->varno, static_cast<AttrNumber>(column),
                                                known.type, -1, exprCollation(node),
                                                pseudo->depth));
      }
    }
  }
  if (is_row(node)) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("whole rows of \"%s\" VERSIONS BETWEEN are not available", pseudo->table),
             errhint("Name the columns.")));
  }
  if (IsA(node, Query)) {
    pseudo->depth++;
    Query *query = query_tree_mutator(reinterpret_cast<Query *>(node), pg::AsMutator(ReplacePseudo),
                                      pseudo, 0);
    pseudo->depth--;
    return reinterpret_cast<Node *>(query);
  }
  return expression_tree_mutator(node, pg::AsMutator(ReplacePseudo), pseudo);
}

}  // namespace

void ExpandVersions(Query *query, int index, RangeTblEntry *entry, const Versions &versions) {
  CheckReadable(query, index, entry, versions.bounds);
  Relation table = table_open(entry->relid, NoLock);
  TrackedOrError(entry->relid);
  if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !entry->inh) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("VERSIONS BETWEEN is not available for ONLY \"%s\"",
                           RelationGetRelationName(table)),
                    errdetail("A partitioned table holds no rows itself.")));
  }
  Adoption adoption = {entry, index, table, &versions, 0, false};
  Query *made = AdoptQuery(Analyze(WriteQuery(table, versions)), &adoption);
  // The executor asks for the rights of every entry, also of one that no plan reads.
  RangeTblEntry *rights = static_cast<RangeTblEntry *>(copyObjectImpl(entry));
  rights->tablesample = nullptr;
  rights->lateral = false;
  rights->inFromCl = false;
  rights->securityQuals = NIL;
  made->rtable = lappend(made->rtable, rights);

  Pseudo pseudo = {index, RelationGetDescr(table)->natts, 0, entry->eref->aliasname};
  table_close(table, NoLock);
  const bool lateral = contain_vars_of_level(reinterpret_cast<Node *>(versions.bounds), 0);
  ReplaceBySubquery(entry, made, lateral);
  // Rows have more columns than the table's.
  entry->relid = InvalidOid;
  query_tree_mutator(query, pg::AsMutator(ReplacePseudo), &pseudo, QTW_DONT_COPY_QUERY);
}

namespace {

// ---- What the query asks at run time ----

// The cuts at both ends, kept from one row to the next.
struct Span {
  Oid relation;
  int64 key[kBounds];
  bool null[kBounds];
  Cut *low, *high;  // null: the present
};

Moment MomentOf(FunctionCallInfo fcinfo, int at, const changelog::TrackedTable &table,
                bool *present) {
  *present = false;
  if (PG_ARGISNULL(at) == PG_ARGISNULL(at + 1)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("the bounds of VERSIONS BETWEEN must not be null")));
  }
  if (!PG_ARGISNULL(at + 1)) return AtScn(PG_GETARG_INT64(at + 1));
  const TimestampTz instant = PG_GETARG_TIMESTAMPTZ(at);
  *present = TIMESTAMP_IS_NOEND(instant);
  return AtInstant(TIMESTAMP_IS_NOBEGIN(instant) ? HistorySince(table) : instant);
}

// Refuses bounds in the wrong order, where they are of one kind.
void RequireOrder(Moment low, bool low_present, Moment high, bool high_present) {
  const bool wrong = (low_present && !high_present) ||
                     (!high_present && low.kind == high.kind && low.value > high.value);
  if (!wrong) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("the lower bound of VERSIONS BETWEEN is after the upper bound")));
}

// Makes or finds the cuts of a function call whose bounds are its arguments from `first` on.
const Span *SpanOf(FunctionCallInfo fcinfo, Oid relation, int first) {
  auto *span = static_cast<Span *>(fcinfo->flinfo->fn_extra);
  bool same = span != nullptr && span->relation == relation;
  for (int i = 0; same && i < kBounds; i++) {
    same = span->null[i] == PG_ARGISNULL(first + i) &&
           (span->null[i] || span->key[i] == DatumGetInt64(PG_GETARG_DATUM(first + i)));
  }
  if (same) return span;
  const changelog::TrackedTable table = TrackedOrError(relation);
  MemoryContext before = MemoryContextSwitchTo(EmptyContextOf(fcinfo));
  span = static_cast<Span *>(palloc0(sizeof(Span)));
  bool low_present, high_present;
  const Moment low = MomentOf(fcinfo, first, table, &low_present);
  const Moment high = MomentOf(fcinfo, first + 2, table, &high_present);
  if (!low_present) span->low = new (palloc(sizeof(Cut))) Cut(relation, low);
  if (!high_present) span->high = new (palloc(sizeof(Cut))) Cut(relation, high);
  span->relation = relation;
  for (int i = 0; i < kBounds; i++) {
    span->null[i] = PG_ARGISNULL(first + i);
    span->key[i] = span->null[i] ? 0 : DatumGetInt64(PG_GETARG_DATUM(first + i));
  }
  fcinfo->flinfo->fn_extra = span;
  MemoryContextSwitchTo(before);
  return span;
}

}  // namespace

// version_place(table oid, transaction xid8, bounds): -1 up to the lower bound, 0 in between, 1 after the upper one.
HELIOS_FUNCTION(version_place) {
  if (PG_ARGISNULL(1)) PG_RETURN_NULL();
  const Span *span = SpanOf(fcinfo, PG_GETARG_OID(0), 2);
  const FullTransactionId xid = PG_GETARG_FULLTRANSACTIONID(1);
  if (span->low == nullptr || span->low->Contains(xid)) PG_RETURN_INT32(-1);
  PG_RETURN_INT32(span->high == nullptr || span->high->Contains(xid) ? 0 : 1);
}

// version_floor(table oid, bounds): a transaction below which all had ended at the lower bound.
HELIOS_FUNCTION(version_floor) {
  const changelog::TrackedTable table = TrackedOrError(PG_GETARG_OID(0));
  bool present;
  const Moment low = MomentOf(fcinfo, 1, table, &present);
  PG_RETURN_FULLTRANSACTIONID(present ? table.floor : FloorOf(table.relation, low));
}

// version_answerable(table oid, bounds): true, or an error if the table cannot answer for the bounds.
HELIOS_FUNCTION(version_answerable) {
  const changelog::TrackedTable table = TrackedOrError(PG_GETARG_OID(0));
  bool low_present, high_present;
  const Moment low = MomentOf(fcinfo, 1, table, &low_present);
  const Moment high = MomentOf(fcinfo, 3, table, &high_present);
  RequireOrder(low, low_present, high, high_present);
  if (!low_present) RequireAnswer(table.relation, low);
  if (!high_present) RequireAnswer(table.relation, high);
  PG_RETURN_BOOL(true);
}

// version_creator(xmin xid): the top-level transaction that created a row which the statement sees.
HELIOS_FUNCTION(version_creator) {
  PG_RETURN_FULLTRANSACTIONID(
      TopOfEnded(changelog::WidenXmin(DatumGetTransactionId(PG_GETARG_DATUM(0)))));
}

// version_time(transaction xid8): when a transaction committed, null if it has not.
HELIOS_FUNCTION(version_time) {
  TimestampTz at;
  if (!FindCommitTime(PG_GETARG_FULLTRANSACTIONID(0), &at)) PG_RETURN_NULL();
  PG_RETURN_TIMESTAMPTZ(at);
}

// versions_…(row): replaced when a query over VERSIONS BETWEEN is planned.
HELIOS_FUNCTION(versions_pseudo_column) {
  (void)fcinfo;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("a pseudo-column of VERSIONS BETWEEN is read outside of it"),
                  errhint("Give it the row of a table that has the clause.")));
}

}  // namespace helios::timetravel
