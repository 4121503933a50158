// The access method's entry points, one file per verb.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/amapi.h"
#include "access/genam.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

IndexBuildResult *Build(Relation heap, Relation index, IndexInfo *info);
void BuildEmpty(Relation index);
bool Insert(Relation index, Datum *values, bool *nulls, ItemPointer tid, Relation heap,
            IndexUniqueCheck unique, bool unchanged, IndexInfo *info);
IndexScanDesc BeginScan(Relation index, int keys, int orderbys);
void Rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
bool GetTuple(IndexScanDesc scan, ScanDirection direction);
void EndScan(IndexScanDesc scan);
IndexBulkDeleteResult *BulkDelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
                                  IndexBulkDeleteCallback callback, void *state);
IndexBulkDeleteResult *VacuumCleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);
void EstimateCost(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup, Cost *total,
                  Selectivity *selectivity, double *correlation, double *pages);

}  // namespace helios::hnsw
