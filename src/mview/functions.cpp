// What users see of maintained views.
#include "mview/bases.hpp"

#include "changelog/changelog.hpp"
#include "mview/backlog.hpp"
#include "mview/catalog.hpp"
#include "mview/delta.hpp"
#include "mview/options.hpp"
#include "mview/refresh.hpp"
#include "pg/names.hpp"
#include "pg/pg.hpp"
#include "pg/tables.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// More changes than these are not counted one by one.
constexpr int64 kMostCounted = 1000000000;

// Builds an array of what a list holds.
Datum ArrayOf(const List *list, Oid type, Datum (*value)(const ListCell *)) {
  const int count = list_length(list);
  auto *values = static_cast<Datum *>(palloc(count * sizeof(Datum) + 1));
  const ListCell *cell;
  int i = 0;
  foreach (cell, list) values[i++] = value(cell);
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(type, &length, &by_value, &align);
  return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

// Lists the maintained views.
List *MaintainedViews() {
  changelog::RunAsOwner("SELECT relid FROM heliosdb.mviews ORDER BY relid", true, SPI_OK_SELECT);
  List *views = NIL;
  for (uint64 row = 0; row < SPI_processed; row++) {
    bool is_null;
    views = lappend_oid(views, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
                                                              SPI_tuptable->tupdesc, 1, &is_null)));
  }
  return views;
}

enum StateColumn {
  kRelid,
  kAutoRefresh,
  kStrategy,
  kThreshold,
  kPriority,
  kMaxCpu,
  kBases,
  kPending,
  kIsCurrent,
  kIsRefreshing,
  kStaleSince,
  kStateColumns
};

// Describes the state of one view; false if it has gone.
bool DescribeState(Oid view, Datum *values, bool *nulls) {
  Record record;
  if (get_rel_relkind(view) != RELKIND_MATVIEW || !FindRecord(view, false, &record)) return false;
  const Options options = ReadOptions(view);
  List *bases = ReadBases(view);
  const Backlog backlog = FindBacklog(view, record, bases, kMostCounted);
  values[kRelid] = ObjectIdGetDatum(view);
  values[kAutoRefresh] = BoolGetDatum(options.auto_refresh);
  values[kStrategy] = CStringGetTextDatum(NameOf(options.strategy));
  values[kThreshold] = Int64GetDatum(options.staleness_seconds);
  values[kPriority] = Int32GetDatum(options.priority);
  values[kMaxCpu] = Float8GetDatum(options.max_cpu_percent);
  values[kBases] = ArrayOf(bases, REGCLASSOID, [](const ListCell *cell) {
    return ObjectIdGetDatum(static_cast<const Base *>(lfirst(cell))->relation);
  });
  values[kPending] = Int64GetDatum(backlog.changes);
  nulls[kPending] = !backlog.is_counted;
  values[kIsCurrent] = BoolGetDatum(backlog.is_current);
  nulls[kIsCurrent] = backlog.is_locked || (backlog.is_current && !backlog.is_known);
  values[kIsRefreshing] = BoolGetDatum(IsRefreshing(view));
  values[kStaleSince] = TimestampTzGetDatum(backlog.since);
  nulls[kStaleSince] = backlog.since == 0;
  return true;
}

enum ExplainColumn { kIncremental, kMethod, kWhyNot, kRemedy, kMissing, kTables, kExplainColumns };

// Describes how changes of what a view reads come to be known: one text for each relation.
List *DescribeTables(Oid owner, List *bases, const char **why_not) {
  List *texts = NIL;
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    const char *name = pg::QualifiedName(base->relation);
    if (base->kind == BaseKind::kTable) {
      texts = lappend(texts, psprintf("%s: tracked", name));
    } else if (base->kind == BaseKind::kView) {
      texts = lappend(texts, psprintf("%s: maintained materialized view", name));
    } else {
      const char *why = WhyUnknown(base->relation, owner);
      if (*why_not == nullptr) *why_not = why;
      texts = lappend(texts, psprintf("%s: %s", name, why));
    }
  }
  return texts;
}

// Estimates how many different values a column has; 0: nobody knows.
double ValuesOf(Relation relation, AttrNumber column) {
  HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(relation)),
                                    Int16GetDatum(column), BoolGetDatum(false));
  if (!HeapTupleIsValid(tuple)) return 0;
  const double distinct = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stadistinct;
  ReleaseSysCache(tuple);
  return distinct >= 0 ? distinct : -distinct * relation->rd_rel->reltuples;
}

