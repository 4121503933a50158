#include "hnsw/options.hpp"

#include "hnsw/core/codec.hpp"
#include "pg/guc.hpp"

#include <cstdlib>
#include <cstring>

namespace helios::hnsw {

namespace {

constinit relopt_kind option_kind = static_cast<relopt_kind>(0);
constinit bool settings_ready = false;
constinit bool settings_foreign = false;

int ef_search = kDefaultEfSearch;
int iterative_scan = static_cast<int>(IterativeScan::kStrict);
int max_scan_tuples = 20000;
double scan_mem_multiplier = 1;
bool exact_order = true;
int rerank_candidates = 0;

relopt_enum_elt_def quantization_values[] = {{"none", static_cast<int>(Quantization::kNone)},
                                             {"scalar", static_cast<int>(Quantization::kScalar)},
                                             {"product", static_cast<int>(Quantization::kProduct)},
                                             {"rabitq", static_cast<int>(Quantization::kRabitq)},
                                             {"auto", static_cast<int>(Quantization::kAuto)},
                                             {nullptr, 0}};
relopt_enum_elt_def rerank_values[] = {{"heap", static_cast<int>(RerankSource::kHeap)},
                                       {"index", static_cast<int>(RerankSource::kIndex)},
                                       {nullptr, 0}};
const config_enum_entry iterative_values[] = {
    {"off", static_cast<int>(IterativeScan::kOff), false},
    {"relaxed_order", static_cast<int>(IterativeScan::kRelaxed), false},
    {"strict_order", static_cast<int>(IterativeScan::kStrict), false},
    {nullptr, 0, false}};

constexpr int kMaxScanTuplesLimit = INT_MAX;
constexpr double kMinMemMultiplier = 1, kMaxMemMultiplier = 1000;

[[noreturn]] void Contradiction(const char *option, const char *needed, const char *hint) {
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
           errmsg("option \"%s\" needs quantization = %s", option, needed), errhint("%s", hint)));
  pg_unreachable();
}

// Refuses options that would be silently ignored.
void CheckOptions(const Options &options) {
  const auto quantization = static_cast<Quantization>(options.quantization);
  const bool product =
      quantization == Quantization::kProduct || quantization == Quantization::kAuto;
  const bool rabitq = quantization == Quantization::kRabitq || quantization == Quantization::kAuto;
  if (options.ef_construction < 2 * options.m) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("ef_construction must be greater than or equal to 2 * m")));
  }
  if (!product && options.pq_subquantizers != 0)
    Contradiction("pq_subquantizers", "'product' or 'auto'",
                  "Remove the option or set quantization.");
  if (!product && options.pq_centroids != kDefaultCentroids)
    Contradiction("pq_centroids", "'product' or 'auto'", "Remove the option or set quantization.");
  if (!product && options.pq_rotation)
    Contradiction("pq_rotation", "'product' or 'auto'", "Remove the option or set quantization.");
  if (!rabitq && options.rabitq_bits != 1)
    Contradiction("rabitq_bits", "'rabitq' or 'auto'", "Remove the option or set quantization.");
  if (options.rabitq_bits != 1 && options.rabitq_bits != 4) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rabitq_bits must be 1 or 4")));
  }
  if (options.rerank_source == static_cast<int>(RerankSource::kIndex) && !product && !rabitq) {
    Contradiction("rerank_source", "'product', 'rabitq' or 'auto'",
                  quantization == Quantization::kScalar
                      ? "A scalar index holds 8-bit codes already; see heliosdb.hnsw_exact_order."
                      : "An unquantized index holds the exact vectors already.");
  }
}

}  // namespace

void InitOptions() {
  option_kind = add_reloption_kind();
  add_int_reloption(option_kind, "m", "Max number of connections per node", kDefaultM, kMinM, kMaxM,
                    AccessExclusiveLock);
  add_int_reloption(option_kind, "ef_construction",
                    "Size of the candidate list during construction", kDefaultEfConstruction,
                    kMinEfConstruction, kMaxEfConstruction, AccessExclusiveLock);
  add_enum_reloption(option_kind, "quantization", "Codes that the graph stores",
                     quantization_values, static_cast<int>(Quantization::kNone),
                     "Valid values are \"none\", \"scalar\", \"product\", \"rabitq\" and \"auto\".",
                     AccessExclusiveLock);
  add_enum_reloption(option_kind, "rerank_source", "Where candidates are compared precisely",
                     rerank_values, static_cast<int>(RerankSource::kHeap),
                     "Valid values are \"heap\" and \"index\".", AccessExclusiveLock);
  add_int_reloption(option_kind, "pq_subquantizers",
                    "Subspaces of product quantization, 0 for about dimension / 16", 0, 0,
                    kMaxQuantizedDim, AccessExclusiveLock);
  add_int_reloption(option_kind, "pq_centroids", "Centroids of each subspace", kDefaultCentroids, 1,
                    kMaxCentroids, AccessExclusiveLock);
  add_bool_reloption(option_kind, "pq_rotation", "Learn a rotation before product quantization",
                     false, AccessExclusiveLock);
  add_int_reloption(option_kind, "rabitq_bits", "Bits per dimension of rabitq codes, 1 or 4", 1, 1,
                    4, AccessExclusiveLock);

  pg::DefineBool(
      {.name = "heliosdb.hnsw_exact_order",
       .meaning = "Orders rows of quantized hnsw indexes by their exact distances.",
       .range = "Off returns them in the order of their codes, without reading vectors from the "
                "table."},
      &exact_order, true, PGC_USERSET);
  pg::DefineInt({.name = "heliosdb.hnsw_rerank_candidates",
                 .meaning = "Candidates of a quantized hnsw index compared by exact distances.",
                 .range = "0 compares all hnsw.ef_search candidates.",
                 .unit = "rows"},
                &rerank_candidates, 0, 0, kMaxEfSearch, PGC_USERSET);
}

