// Statistics objects have names of their own, in schemas: those of a branch lie in the schemas of its copies, which
// stand in no search path, whatever schema the table gets into.
#include "branch/statistics.hpp"

#include "branch/catalog.hpp"
#include "branch/copy_up.hpp"
#include "branch/names.hpp"
#include "branch/path.hpp"
#include "branch/relations.hpp"
#include "branch/session.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_statistic_ext.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Finds a statistics object by its name in a schema; 0 if there is none.
Oid FindIn(Oid schema, const char *name) {
  if (!OidIsValid(schema)) return InvalidOid;
  return GetSysCacheOid2(STATEXTNAMENSP, Anum_pg_statistic_ext_oid, CStringGetDatum(name),
                         ObjectIdGetDatum(schema));
}

// The same in the schemas of the branch that stand for one of main.
Oid FindOwn(Oid base, const char *name) {
  const char *base_name = get_namespace_name(base);
  if (base_name == nullptr) return InvalidOid;
  for (const Space space : {Space::kShadow, Space::kCopies}) {
    const Oid own = get_namespace_oid(SpaceName(session_branch, space, base_name), true);
    const Oid found = FindIn(own, name);
    if (OidIsValid(found)) return found;
  }
  return InvalidOid;
}

// The table of a statistics object.
Oid TableOf(Oid statistics) {
  HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(statistics));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for statistics %u", statistics);
  const Oid table = reinterpret_cast<Form_pg_statistic_ext>(GETSTRUCT(tuple))->stxrelid;
  ReleaseSysCache(tuple);
  return table;
}

// Tells whether a statistics object of main is on the branch too, because its table is main's still.
bool IsInherited(Oid statistics) {
  const Oid table = TableOf(statistics);
  return Classify(table, session_branch) == Kind::kTable &&
         !FindLocal(CurrentBranch().id, table).exists;
}

// The branch's own in place of a statistics object of main; makes the copy that has it.
Oid OwnOf(Oid statistics, Oid schema, const char *name) {
  if (!pg_statistics_object_ownercheck(statistics, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_STATISTIC_EXT, name);
  CopyUp(TableOf(statistics));
  return FindOwn(schema, name);
}

// Finds the statistics object that a name means on the branch; 0 if there is none.
Oid FindStatistics(List *names) {
  char *schema_name, *name;
  DeconstructQualifiedName(names, &schema_name, &name);
  List *schemas = schema_name == nullptr ? fetch_search_path(false)
                                         : list_make1_oid(get_namespace_oid(schema_name, true));
  ListCell *cell;
  foreach (cell, schemas) {
    const Oid schema = lfirst_oid(cell);
    if (!OidIsValid(schema)) continue;
    const Oid own = FindOwn(schema, name);
    if (OidIsValid(own)) return own;
    const Oid found = FindIn(schema, name);
    if (!OidIsValid(found)) continue;
    const Kind kind = Classify(TableOf(found), session_branch);
    if (kind == Kind::kOwn || kind == Kind::kShared) return found;
    if (IsInherited(found)) return OwnOf(found, schema, name);
  }
  return InvalidOid;
}

// The qualified name of a statistics object, as statements have it.
List *NamesOf(Oid statistics) {
  HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(statistics));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for statistics %u", statistics);
  const auto *form = reinterpret_cast<Form_pg_statistic_ext>(GETSTRUCT(tuple));
  List *names = list_make2(makeString(get_namespace_name(form->stxnamespace)),
                           makeString(pstrdup(NameStr(form->stxname))));
  ReleaseSysCache(tuple);
  return names;
}

// Leads the name of a statistics object; NIL if there is none and that may be so.
List *Lead(List *names, bool missing_ok) {
  CheckNotMerged();
  const Oid found = FindStatistics(names);
  if (OidIsValid(found)) return NamesOf(found);
  ereport(missing_ok ? NOTICE : ERROR,
          (errcode(ERRCODE_UNDEFINED_OBJECT),
           missing_ok ? errmsg("statistics object \"%s\" does not exist on branch \"%s\", skipping",
                               NameListToString(names), SessionBranchName())
                      : errmsg("statistics object \"%s\" does not exist on branch \"%s\"",
                               NameListToString(names), SessionBranchName())));
  return NIL;
}

}  // namespace

