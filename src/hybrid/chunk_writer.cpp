#include "hybrid/chunk_writer.hpp"

#include "hybrid/checksum.hpp"
#include "hybrid/core/numeric.hpp"
#include "hybrid/core/row_bits.hpp"
#include "hybrid/forms.hpp"
#include "hybrid/zone.hpp"
#include "pg/memory.hpp"

extern "C" {
#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace helios::hybrid {

namespace {

constexpr size_t kMaxChunkBytes = size_t{64} << 20;  // of values, in memory
constexpr uint32 kFirstRoom = 1024;
constexpr size_t kAlignment = 8;

// Gives an array room for one more element.
template <typename T>
T *Grow(MemoryContext context, T *array, size_t used, size_t *room, size_t more) {
  if (used + more <= *room) return array;
  size_t wanted = std::max<size_t>(*room * 2, kFirstRoom);
  while (wanted < used + more) wanted *= 2;
  *room = wanted;
  if (array == nullptr) {
    return static_cast<T *>(MemoryContextAllocHuge(context, wanted * sizeof(T)));
  }
  return static_cast<T *>(repalloc_huge(array, wanted * sizeof(T)));
}

void Pad(std::vector<uint8_t> *bytes) {
  bytes->resize((bytes->size() + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

// What was gathered of one column: the values of the rows that have one.
struct ChunkWriter::Column {
  int16 attribute;
  Form form;
  int16 length;
  Oid type;
  uint32 count;
  uint32 nulls;
  uint64 *null_bits;
  size_t raw_bytes;
  size_t room;
  int64 *ints;
  float *floats;
  double *doubles;
  uint32 *offsets;
  size_t bytes_used;
  size_t bytes_room;
  uint8 *bytes;
};

ChunkWriter *ChunkWriter::Make(MemoryContext parent, Relation rel, const ColumnPolicies &policies,
                               bool with_sources) {
  MemoryContext context =
      AllocSetContextCreate(parent, "heliosdb chunk writer", ALLOCSET_DEFAULT_SIZES);
  void *room = MemoryContextAllocZero(context, sizeof(ChunkWriter));
  return new (room) ChunkWriter(context, rel, policies, with_sources);
}

void ChunkWriter::Destroy() { MemoryContextDelete(context_); }

ChunkWriter::ChunkWriter(MemoryContext context, Relation rel, const ColumnPolicies &policies,
                         bool with_sources)
    : context_(context),
      rows_context_(
          AllocSetContextCreate(context, "heliosdb gathered rows", ALLOCSET_DEFAULT_SIZES)),
      policies_(policies),
      with_sources_(with_sources),
      encoded_(pg::InContext<std::vector<uint8_t>>(context)) {
  const MemoryContext caller = MemoryContextSwitchTo(context);
  tupdesc_ = CreateTupleDescCopy(RelationGetDescr(rel));
  // Creators, and where rows were, stand in front of the columns of the table.
  column_count_ = tupdesc_->natts + (with_sources ? 2 : 1);
  columns_ = static_cast<Column *>(palloc0(column_count_ * sizeof(Column)));
  MemoryContextSwitchTo(caller);
  Reset();
}

void ChunkWriter::Reset() {
  MemoryContextReset(rows_context_);
  rows_ = 0;
  holes_ = 0;
  bytes_ = 0;
  meta_bytes_ = 0;
  encoded_->clear();
  int i = 0;
  const auto begin = [&](int16 attribute, Form form, int16 length, Oid type) {
    columns_[i] = {};
    columns_[i].attribute = attribute;
    columns_[i].form = form;
    columns_[i].length = length;
    columns_[i].type = type;
    columns_[i].null_bits =
        static_cast<uint64 *>(MemoryContextAllocZero(rows_context_, NullBytes(kMaxChunkRows)));
    i++;
  };
  begin(kCreatorColumn, Form::kInt, sizeof(TransactionId), XIDOID);
  if (with_sources_) begin(kSourceColumn, Form::kInt, sizeof(int64), INT8OID);
  for (int a = 0; a < tupdesc_->natts; a++) {
    const FormData_pg_attribute *attribute = TupleDescAttr(tupdesc_, a);
    begin(attribute->attnum, FormOf(*attribute), attribute->attlen, attribute->atttypid);
  }
}

bool ChunkWriter::IsFull() const { return rows_ >= kMaxChunkRows || bytes_ >= kMaxChunkBytes; }

namespace {

// What heap would take for a value, about.
size_t HeapBytes(size_t bytes, Form form) {
  if (form != Form::kVarlena) return bytes;
  return bytes + (bytes + VARHDRSZ_SHORT <= VARATT_SHORT_MAX ? VARHDRSZ_SHORT : VARHDRSZ);
}

}  // namespace

void ChunkWriter::Add(const Datum *values, const bool *nulls, TransactionId creator,
                      const ItemPointerData *source) {
  for (int i = 0; i < column_count_; i++) {
    Column &column = columns_[i];
    Datum value = 0;
    bool isnull = false;
    if (column.attribute == kCreatorColumn) {
      value = Int32GetDatum(static_cast<int32>(creator));
    } else if (column.attribute == kSourceColumn) {
      isnull = source == nullptr;
      if (!isnull) {
        value = Int64GetDatum(int64{ItemPointerGetBlockNumber(source)} << 16 |
                              ItemPointerGetOffsetNumber(source));
      }
    } else {
      const int a = column.attribute - 1;
      isnull = nulls[a] || TupleDescAttr(tupdesc_, a)->attisdropped;
      value = values[a];
    }
    if (isnull) {
      SetBit(column.null_bits, rows_);
      column.nulls++;
      continue;
    }
    const uint32 n = column.count++;
    switch (column.form) {
      case Form::kInt:
        column.ints = Grow(rows_context_, column.ints, n, &column.room, 1);
        column.ints[n] = IntOf(value, column.length);
        column.raw_bytes += column.length;
        break;
      case Form::kFloat:
        column.floats = Grow(rows_context_, column.floats, n, &column.room, 1);
        column.floats[n] = DatumGetFloat4(value);
        column.raw_bytes += sizeof(float);
        break;
      case Form::kDouble:
        column.doubles = Grow(rows_context_, column.doubles, n, &column.room, 1);
        column.doubles[n] = DatumGetFloat8(value);
        column.raw_bytes += sizeof(double);
        break;
      default: {
        varlena *fetched = nullptr;
        if (column.form == Form::kVarlena) {
          auto *stored = reinterpret_cast<varlena *>(DatumGetPointer(value));
          if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored)) {
            fetched = detoast_attr(stored);
            value = PointerGetDatum(fetched);
          }
        }
        const std::span<const uint8> bytes = BytesOf(value, column.form, column.length);
        column.offsets = Grow(rows_context_, column.offsets, n, &column.room, 2);
        column.bytes =
            Grow(rows_context_, column.bytes, column.bytes_used, &column.bytes_room, bytes.size());
        memcpy(column.bytes + column.bytes_used, bytes.data(), bytes.size());
        if (n == 0) column.offsets[0] = 0;
        column.bytes_used += bytes.size();
        column.offsets[n + 1] = static_cast<uint32>(column.bytes_used);
        column.raw_bytes += HeapBytes(bytes.size(), column.form);
        bytes_ += bytes.size();
        if (fetched != nullptr) pfree(fetched);
      }
    }
    bytes_ += sizeof(int64);
  }
  rows_++;
}

void ChunkWriter::AddGone() {
  for (int i = 0; i < column_count_; i++) {
    SetBit(columns_[i].null_bits, rows_);
    columns_[i].nulls++;
  }
  rows_++;
  holes_++;
}

namespace {

// Says whether numerics share a scale and fit integers, and writes these.
bool TakeNumerics(const uint32 *offsets, const uint8 *bytes, uint32 count,
                  std::vector<int64_t> *ints, int *scale) {
  ints->resize(count);
  for (uint32 i = 0; i < count; i++) {
    int own;
    if (!ParseNumeric({bytes + offsets[i], offsets[i + 1] - offsets[i]}, &(*ints)[i], &own))
      return false;
    if (i == 0) *scale = own;
    if (own != *scale) return false;
  }
  return true;
}

// Appends the bytes of the least and the greatest value.
template <typename T>
void PutZone(const T *values, size_t count, ChunkColumn *entry, std::vector<uint8_t> *meta) {
  T least = values[0];
  T greatest = values[0];
  for (size_t i = 1; i < count; i++) {
    if (values[i] < least) least = values[i];
    if (values[i] > greatest) greatest = values[i];
  }
  entry->zone_offset = static_cast<uint32>(meta->size());
  entry->least_bytes = entry->greatest_bytes = sizeof(T);
  const auto *from = reinterpret_cast<const uint8_t *>(&least);
  meta->insert(meta->end(), from, from + sizeof(T));
  from = reinterpret_cast<const uint8_t *>(&greatest);
  meta->insert(meta->end(), from, from + sizeof(T));
}

void PutTextZone(const uint32 *offsets, const uint8 *bytes, size_t count, ChunkColumn *entry,
                 std::vector<uint8_t> *meta) {
  const auto at = [&](size_t i) {
    return std::string_view(reinterpret_cast<const char *>(bytes + offsets[i]),
                            offsets[i + 1] - offsets[i]);
  };
  std::string_view least = at(0);
  std::string_view greatest = at(0);
  for (size_t i = 1; i < count; i++) {
    least = std::min(least, at(i));
    greatest = std::max(greatest, at(i));
  }
  if (least.size() > kMaxZoneBytes || greatest.size() > kMaxZoneBytes) return;
  entry->zone_offset = static_cast<uint32>(meta->size());
  entry->least_bytes = static_cast<uint8>(least.size());
  entry->greatest_bytes = static_cast<uint8>(greatest.size());
  meta->insert(meta->end(), least.begin(), least.end());
  meta->insert(meta->end(), greatest.begin(), greatest.end());
}

// NaN is the greatest of all, where C++ finds it to be nothing at all: no zone then.
template <typename T>
bool HasNan(const T *values, size_t count) {
  return std::any_of(values, values + count, [](T value) { return std::isnan(value); });
}

}  // namespace

// Encodes what was gathered: header, columns and zones in one, bitmaps and segments in the other.
void ChunkWriter::EncodeAll() {
  std::vector<uint8_t> &meta = *encoded_;
  std::vector<uint8_t> body;
  std::vector<int64_t> numerics;
  meta.resize(sizeof(ChunkHeader) + column_count_ * sizeof(ChunkColumn));
  std::vector<ChunkColumn> entries(column_count_);
  for (int i = 0; i < column_count_; i++) {
    const Column &column = columns_[i];
    ChunkColumn &entry = entries[i];
    entry = {};
    entry.attribute = column.attribute;
    entry.form = column.form;
    entry.type = column.type;
    entry.nulls = column.nulls;
    entry.raw_bytes = static_cast<uint32>(column.raw_bytes);
    if (column.count == 0) continue;
    if (column.nulls > 0) {
      Pad(&body);
      entry.nulls_offset = static_cast<uint32>(body.size());
      const auto *bits = reinterpret_cast<const uint8_t *>(column.null_bits);
      body.insert(body.end(), bits, bits + NullBytes(rows_));
    }
    codec::Column values{.kind = KindOf(column.form), .count = column.count};
    values.ints = column.ints;
    values.floats = column.floats;
    values.doubles = column.doubles;
    values.offsets = column.offsets;
    values.bytes = column.bytes;
    int scale = 0;
    if (column.type == NUMERICOID &&
        TakeNumerics(column.offsets, column.bytes, column.count, &numerics, &scale)) {
      entry.form = Form::kNumeric;
      entry.scale = static_cast<uint8>(scale);
      values = {.kind = codec::Kind::kInt, .count = column.count};
      values.ints = numerics.data();
    }
    if (entry.form == Form::kNumeric || (entry.form == Form::kInt && IsOrderedAsInt(column.type))) {
      PutZone(values.ints, values.count, &entry, &meta);
    } else if (entry.form == Form::kFloat && !HasNan(values.floats, values.count)) {
      PutZone(values.floats, values.count, &entry, &meta);
    } else if (entry.form == Form::kDouble && !HasNan(values.doubles, values.count)) {
      PutZone(values.doubles, values.count, &entry, &meta);
    } else if (IsOrderedAsBytes(column.type)) {
      PutTextZone(values.offsets, values.bytes, values.count, &entry, &meta);
    }
    Pad(&body);
    entry.segment_offset = static_cast<uint32>(body.size());
    codec::Encoding taken;
    const codec::Status status = codec::Encode(values, policies_.of(column.attribute),
                                               {pg::StopRequested, nullptr}, &body, &taken);
    if (status == codec::Status::kInterrupted) {
      pg::CheckInterrupts();
    }
    if (status != codec::Status::kOk)
      throw std::runtime_error("a column segment cannot be encoded");
    entry.segment_bytes = static_cast<uint32>(body.size() - entry.segment_offset);
    const size_t bitmap_bytes = column.nulls > 0 ? NullBytes(rows_) : 0;
    entry.checksum = Checksum(std::span(body).subspan(entry.nulls_offset, bitmap_bytes),
                              std::span(body).subspan(entry.segment_offset));
  }
  Pad(&meta);
  meta_bytes_ = static_cast<uint32>(meta.size());
  for (ChunkColumn &entry : entries) {
    if (entry.nulls > 0 && entry.nulls < rows_) entry.nulls_offset += meta_bytes_;
    if (entry.nulls < rows_) entry.segment_offset += meta_bytes_;
  }
  ChunkHeader header = {.magic = kChunkMagic,
                        .version = kChunkVersion,
                        .columns = static_cast<uint16>(column_count_),
                        .rows = rows_,
                        .meta_bytes = meta_bytes_,
                        .bytes = meta.size() + body.size(),
                        .checksum = 0,
                        .reserved = 0};
  memcpy(meta.data(), &header, sizeof(header));
  memcpy(meta.data() + sizeof(header), entries.data(), entries.size() * sizeof(ChunkColumn));
  header.checksum = Checksum(meta);
  memcpy(meta.data(), &header, sizeof(header));
  meta.insert(meta.end(), body.begin(), body.end());
}

std::span<const uint8> ChunkWriter::Encode() {
  encoded_->clear();
  pg::Enter([&] { EncodeAll(); });
  return *encoded_;
}

}  // namespace helios::hybrid
