// Rows with weights, summed up by image.
#pragma once

#include "pg/pg.hpp"
#include "pg/rows.hpp"

namespace helios::pg {

// Adds up the weights (the last column, a bigint) of rows whose other columns have the same image, and parts the
// sums that are not zero by sign; both results carry positive weights. Either may be null: then it is left out.
void Net(const StoredRows &rows, StoredRows *positive, StoredRows *negative);

// Adds up the weights in place: each image remains once, with the sum of its weights, if that is not zero.
void NetInPlace(StoredRows *rows);

// Adds a column for weights to a description.
TupleDesc WithWeight(TupleDesc desc);

}  // namespace helios::pg