void CloneExtendedStatistics(Oid model, Oid clone, MapRelation map_schema) {
  List *objects = QueryOids(
      psprintf("SELECT oid FROM pg_statistic_ext WHERE stxrelid = %u ORDER BY oid", model),
      CurrentMemoryContext);
  ListCell *cell;
  foreach (cell, objects) {
    const Oid from = lfirst_oid(cell);
    char *name = strVal(llast(NamesOf(from)));
    const Oid schema = map_schema(get_namespace_oid(strVal(linitial(NamesOf(from))), false));
    // The branch may have created one of that name for another table.
    if (OidIsValid(FindIn(schema, name))) continue;
    RunEach(psprintf("SELECT heliosdb.branch_statistics(%u, %u, %u)", from, schema, clone));
    const Oid to = FindIn(schema, name);
    RunEach(psprintf(
        "SELECT format('ALTER STATISTICS %%I.%%I SET STATISTICS %%s', n.nspname, s.stxname, "
        "m.stxstattarget) FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace, "
        "pg_statistic_ext m WHERE s.oid = %u AND m.oid = %u AND m.stxstattarget >= 0 UNION ALL "
        "SELECT format('ALTER STATISTICS %%I.%%I OWNER TO %%I', n.nspname, s.stxname, "
        "pg_get_userbyid(m.stxowner)) FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = "
        "s.stxnamespace, pg_statistic_ext m WHERE s.oid = %u AND m.oid = %u",
        to, from, to, from));
    RunSql(psprintf("INSERT INTO pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, "
                    "stxddependencies, stxdmcv, stxdexpr) SELECT %u, stxdinherit, stxdndistinct, "
                    "stxddependencies, stxdmcv, stxdexpr FROM pg_statistic_ext_data WHERE stxoid = "
                    "%u",
                    to, from),
           SPI_OK_INSERT);
  }
}

Ddl LeadCreateStatistics(CreateStatsStmt *create) {
  CheckNotMerged();
  // The server itself says what is wrong with other forms of FROM.
  if (list_length(create->relations) != 1 || !IsA(linitial(create->relations), RangeVar))
    return Ddl::kRun;
  LeadToIndexed(linitial_node(RangeVar, create->relations));
  // One without a name gets into the schema of its table.
  if (create->defnames == NIL) return Ddl::kRun;
  char *name;
  const Oid space = QualifiedNameGetCreationNamespace(create->defnames, &name);
  const Oid base = BaseOf(space);
  const Oid of_main = FindIn(base, name);
  if (OidIsValid(FindOwn(base, name)) || (OidIsValid(of_main) && IsInherited(of_main))) {
    ereport(
        create->if_not_exists ? NOTICE : ERROR,
        (errcode(ERRCODE_DUPLICATE_OBJECT),
         create->if_not_exists ? errmsg("statistics object \"%s\" already exists, skipping", name)
                               : errmsg("statistics object \"%s\" already exists", name)));
    return Ddl::kDone;
  }
  const Oid own = EnsureSpace(CurrentBranch().id, Space::kCopies, base);
  AllowCreation(own, base);
  create->defnames = list_make2(makeString(get_namespace_name(own)), makeString(pstrdup(name)));
  return Ddl::kRun;
}

Ddl LeadAlterStatistics(AlterStatsStmt *alter) {
  List *names = Lead(alter->defnames, alter->missing_ok);
  if (names == NIL) return Ddl::kDone;
  alter->defnames = names;
  return Ddl::kRun;
}

void LeadRenamedStatistics(RenameStmt *rename) {
  rename->object = reinterpret_cast<Node *>(Lead(reinterpret_cast<List *>(rename->object), false));
}

bool LeadDroppedStatistics(const DropStmt *drop, ListCell *object) {
  List *names = Lead(lfirst_node(List, object), drop->missing_ok);
  if (names != NIL) lfirst(object) = names;
  return names != NIL;
}

}  // namespace helios::branch
