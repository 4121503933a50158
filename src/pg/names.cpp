#include "pg/names.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

char *QualifiedName(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
}

char *QualifiedOperator(Oid op) {
  HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "operator %u does not exist", op);
  const auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
  char *text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
                        NameStr(form->oprname));
  ReleaseSysCache(tuple);
  return text;
}

Oid FindFunction(const char *schema, const char *name, std::initializer_list<Oid> arguments) {
  List *qualified = list_make2(makeString(pstrdup(schema)), makeString(pstrdup(name)));
  return LookupFuncName(qualified, static_cast<int>(arguments.size()), arguments.begin(), false);
}

}  // namespace helios::pg
