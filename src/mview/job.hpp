// The background job that keeps views up to date.
#pragma once

namespace helios::mview {

void InitJob();

}  // namespace helios::mview
