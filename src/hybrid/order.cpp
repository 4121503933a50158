#include "hybrid/order.hpp"

#include "hybrid/table_argument.hpp"

extern "C" {
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// Takes the list that a text is.
List *ParseList(const char *text) {
  const SelectStmt *select = ParseSelect(psprintf("SELECT ORDER BY %s\n", text));
  if (select == nullptr) {
    ereport(ERROR,
            (errcode(ERRCODE_SYNTAX_ERROR), errmsg("order_by is not a list of columns: %s", text),
             errhint("Write it as you would behind ORDER BY, such as 'day, id DESC'.")));
  }
  return select->sortClause;
}

// The column that an element of the list names.
const char *NameOf(const SortBy *element, const char *text) {
  if (IsA(element->node, ColumnRef) && element->sortby_dir != SORTBY_USING) {
    const List *fields = castNode(ColumnRef, element->node)->fields;
    if (list_length(fields) == 1 && IsA(linitial(fields), String)) return strVal(linitial(fields));
  }
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("order_by takes names of columns only, with ASC or DESC and NULLS FIRST or LAST: %s",
              text),
       errhint("A column that is generated can take the place of an expression.")));
}

int16 FlagsOf(const SortBy *element) {
  const bool descends = element->sortby_dir == SORTBY_DESC;
  const bool nulls_first = element->sortby_nulls == SORTBY_NULLS_DEFAULT
                               ? descends
                               : element->sortby_nulls == SORTBY_NULLS_FIRST;
  return static_cast<int16>((descends ? INDOPTION_DESC : 0) |
                            (nulls_first ? INDOPTION_NULLS_FIRST : 0));
}

// The operator that sorts values of a type; invalid: there is none.
Oid SortOperator(Oid type, int16 flags) {
  const TypeCacheEntry *known = lookup_type_cache(type, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
  return (flags & INDOPTION_DESC) != 0 ? known->gt_opr : known->lt_opr;
}

}  // namespace

bool Order::Names(AttrNumber attribute) const {
  for (int i = 0; i < count; i++) {
    if (columns[i].attribute == attribute) return true;
  }
  return false;
}

Order ParseOrder(Oid relation, const char *text) {
  Order order = {};
  ListCell *cell;
  foreach (cell, ParseList(text)) {
    const auto *element = lfirst_node(SortBy, cell);
    const char *name = NameOf(element, text);
    const AttrNumber attribute = FindColumn(relation, name);
    if (order.Names(attribute)) {
      ereport(
          ERROR,
          (errcode(ERRCODE_DUPLICATE_COLUMN),
           errmsg("order_by names column \"%s\" of table \"%s\" twice", name,
                  get_rel_name(relation)),
           errhint("Name it once: rows that agree in it are sorted by the columns behind it.")));
    }
    if (order.count == INDEX_MAX_KEYS) {
      ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                      errmsg("order_by of table \"%s\" has more than %d columns",
                             get_rel_name(relation), INDEX_MAX_KEYS),
                      errhint("Name those in front that tell most.")));
    }
    order.columns[order.count++] = {attribute, FlagsOf(element)};
  }
  return order;
}

char *FormatOrder(Oid relation, const Order &order) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < order.count; i++) {
    const OrderColumn &column = order.columns[i];
    const bool descends = (column.flags & INDOPTION_DESC) != 0;
    const bool nulls_first = (column.flags & INDOPTION_NULLS_FIRST) != 0;
    appendStringInfo(&text, "%s%s%s%s", i > 0 ? ", " : "",
                     quote_identifier(get_attname(relation, column.attribute, false)),
                     descends ? " DESC" : "",
                     nulls_first == descends ? ""
                     : nulls_first           ? " NULLS FIRST"
                                             : " NULLS LAST");
  }
  return text.data;
}

