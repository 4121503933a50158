// Names of relations and functions, in text and out of it.
#pragma once

#include "pg/pg.hpp"

#include <initializer_list>

namespace helios::pg {

// Writes the name of a relation with its schema, quoted.
char *QualifiedName(Oid relation);

// Writes an operator with its schema, as OPERATOR(…) that statements can use.
char *QualifiedOperator(Oid op);

// Finds a function of a schema by its argument types; an error if there is none.
Oid FindFunction(const char *schema, const char *name, std::initializer_list<Oid> arguments);

}  // namespace helios::pg
