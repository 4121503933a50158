#include "mview/state.hpp"

#include "changelog/changelog.hpp"
#include "mview/trees.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "catalog/toasting.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

constexpr const char *kSchema = "heliosdb_mview";

char *StateName(Oid view, int number) { return psprintf("state_%u_%d", view, number); }

}  // namespace

char *QualifiedState(Oid view, int step) {
  return psprintf("%s.%s", kSchema, StateName(view, step));
}

Oid FindState(Oid view, int step) {
  return get_relname_relid(StateName(view, step), get_namespace_oid(kSchema, false));
}

Oid CreateState(Oid view, int step, const Counted *node) {
  changelog::OwnerScope owner;
  owner.Enter();
  const Oid state = heap_create_with_catalog(
      StateName(view, step), get_namespace_oid(kSchema, false), InvalidOid, InvalidOid, InvalidOid,
      InvalidOid, GetUserId(), HEAP_TABLE_AM_OID, node->state, NIL, RELKIND_RELATION,
      RELPERSISTENCE_PERMANENT, false, false, ONCOMMIT_NOOP, static_cast<Datum>(0), false, false,
      true, InvalidOid, nullptr);
  CommandCounterIncrement();
  NewRelationCreateToastTable(state, static_cast<Datum>(0));
  CommandCounterIncrement();
  ObjectAddress self, extension;
  ObjectAddressSet(self, RelationRelationId, state);
  ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("heliosdb", false));
  recordDependencyOn(&self, &extension, DEPENDENCY_EXTENSION);
  owner.Leave();
  return state;
}

void IndexState(const View &view, const Shape *shape, int step, const Counted *node) {
  const char *state = QualifiedState(view.relation, step);
  changelog::RunAsOwner(psprintf("CREATE INDEX ON %s (h)", state), false, SPI_OK_UTILITY);
  const bool is_joined =
      list_length(shape->steps) > 1 || bms_membership(Sources(shape->linear)) == BMS_MULTIPLE;
  constexpr int kMostIndexed = 3;
  for (int i = 1; is_joined && i <= node->key_count && i <= kMostIndexed; i++) {
    const Form_pg_attribute key = TupleDescAttr(node->state, i);
    const TypeCacheEntry *cache = lookup_type_cache(key->atttypid, TYPECACHE_BTREE_OPFAMILY);
    const bool is_ordered = key->attlen > 0 && OidIsValid(cache->btree_opf);
    changelog::RunAsOwner(
        psprintf("CREATE INDEX ON %s USING %s (g%d)", state, is_ordered ? "btree" : "hash", i),
        false, SPI_OK_UTILITY);
  }
}

bool HasState(Oid view, int step) { return OidIsValid(FindState(view, step)); }

void DropStates(Oid view) {
  const Oid schema = get_namespace_oid(kSchema, true);
  if (!OidIsValid(schema)) return;
  // Steps without a state leave gaps in the numbers.
  changelog::RunAsOwner(
      psprintf("SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = %u AND relname LIKE "
               "'state\\_%u\\_%%'",
               schema, view),
      true, SPI_OK_SELECT);
  const uint64 count = SPI_processed;
  const SPITupleTable *found = SPI_tuptable;
  for (uint64 i = 0; i < count; i++) {
    bool is_null;
    const Oid state = DatumGetObjectId(SPI_getbinval(found->vals[i], found->tupdesc, 1, &is_null));
    if (get_rel_relkind(state) != RELKIND_RELATION) continue;
    ObjectAddress self;
    ObjectAddressSet(self, RelationRelationId, state);
    deleteDependencyRecordsForClass(RelationRelationId, state, ExtensionRelationId,
                                    DEPENDENCY_EXTENSION);
    CommandCounterIncrement();
    performDeletion(&self, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
    CommandCounterIncrement();
  }
}

}  // namespace helios::mview
