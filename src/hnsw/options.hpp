// Options of an hnsw index (WITH) and settings of the session.
#pragma once

#include "pg/pg.hpp"

#include "hnsw/page.hpp"

extern "C" {
#include "access/reloptions.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

constexpr int kDefaultM = 16, kMinM = 2, kMaxM = 100;
constexpr int kDefaultEfConstruction = 64, kMinEfConstruction = 4, kMaxEfConstruction = 1000;
constexpr int kDefaultEfSearch = 40, kMinEfSearch = 1, kMaxEfSearch = 1000;
constexpr int kDefaultCentroids = 256;
constexpr int kDimensionsPerSubquantizer = 16;  // default when pq_subquantizers is not given

// The WITH options of an index, as reloptions stores them.
struct Options {
  int32 vl_len_;
  int m;
  int ef_construction;
  int quantization;      // Quantization
  int rerank_source;     // RerankSource
  int pq_subquantizers;  // 0: by dimension
  int pq_centroids;
  bool pq_rotation;
  int rabitq_bits;
};

enum class IterativeScan : int { kOff = 0, kRelaxed, kStrict };

// The settings that a scan reads once, when it starts.
struct ScanSettings {
  int ef_search;
  IterativeScan iterative;
  int max_scan_tuples;
  double scan_mem_multiplier;
  bool exact_order;
  int rerank_candidates;
};

// Registers reloptions and the settings that are ours alone.
void InitOptions();

// Registers hnsw.* unless another library owns them; called at the first use of the access method.
void EnsureScanSettings();

// Reads the settings, also when pgvector defined those that carry its names.
ScanSettings CurrentScanSettings();

// Parses and checks WITH options (IndexAmRoutine.amoptions).
bytea *ParseOptions(Datum reloptions, bool validate);

// Returns the options of an index, defaults filled in.
Options OptionsOf(Relation index);

// Fills the meta page's static fields from the options, checking them against the column.
void ResolveOptions(Relation index, const Options &options, const ItemSpace &space, Meta *meta);

// Completes a meta page whose quantization is known: code sizes, slots, page arithmetic.
void SetQuantization(Relation index, const Options &options, Quantization quantization, Meta *meta);

const char *QuantizationName(Quantization quantization);

}  // namespace helios::hnsw
