// AS OF behind the name of a view.
#pragma once

namespace helios::timetravel {

// Has the parse trees of rescued texts looked at for views.
void InitViews();

}  // namespace helios::timetravel
