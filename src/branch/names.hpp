// Names in utility statements, led to the relations of the branch.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/primnodes.h"
#include "utils/acl.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Raises an error for what cannot be done on a branch.
[[noreturn]] void Refuse(const char *what, const char *why);

// The schema on main behind a shadow in the search path; of another schema that one itself.
Oid BaseOf(Oid space);

// Lets the role create in a schema of the branch what it may create in that schema on main.
void AllowCreation(Oid space, Oid base);

// Lets a name mean a relation by its schema and name.
void PointTo(RangeVar *name, Oid relation);

// Finds what a name means in the session, 0 if nothing.
Oid FindNamed(const RangeVar *name);

// Leads a name to the branch's own table, with a copy of main's made if there is none. The role must have the
// privileges `needed` on main's table, or own it if those are 0. Other relations are left alone.
Oid LeadToCopy(RangeVar *name, AclMode needed);

// The same for a statement that needs all rows in the copy.
Oid LeadToWhole(RangeVar *name, AclMode needed);

// The same for an owner who is going to alter the table: the copy gets into the shadow, where names find it.
Oid LeadToAltered(RangeVar *name);

// The same for one that gets an index.
Oid LeadToIndexed(RangeVar *name);

// Lets a relation that is to be created get into the branch; an error if the branch has one of that name, unless
// the statement skips or replaces it: then false.
struct Creation {
  Oid base;      // schema that the name belongs to on main; 0 for temporary relations
  Oid existing;  // relation of main by that name, which the branch has, or 0
};
Creation LeadCreation(RangeVar *name);

// Moves a copy into the shadow of its schema.
void MoveToShadow(int64 branch, Oid local);

// Returns the schema in which a constraint of a branch's table is found by name, 0 if there is none; `schema` is
// that of the table on main.
Oid FindConstraintSpace(Oid schema, const char *name);

// Brings heliosdb.branch_relations in line with what a statement created and dropped on the branch.
void NoteCreatedAndDropped();

// Notes that the branch does not have a relation of main.
void NoteDropped(Oid main);

}  // namespace helios::branch
