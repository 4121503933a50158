// Loads as columns in the order of their table (option order_by).
#pragma once

namespace helios::hybrid {

// Has INSERT … SELECT sort its rows before they reach a table that takes them as columns.
void InitLoadOrder();

}  // namespace helios::hybrid
