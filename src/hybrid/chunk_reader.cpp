#include "hybrid/chunk_reader.hpp"

#include "hybrid/checksum.hpp"
#include "hybrid/core/row_bits.hpp"
#include "hybrid/datums.hpp"
#include "hybrid/forms.hpp"
#include "pg/memory.hpp"

extern "C" {
#include "access/htup_details.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace helios::hybrid {

namespace {

constexpr uint32 kVectorRows = codec::kVectorValues;
constexpr uint32 kMaxVectors = kMaxChunkRows / kVectorRows;
constexpr uint32 kNoVector = PG_UINT32_MAX;
constexpr uint32 kWordsPerVector = kVectorRows / 64;
constexpr uint32 kNoPosition = PG_UINT32_MAX;
// So many single reads of a vector cost about what decoding it does.
constexpr uint32 kSparseReads = 16;
// So many of values that are passed by reference cost what making all of a vector that is decoded does.
constexpr uint32 kSparseNumerics = 256;
constexpr uint32 kSparseReadsByReference = 64;

}  // namespace

// A column of the open chunk, and the vector of it that is decoded.
struct ChunkReader::Column {
  const ChunkColumn *entry;  // null: the chunk was made before there was the column
  bool looked_up;
  bool loaded;
  Form form;
  int16 length;                    // of the type as the table has it
  const uint64 *null_bits;         // null: no row lacks a value
  uint32 before[kMaxVectors + 1];  // values in the vectors of rows before
  codec::Reader *reader;           // goes from chunk to chunk
  uint32 vector;                   // that `values` and `nulls` are of
  uint32 single_reads;             // of one other vector since
  uint32 single_vector;            // which
  uint32 most_single_reads;        // before all of its values are made
  uint32 single_position;          // that the next two are of
  Datum single_value;
  bool single_null;
  alignas(MAXIMUM_ALIGNOF) char single_numeric[kNumericRoom];
  Datum *values;
  bool *nulls;
  MemoryContext vector_context;  // what `values` point to
  MemoryContext single_context;  // what a single value points to
};

ChunkReader *ChunkReader::Make(MemoryContext parent, Relation rel, TupleDesc tupdesc) {
  MemoryContext context =
      AllocSetContextCreate(parent, "heliosdb chunk reader", ALLOCSET_DEFAULT_SIZES);
  void *room = MemoryContextAllocZero(context, sizeof(ChunkReader));
  return new (room) ChunkReader(context, rel, tupdesc);
}

void ChunkReader::Destroy() { MemoryContextDelete(context_); }

ChunkReader::ChunkReader(MemoryContext context, Relation rel, TupleDesc tupdesc)
    : context_(context),
      chunk_context_(AllocSetContextCreate(context, "heliosdb chunk", ALLOCSET_DEFAULT_SIZES)),
      rel_(rel),
      tupdesc_(tupdesc) {
  const int columns = tupdesc->natts + 1 - kCreatorColumn;
  columns_ = static_cast<Column *>(MemoryContextAllocZero(context, columns * sizeof(Column)));
}

ChunkReader::Column *ChunkReader::ColumnOf(int attribute) {
  return &columns_[attribute - kCreatorColumn];
}

void ChunkReader::RaiseCorrupted(const char *what) const {
  ereport(ERROR,
          (errcode(ERRCODE_DATA_CORRUPTED),
           errmsg("table \"%s\" has a damaged chunk: %s", RelationGetRelationName(rel_), what),
           errdetail("The chunk holds the cold rows from %s on, see heliosdb.chunks.",
                     psprintf("%llu", static_cast<unsigned long long>(entry_.first_row)))));
}

void ChunkReader::Open(const ChunkEntry &entry) {
  if (IsOpen(entry.blob)) return;
  open_ = false;
  fit_vector_ = kNoVector;
  entry_ = entry;
  MemoryContextReset(chunk_context_);
  for (int a = kCreatorColumn; a <= tupdesc_->natts; a++) {
    ColumnOf(a)->looked_up = false;
    ColumnOf(a)->loaded = false;
    ColumnOf(a)->vector = kNoVector;
  }
  bytes_ = entry.meta_bytes;
  auto *bytes = static_cast<uint8 *>(MemoryContextAllocHuge(chunk_context_, entry.meta_bytes));
  Store store = OpenStore(rel_, AccessShareLock);
  if (store.toast == nullptr) RaiseCorrupted("the table has no TOAST relation");
  ReadPieces(store, entry.blob, 0, entry.meta_bytes, bytes);
  CloseStore(&store);
  if (!ParseChunk({bytes, entry.meta_bytes}, &meta_) || meta_.header->rows != entry.rows ||
      meta_.header->bytes != entry.bytes) {
    RaiseCorrupted("its header is not what was written");
  }
  auto *header = reinterpret_cast<ChunkHeader *>(bytes);
  const uint32 expected = header->checksum;
  header->checksum = 0;
  const uint32 found = Checksum({bytes, entry.meta_bytes});
  header->checksum = expected;
  if (found != expected) RaiseCorrupted("the checksum of its header does not match");
  open_ = true;
}

// Finds a column in the open chunk.
ChunkReader::Column *ChunkReader::Prepare(int attribute) {
  Column *column = ColumnOf(attribute);
  if (column->looked_up) return column;
  column->entry = nullptr;
  for (const ChunkColumn &entry : meta_.columns) {
    if (entry.attribute == attribute) column->entry = &entry;
  }
  column->length = attribute == kCreatorColumn  ? int16{sizeof(TransactionId)}
                   : attribute == kSourceColumn ? int16{sizeof(int64)}
                                                : TupleDescAttr(tupdesc_, attribute - 1)->attlen;
  if (column->entry != nullptr) {
    column->form = column->entry->form;
    column->most_single_reads = IsByValue(column->form)          ? kSparseReads
                                : column->form == Form::kNumeric ? kSparseNumerics
                                                                 : kSparseReadsByReference;
    if (attribute > 0 && column->entry->nulls < meta_.header->rows) {
      const Form expected = FormOf(*TupleDescAttr(tupdesc_, attribute - 1));
      const Form stored = column->form == Form::kNumeric ? Form::kVarlena : column->form;
      if (expected != stored && !TupleDescAttr(tupdesc_, attribute - 1)->attisdropped) {
        RaiseCorrupted("a column is of another kind than its type");
      }
    }
  }
  column->looked_up = true;
  return column;
}

// Reads a column's nulls and segment.
void ChunkReader::Load(Column *column) {
  if (column->loaded) return;
  const ChunkColumn &entry = *column->entry;
  const uint32 rows = meta_.header->rows;
  if (column->values == nullptr) {
    column->values =
        static_cast<Datum *>(MemoryContextAlloc(context_, kVectorRows * sizeof(Datum)));
    column->nulls = static_cast<bool *>(MemoryContextAlloc(context_, kVectorRows * sizeof(bool)));
  }
  column->null_bits = nullptr;
  column->vector = kNoVector;
  column->single_reads = 0;
  column->single_vector = kNoVector;
  column->single_position = kNoPosition;
  if (entry.nulls < rows) {
    Store store = OpenStore(rel_, AccessShareLock);
    if (entry.nulls_offset != 0) {
      auto *bits = static_cast<uint64 *>(MemoryContextAlloc(chunk_context_, NullBytes(rows)));
      ReadPieces(store, entry_.blob, entry.nulls_offset, NullBytes(rows),
                 reinterpret_cast<uint8 *>(bits));
      column->null_bits = bits;
    }
    auto *segment =
        static_cast<uint8 *>(MemoryContextAllocHuge(chunk_context_, entry.segment_bytes));
    ReadPieces(store, entry_.blob, entry.segment_offset, entry.segment_bytes, segment);
    CloseStore(&store);
    std::span<const uint8> bitmap;
    if (column->null_bits != nullptr) {
      bitmap = {reinterpret_cast<const uint8 *>(column->null_bits), NullBytes(rows)};
    }
    if (Checksum(bitmap, {segment, entry.segment_bytes}) != entry.checksum) {
      RaiseCorrupted("the checksum of a column does not match");
    }
    if (column->reader == nullptr) {
      pg::Enter([&] { column->reader = pg::InContext<codec::Reader>(context_); });
    }
    const codec::Status status = pg::Enter([&] {
      return column->reader->Open({segment, entry.segment_bytes});
    });
    if (status != codec::Status::kOk || column->reader->count() != rows - entry.nulls ||
        column->reader->kind() != KindOf(entry.form)) {
      RaiseCorrupted("a column cannot be decoded");
    }
  }
  const uint32 vectors = (rows + kVectorRows - 1) / kVectorRows;
  uint32 values = 0;
  for (uint32 v = 0; v < vectors; v++) {
    column->before[v] = values;
    const uint32 in_vector = std::min(kVectorRows, rows - v * kVectorRows);
    uint32 nulls = 0;
    if (column->null_bits != nullptr) {
      for (uint32 w = 0; w < (in_vector + 63) / 64; w++) {
        nulls += std::popcount(column->null_bits[v * kWordsPerVector + w]);
      }
    }
    if (nulls > in_vector) RaiseCorrupted("a column has more nulls than rows");
    values += in_vector - nulls;
  }
  column->before[vectors] = values;
  if (entry.nulls < rows && values != rows - entry.nulls) {
    RaiseCorrupted("a column has another number of nulls than its header says");
  }
  // Half of it is what is decoded: as much as what that is decoded from, about.
  bytes_ += 2 * Size{entry.segment_bytes} + kVectorRows * (sizeof(Datum) + sizeof(bool));
  column->loaded = true;
}

// Makes Datums of decoded values [from, from + count).
void ChunkReader::Place(Column *column, const codec::Values &values, size_t from, size_t count,
                        Datum *to) {
  const int scale = column->entry->scale;
  if (!MakeDatums(values, from, count, {column->form, column->length, scale}, to)) {
    RaiseCorrupted("a value has another length than its type");
  }
}

// Decodes the rows of a vector of a column.
void ChunkReader::Decode(Column *column, uint32 vector) {
  CHECK_FOR_INTERRUPTS();
  Load(column);
  const uint32 rows = std::min(kVectorRows, meta_.header->rows - vector * kVectorRows);
  column->vector = kNoVector;
  if (column->entry->nulls == meta_.header->rows) {
    memset(column->nulls, true, rows);
    column->vector = vector;
    return;
  }
  if (column->vector_context == nullptr) {
    column->vector_context =
        AllocSetContextCreate(context_, "heliosdb vector", ALLOCSET_DEFAULT_SIZES);
  }
  MemoryContextReset(column->vector_context);
  const MemoryContext caller = MemoryContextSwitchTo(column->vector_context);
  const uint32 first = column->before[vector];
  const uint32 count = column->before[vector + 1] - first;
  Datum *dense = column->values;
  // Values of rows lie in one vector of the segment, or in two if rows before lack theirs.
  for (uint32 done = 0; done < count;) {
    codec::Values values;
    const uint32 at = first + done;
    const codec::Status status =
        pg::Enter([&] { return column->reader->Read(at / kVectorRows, &values); });
    if (status != codec::Status::kOk) RaiseCorrupted("a column cannot be decoded");
    const uint32 from = at % kVectorRows;
    if (values.count <= from) RaiseCorrupted("a column has less values than its header says");
    const auto take = std::min<uint32>(count - done, static_cast<uint32>(values.count) - from);
    Place(column, values, from, take, dense + done);
    done += take;
  }
  MemoryContextSwitchTo(caller);
  if (column->null_bits == nullptr) {
    memset(column->nulls, false, rows);
  } else {
    // From the end on, values move to the places of their rows.
    const uint64 *bits = column->null_bits + vector * kWordsPerVector;
    uint32 left = count;
    for (uint32 row = rows; row-- > 0;) {
      const bool isnull = GetBit(bits, row);
      column->nulls[row] = isnull;
      if (!isnull) column->values[row] = dense[--left];
    }
  }
  column->vector = vector;
}

// Decodes one row of a column.
void ChunkReader::DecodeOne(Column *column, uint32 position, Datum *value, bool *isnull) {
  Load(column);
  column->single_position = kNoPosition;
  const uint32 vector = position / kVectorRows;
  uint32 at = position;
  *isnull = column->entry->nulls == meta_.header->rows;
  if (column->null_bits != nullptr) {
    const uint64 *bits = column->null_bits + vector * kWordsPerVector;
    const uint32 row = position % kVectorRows;
    *isnull = GetBit(bits, row);
    uint32 nulls = std::popcount(bits[row / 64] & ((uint64{1} << (row % 64)) - 1));
    for (uint32 w = 0; w < row / 64; w++) nulls += std::popcount(bits[w]);
    at = column->before[vector] + row - nulls;
  }
  if (*isnull) return;
  codec::Values values;
  const codec::Status status = pg::Enter([&] {
    // Without nulls the rows of a vector are one vector of values, of which more are going to be read.
    codec::Values whole;
    if (column->single_reads == kSparseReads && column->null_bits == nullptr) {
      const codec::Status decoded = column->reader->Read(vector, &whole);
      if (decoded != codec::Status::kOk) return decoded;
    }
    return column->reader->ReadOne(at, &values);
  });
  if (status != codec::Status::kOk || values.count != 1)
    RaiseCorrupted("a column cannot be decoded");
  if (IsByValue(column->form)) return Place(column, values, 0, 1, value);
  if (column->form == Form::kNumeric) {
    *value = MakeNumeric(values.ints[0], column->entry->scale, column->single_numeric);
    return;
  }
  if (column->single_context == nullptr) {
    column->single_context =
        AllocSetContextCreate(context_, "heliosdb value", ALLOCSET_SMALL_SIZES);
  }
  MemoryContextReset(column->single_context);
  const MemoryContext caller = MemoryContextSwitchTo(column->single_context);
  Place(column, values, 0, 1, value);
  MemoryContextSwitchTo(caller);
}

void ChunkReader::GetColumns(uint32 position, int from, int to, std::span<const int> columns,
                             Datum *values, bool *nulls) {
  memset(nulls + from, true, to - from);
  for (const int a : columns) {
    if (a < from) continue;
    if (a >= to) break;
    Get(a, position, &values[a], &nulls[a]);
  }
}

// Gets a column of a row.
inline void ChunkReader::Get(int a, uint32 position, Datum *value, bool *isnull) {
  Column *column = ColumnOf(a + 1);
  if (column->vector != position / kVectorRows && !Fetch(column, a, position, value, isnull)) {
    return;
  }
  *value = column->values[position % kVectorRows];
  *isnull = column->nulls[position % kVectorRows];
}

bool ChunkReader::Fits(std::span<const ValueRange> ranges, uint32 position) {
  if (ranges.empty()) return true;
  if (fit_vector_ != position / kVectorRows) {
    expected_ = fits_;
    fits_ = 0;
    fit_vector_ = position / kVectorRows;
  }
  // Of these columns all rows are read.
  const uint32 expected = std::exchange(expected_, PG_UINT32_MAX);
  bool fits = true;
  for (const ValueRange &range : ranges) {
    Datum value = 0;
    bool isnull;
    Get(range.column, position, &value, &isnull);
    const int64 integer = IntOf(value, ColumnOf(range.column + 1)->length);
    fits = !isnull && integer >= range.low && integer <= range.high;
    if (!fits) break;
  }
  expected_ = expected;
  fits_ += fits;
  return fits;
}

// Gets a value of a vector that is not decoded; true: the vector is now.
bool ChunkReader::Fetch(Column *column, int a, uint32 position, Datum *value, bool *isnull) {
  const uint32 vector = position / kVectorRows;
  Prepare(a + 1);
  if (column->entry == nullptr) {
    *value = getmissingattr(tupdesc_, a + 1, isnull);
    return false;
  }
  if (sparse_ || expected_ < column->most_single_reads) {
    if (column->single_vector != vector) column->single_reads = 0;
    column->single_vector = vector;
    if (column->loaded && column->single_position == position) {
      *value = column->single_value;
      *isnull = column->single_null;
      return false;
    }
    if (column->single_reads < column->most_single_reads) {
      DecodeOne(column, position, value, isnull);
      column->single_reads++;
      column->single_position = position;
      column->single_value = *value;
      column->single_null = *isnull;
      return false;
    }
  }
  Decode(column, vector);
  return true;
}

// Reads a column that no user named; false if the row has no value there.
bool ChunkReader::ReadSystem(int attribute, uint32 position, Datum *value) {
  Column *column = Prepare(attribute);
  if (column->entry == nullptr) return false;
  if (column->vector != position / kVectorRows) Decode(column, position / kVectorRows);
  if (column->nulls[position % kVectorRows]) return false;
  *value = column->values[position % kVectorRows];
  return true;
}

TransactionId ChunkReader::CreatorOf(uint32 position) {
  Datum value;
  if (!ReadSystem(kCreatorColumn, position, &value)) return FrozenTransactionId;
  return static_cast<TransactionId>(DatumGetInt32(value));
}

bool ChunkReader::IsHole(uint32 position) {
  Datum value;
  return !ReadSystem(kCreatorColumn, position, &value);
}

bool ChunkReader::SourceOf(uint32 position, ItemPointerData *tid) {
  Datum value;
  if (!ReadSystem(kSourceColumn, position, &value)) return false;
  ItemPointerSet(tid, static_cast<BlockNumber>(DatumGetInt64(value) >> 16),
                 static_cast<OffsetNumber>(DatumGetInt64(value) & 0xFFFF));
  return true;
}

bool ChunkReader::FindSource(const ItemPointerData &tid, uint32 *position) {
  ItemPointerData wanted = tid;
  for (uint32 p = 0; p < meta_.header->rows; p++) {
    ItemPointerData source;
    if (!SourceOf(p, &source) || !ItemPointerEquals(&source, &wanted)) continue;
    *position = p;
    return true;
  }
  return false;
}

bool ChunkReader::LacksColumns() {
  for (int a = 0; a < tupdesc_->natts; a++) {
    const FormData_pg_attribute *attribute = TupleDescAttr(tupdesc_, a);
    if (attribute->atthasmissing && !attribute->attisdropped && Prepare(a + 1)->entry == nullptr)
      return true;
  }
  return false;
}

}  // namespace helios::hybrid