// Writes the statement that creates an index through which rows that go are found in a view; null if it has one, or is
// read in no time.
char *SuggestIndex(Oid view) {
  constexpr BlockNumber kSmallPages = 16;
  Relation relation = table_open(view, AccessShareLock);
  const bool is_small = !RelationIsPopulated(relation) || pg::PagesOf(relation) < kSmallPages;
  TupleDesc desc = RelationGetDescr(relation);
  bool has_index = is_small;
  ListCell *cell;
  foreach (cell, RelationGetIndexList(relation)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    has_index = has_index ||
                (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indkey.values[0] > 0 &&
                 RelationGetIndexPredicate(index) == NIL);
    index_close(index, AccessShareLock);
  }
  // The column with the most values tells most.
  double best = -1;
  AttrNumber column = 0;
  for (int i = 0; i < desc->natts && !has_index; i++) {
    const Oid type = TupleDescAttr(desc, i)->atttypid;
    if (!OidIsValid(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf)) continue;
    const double values = ValuesOf(relation, static_cast<AttrNumber>(i + 1));
    if (values <= best) continue;
    best = values;
    column = static_cast<AttrNumber>(i + 1);
  }
  char *statement = nullptr;
  if (column != 0) {
    statement = psprintf("CREATE INDEX ON %s (%s)", pg::QualifiedName(view),
                         quote_identifier(NameStr(TupleDescAttr(desc, column - 1)->attname)));
  }
  table_close(relation, AccessShareLock);
  return statement;
}

Datum TextOf(const ListCell *cell) {
  return CStringGetTextDatum(static_cast<const char *>(lfirst(cell)));
}

void SetText(const char *text, int column, Datum *values, bool *nulls) {
  nulls[column] = text == nullptr;
  if (text != nullptr) values[column] = CStringGetTextDatum(text);
}

}  // namespace

HELIOS_FUNCTION(mview_states) {
  InitMaterializedSRF(fcinfo, 0);
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  SPI_connect();
  ListCell *cell;
  foreach (cell, MaintainedViews()) {
    CHECK_FOR_INTERRUPTS();
    Datum values[kStateColumns] = {};
    bool nulls[kStateColumns] = {};
    if (DescribeState(lfirst_oid(cell), values, nulls))
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  SPI_finish();
  PG_RETURN_NULL();
}

HELIOS_FUNCTION(mv_explain) {
  const Oid view = PG_GETARG_OID(0);
  Relation relation = relation_open(view, AccessShareLock);
  if (relation->rd_rel->relkind != RELKIND_MATVIEW) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("\"%s\" is not a materialized view", RelationGetRelationName(relation)),
                    errhint("Name a materialized view.")));
  }
  const Oid owner = relation->rd_rel->relowner;
  relation_close(relation, NoLock);
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "mv_explain returns a record");
  Datum values[kExplainColumns] = {};
  bool nulls[kExplainColumns] = {};
  MemoryContext caller = CurrentMemoryContext;
  SPI_connect();
  ViewOwnerScope scope;
  scope.Enter(view);
  const Reads reads = FindReads(view);
  scope.Leave();
  List *bases = ResolveBases(view, ReadBases(view), reads, false);
  // Constants in the query are computed by functions of the owner.
  scope.Enter(view);
  const Explanation &explanation = Explain(Classify(DescribeView(view, reads, bases, nullptr)));
  scope.Leave();
  MemoryContext spi = MemoryContextSwitchTo(caller);
  const char *why_not =
      reads.has_row_security ? "row-level security applies to its owner" : nullptr;
  values[kTables] = ArrayOf(DescribeTables(owner, bases, &why_not), TEXTOID, TextOf);
  if (why_not == nullptr && !explanation.is_incremental) why_not = explanation.why_not;
  values[kIncremental] = BoolGetDatum(why_not == nullptr);
  SetText(why_not == nullptr ? explanation.method : nullptr, kMethod, values, nulls);
  SetText(why_not, kWhyNot, values, nulls);
  SetText(explanation.remedy, kRemedy, values, nulls);
  List *missing = list_copy(explanation.missing);
  char *of_view = why_not == nullptr ? SuggestIndex(view) : nullptr;
  if (of_view != nullptr) missing = lappend(missing, of_view);
  values[kMissing] = ArrayOf(missing, TEXTOID, TextOf);
  const Datum row = HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
  MemoryContextSwitchTo(spi);
  SPI_finish();
  PG_RETURN_DATUM(row);
}

}  // namespace helios::mview
