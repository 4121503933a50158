// The in-memory phase of an index build, shared by the leader and its parallel workers.
//
// An item of the graph is what distances and equality need, nothing else:
//   plain      | item of the space |                                (unquantized)
//   coded      | scalar code | item of the space |                  (unquantized, 8-bit codes keep its order)
//   spilled    | scalar code | hash of the item: uint64 |           (the same, items wait in a temporary file)
//   quantized  | scalar code | own code |                           (the scalar code is also the copy for re-ranking)
#pragma once

#include "hnsw/insert.hpp"
#include "hnsw/model.hpp"
#include "hnsw/page.hpp"

#include "hnsw/core/graph.hpp"

#include <vector>

extern "C" {
#include "nodes/execnodes.h"
#include "storage/buffile.h"
#include "storage/lwlock.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

enum class ItemKind : uint8 { kPlain, kCoded, kSpilled, kQuantized };

// What every participant of a build knows.
struct BuildPlan {
  Meta meta;
  ItemKind kind;
  uint32 item_bytes;  // 0: varying
  uint32 own_offset;  // of what follows the scalar code; 0 when nothing does
};

// One participant: adds rows to the graph, or to the pages once the graph is full.
struct Builder {
  Relation heap;
  Relation index;
  IndexInfo *info;
  BuildPlan plan;
  ItemSpace space;
  Graph graph{Graph::Attach(nullptr)};
  Scratch scratch;
  Space distance;                 // over graph items
  const Codec *scalar = nullptr;  // of the scalar code in an item
  const Codec *own = nullptr;     // of the appended code
  MemoryContext context;          // of the participant
  MemoryContext row_context;      // reset for every row
  BufFile *spill = nullptr;
  LWLock *flush_lock = nullptr;  // null when there is one participant
  bool *flushed = nullptr;       // the graph is on pages, rows are inserted there
  void *inserter = nullptr;
  std::vector<float> floats;
  std::vector<uint8_t> item;
  std::vector<float> encode_scratch;
  double indexed = 0;
  int64 progress_base = 0;
  bool report_progress = false;
};

// Prepares codecs and distances of a participant; `model` is the trained model blob or null.
void PrepareBuilder(Builder *builder, const void *model, uint32 model_bytes);

// Scans the table (all of it, or a participant's share) and adds its rows; returns the number of
// rows seen.
double BuildScan(Builder *builder, struct TableScanDescData *scan, bool progress);

// Writes the graph to the index's pages and logs them; the meta page then describes the index.
void FlushGraph(Builder *builder);

// Builds with up to `workers` parallel workers; false when none could be started, then nothing was
// done.
bool BuildParallel(Builder *builder, int workers, Size region_bytes, const GraphSpec &spec,
                   const void *model, uint32 model_bytes, double *heap_rows, double *index_rows);

}  // namespace helios::hnsw