void EnsureScanSettings() {
  if (settings_ready) return;
  settings_ready = true;
  // When pgvector's library is loaded too, its settings have the same names and meanings: read
  // those.
  settings_foreign = pg::SettingDefined("hnsw.ef_search");
  if (settings_foreign) return;
  pg::DefineInt({.name = "hnsw.ef_search",
                 .meaning = "Sets the size of the dynamic candidate list for search",
                 .range = "Valid range is 1..1000.",
                 .unit = "rows"},
                &ef_search, kDefaultEfSearch, kMinEfSearch, kMaxEfSearch, PGC_USERSET);
  pg::DefineEnum({.name = "hnsw.iterative_scan", .meaning = "Sets the mode for iterative scans"},
                 &iterative_scan, static_cast<int>(IterativeScan::kStrict), iterative_values,
                 PGC_USERSET);
  pg::DefineInt({.name = "hnsw.max_scan_tuples",
                 .meaning = "Sets the max number of tuples to visit for iterative scans",
                 .unit = "rows"},
                &max_scan_tuples, 20000, 1, kMaxScanTuplesLimit, PGC_USERSET);
  pg::DefineReal({.name = "hnsw.scan_mem_multiplier",
                  .meaning = "Sets the multiple of work_mem to use for iterative scans",
                  .unit = "work_mem"},
                 &scan_mem_multiplier, 1, kMinMemMultiplier, kMaxMemMultiplier, PGC_USERSET);
}

ScanSettings CurrentScanSettings() {
  if (settings_foreign) {
    ef_search = atoi(GetConfigOption("hnsw.ef_search", false, false));
    const char *mode = GetConfigOption("hnsw.iterative_scan", true, false);
    iterative_scan = static_cast<int>(IterativeScan::kOff);
    for (const config_enum_entry *entry = iterative_values;
         mode != nullptr && entry->name != nullptr; entry++) {
      if (strcmp(entry->name, mode) == 0) iterative_scan = entry->val;
    }
    const char *tuples = GetConfigOption("hnsw.max_scan_tuples", true, false);
    if (tuples != nullptr) max_scan_tuples = atoi(tuples);
    const char *multiplier = GetConfigOption("hnsw.scan_mem_multiplier", true, false);
    if (multiplier != nullptr) scan_mem_multiplier = atof(multiplier);
  }
  return {ef_search,       static_cast<IterativeScan>(iterative_scan),
          max_scan_tuples, scan_mem_multiplier,
          exact_order,     rerank_candidates};
}

bytea *ParseOptions(Datum reloptions, bool validate) {
  static const relopt_parse_elt table[] = {
      {"m", RELOPT_TYPE_INT, offsetof(Options, m)},
      {"ef_construction", RELOPT_TYPE_INT, offsetof(Options, ef_construction)},
      {"quantization", RELOPT_TYPE_ENUM, offsetof(Options, quantization)},
      {"rerank_source", RELOPT_TYPE_ENUM, offsetof(Options, rerank_source)},
      {"pq_subquantizers", RELOPT_TYPE_INT, offsetof(Options, pq_subquantizers)},
      {"pq_centroids", RELOPT_TYPE_INT, offsetof(Options, pq_centroids)},
      {"pq_rotation", RELOPT_TYPE_BOOL, offsetof(Options, pq_rotation)},
      {"rabitq_bits", RELOPT_TYPE_INT, offsetof(Options, rabitq_bits)},
  };
  auto *options = static_cast<Options *>(
      build_reloptions(reloptions, validate, option_kind, sizeof(Options), table, lengthof(table)));
  if (validate && options != nullptr) CheckOptions(*options);
  return reinterpret_cast<bytea *>(options);
}

Options OptionsOf(Relation index) {
  if (index->rd_options != nullptr) return *reinterpret_cast<const Options *>(index->rd_options);
  return {0, kDefaultM, kDefaultEfConstruction, 0, 0, 0, kDefaultCentroids, false, 1};
}