Datum EncodeOrder(const Order &order) {
  Datum elements[2 * INDEX_MAX_KEYS];
  for (int i = 0; i < order.count; i++) {
    elements[2 * i] = Int16GetDatum(order.columns[i].attribute);
    elements[2 * i + 1] = Int16GetDatum(order.columns[i].flags);
  }
  return PointerGetDatum(
      construct_array(elements, 2 * order.count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

Order DecodeOrder(Datum keys) {
  Datum *elements;
  int count;
  deconstruct_array(DatumGetArrayTypeP(keys), INT2OID, sizeof(int16), true, TYPALIGN_SHORT,
                    &elements, nullptr, &count);
  Order order = {};
  order.count = std::min(count / 2, INDEX_MAX_KEYS);
  for (int i = 0; i < order.count; i++) {
    order.columns[i] = {DatumGetInt16(elements[2 * i]), DatumGetInt16(elements[2 * i + 1])};
  }
  return order;
}

bool CanSort(Relation rel, const Order &order) {
  for (int i = 0; i < order.count; i++) {
    const OrderColumn &column = order.columns[i];
    const Oid type = TupleDescAttr(RelationGetDescr(rel), column.attribute - 1)->atttypid;
    if (!OidIsValid(SortOperator(type, column.flags))) return false;
  }
  return true;
}

SortKeys KeysOf(Relation rel, const Order &order) {
  SortKeys keys = {};
  keys.count = order.count;
  for (int i = 0; i < order.count; i++) {
    const OrderColumn &column = order.columns[i];
    const FormData_pg_attribute &attribute =
        *TupleDescAttr(RelationGetDescr(rel), column.attribute - 1);
    keys.attributes[i] = column.attribute;
    keys.operators[i] = SortOperator(attribute.atttypid, column.flags);
    if (!OidIsValid(keys.operators[i])) {
      ereport(ERROR,
              (errcode(ERRCODE_UNDEFINED_OBJECT),
               errmsg("column \"%s\" of table \"%s\" cannot be in order_by: type %s has no order",
                      NameStr(attribute.attname), RelationGetRelationName(rel),
                      format_type_be(attribute.atttypid)),
               errhint("Name columns whose type has a default operator class for btree.")));
    }
    keys.collations[i] = attribute.attcollation;
    keys.nulls_first[i] = (column.flags & INDOPTION_NULLS_FIRST) != 0;
  }
  return keys;
}

OrderMark *OrderMark::Make(MemoryContext parent, Relation rel, const Order &order) {
  MemoryContext context = AllocSetContextCreate(parent, "heliosdb order", ALLOCSET_SMALL_SIZES);
  auto *mark = static_cast<OrderMark *>(MemoryContextAllocZero(context, sizeof(OrderMark)));
  mark->context_ = context;
  mark->values_context_ =
      AllocSetContextCreate(context, "heliosdb keys of a row", ALLOCSET_SMALL_SIZES);
  const SortKeys keys = KeysOf(rel, order);
  const MemoryContext caller = MemoryContextSwitchTo(context);
  mark->tupdesc_ = CreateTupleDescCopy(RelationGetDescr(rel));
  mark->count_ = keys.count;
  for (int i = 0; i < keys.count; i++) {
    SortSupport key = &mark->keys_[i];
    key->ssup_cxt = context;
    key->ssup_collation = keys.collations[i];
    key->ssup_nulls_first = keys.nulls_first[i];
    key->ssup_attno = keys.attributes[i];
    PrepareSortSupportFromOrderingOp(keys.operators[i], key);
  }
  MemoryContextSwitchTo(caller);
  return mark;
}

void OrderMark::Destroy() { MemoryContextDelete(context_); }

void OrderMark::Set(const Datum *values, const bool *nulls) {
  MemoryContextReset(values_context_);
  const MemoryContext caller = MemoryContextSwitchTo(values_context_);
  for (int i = 0; i < count_; i++) {
    const int column = keys_[i].ssup_attno - 1;
    const FormData_pg_attribute *attribute = TupleDescAttr(tupdesc_, column);
    nulls_[i] = nulls[column];
    if (nulls_[i]) continue;
    values_[i] = attribute->attlen == -1
                     ? PointerGetDatum(PG_DETOAST_DATUM_COPY(values[column]))
                     : datumCopy(values[column], attribute->attbyval, attribute->attlen);
  }
  MemoryContextSwitchTo(caller);
  is_set_ = true;
}

int OrderMark::Compare(const Datum *values, const bool *nulls) const {
  for (int i = 0; i < count_; i++) {
    const int column = keys_[i].ssup_attno - 1;
    const int side = ApplySortComparator(values[column], nulls[column], values_[i], nulls_[i],
                                         const_cast<SortSupport>(&keys_[i]));
    if (side != 0) return side;
  }
  return 0;
}

}  // namespace helios::hybrid
