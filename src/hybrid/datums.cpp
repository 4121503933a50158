#include "hybrid/datums.hpp"

namespace helios::hybrid {

Datum MakeNumeric(int64 value, int scale, char *room) {
  const size_t bytes = WriteNumeric(value, scale, reinterpret_cast<uint8 *>(VARDATA(room)));
  SET_VARSIZE(room, VARHDRSZ + bytes);
  return PointerGetDatum(room);
}

bool MakeDatums(const codec::Values &values, size_t from, size_t count, const Shape &shape,
                Datum *to) {
  switch (shape.form) {
    case Form::kInt:
      for (size_t i = 0; i < count; i++) to[i] = DatumOf(values.ints[from + i], shape.length);
      return true;
    case Form::kFloat:
      for (size_t i = 0; i < count; i++) to[i] = Float4GetDatum(values.floats[from + i]);
      return true;
    case Form::kDouble:
      for (size_t i = 0; i < count; i++) to[i] = Float8GetDatum(values.doubles[from + i]);
      return true;
    case Form::kNumeric: {
      char *room = static_cast<char *>(palloc(count * kNumericRoom));
      for (size_t i = 0; i < count; i++, room += kNumericRoom) {
        to[i] = MakeNumeric(values.ints[from + i], shape.scale, room);
      }
      return true;
    }
    default: {
      size_t total = 0;
      for (size_t i = 0; i < count; i++) {
        const size_t bytes = values.strings[from + i].size();
        if (shape.form == Form::kFixed && bytes != static_cast<size_t>(shape.length)) return false;
        total += RoomFor(bytes, shape.form);
      }
      char *room = static_cast<char *>(MemoryContextAllocHuge(CurrentMemoryContext, total));
      for (size_t i = 0; i < count; i++) {
        const std::string_view bytes = values.strings[from + i];
        to[i] = WriteValue(bytes, shape.form, room);
        room += RoomFor(bytes.size(), shape.form);
      }
      return true;
    }
  }
}

}  // namespace helios::hybrid