const char *QuantizationName(Quantization quantization) {
  return quantization_values[static_cast<int>(quantization)].string_val;
}

// Limits of unquantized indexes are pgvector's; a quantized one never stores the value itself.
void ResolveOptions(Relation index, const Options &options, const ItemSpace &space, Meta *meta) {
  const auto quantization = static_cast<Quantization>(options.quantization);
  int limit = kMaxQuantizedDim;
  if (quantization == Quantization::kNone) {
    limit = space.type == ElementType::kVector    ? kMaxPlainVectorDim
            : space.type == ElementType::kHalfvec ? kMaxPlainHalfvecDim
            : space.type == ElementType::kBit     ? kMaxPlainBitDim
                                                  : INT_MAX;
  } else if (!space.dense()) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("quantization = %s is not supported for type %s",
                           QuantizationName(quantization),
                           space.type == ElementType::kBit ? "bit" : "sparsevec"),
                    errhint("Only vector and halfvec columns can be quantized.")));
  }
  if (space.dim > static_cast<uint32>(limit)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("column cannot have more than %d dimensions for hnsw index", limit),
                    space.dense() && quantization == Quantization::kNone
                        ? errhint("WITH (quantization = 'scalar') allows up to %d dimensions.",
                                  kMaxQuantizedDim)
                        : 0));
  }
  if (quantization == Quantization::kRabitq && space.distance == DistanceKind::kL1) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("quantization = rabitq does not support the L1 distance"),
                    errhint("Use quantization = 'scalar' or 'product'.")));
  }
  if (options.pq_subquantizers > static_cast<int>(space.dim)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("pq_subquantizers must not exceed the %u dimensions of the column",
                           space.dim)));
  }
  if (options.pq_rotation && space.distance == DistanceKind::kL1) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("pq_rotation does not preserve the L1 distance")));
  }
  if (options.pq_rotation && space.dim > kMaxLearnedRotationDim) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("pq_rotation supports up to %u dimensions", kMaxLearnedRotationDim)));
  }
  *meta = {};
  meta->magic = kMetaMagic;
  meta->version = kFormatVersion;
  meta->type = space.type;
  meta->distance = space.distance;
  meta->dim = space.dim;
  meta->requested = quantization;
  meta->m = static_cast<uint16>(options.m);
  meta->ef_construction = static_cast<uint16>(options.ef_construction);
  meta->model_block = meta->insert_node = meta->insert_upper = meta->insert_payload =
      InvalidBlockNumber;
  meta->choice.recall_rabitq = meta->choice.recall_product = -1;
  (void)index;
}

void SetQuantization(Relation index, const Options &options, Quantization quantization,
                     Meta *meta) {
  meta->quantization = quantization;
  meta->rerank = RerankSource::kHeap;
  meta->trained = meta->converted =
      quantization == Quantization::kNone || quantization == Quantization::kScalar;
  if (quantization == Quantization::kNone) {
    const ItemSpace space{meta->type, meta->distance, meta->dim};
    meta->code_bytes[kOwnFormat] = meta->code_bytes[kFallbackFormat] = ItemBytes(space);
  } else {
    if (quantization == Quantization::kProduct) {
      const uint32 by_dimension =
          (meta->dim + kDimensionsPerSubquantizer - 1) / kDimensionsPerSubquantizer;
      meta->subquantizers = static_cast<uint16>(
          options.pq_subquantizers != 0 ? options.pq_subquantizers : by_dimension);
      meta->centroids = static_cast<uint16>(options.pq_centroids);
      meta->rotate = options.pq_rotation;
    }
    if (quantization == Quantization::kRabitq)
      meta->rabitq_bits = static_cast<uint8>(options.rabitq_bits);
    if (quantization != Quantization::kScalar)
      meta->rerank = static_cast<RerankSource>(options.rerank_source);
    CodecSpec spec;
    spec.metric = static_cast<Metric>(meta->distance);
    spec.dim = meta->dim;
    spec.kind = CodecKind::kScalar;
    const uint32 scalar_bytes = static_cast<uint32>(Codec::CodeBytes(spec));
    meta->code_bytes[kFallbackFormat] = scalar_bytes;
    spec.kind = quantization == Quantization::kProduct  ? CodecKind::kProduct
                : quantization == Quantization::kRabitq ? CodecKind::kRabitq
                                                        : CodecKind::kScalar;
    spec.subquantizers = meta->subquantizers;
    spec.centroids = meta->centroids;
    spec.bits = meta->rabitq_bits;
    spec.rotate = meta->rotate != 0;
    const char *why = nullptr;
    if (!CheckSpec(spec, &why)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("index \"%s\" cannot be quantized: %s", RelationGetRelationName(index),
                             why)));
    }
    meta->code_bytes[kOwnFormat] = static_cast<uint32>(Codec::CodeBytes(spec));
    meta->copy_bytes = meta->rerank == RerankSource::kIndex ? scalar_bytes : 0;
  }
  CompleteMeta(meta);
}

}  // namespace helios::hnsw
