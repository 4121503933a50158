// Measures codecs of column segments beside plain compressors: the program of the driver `codecs`.
//
//   codecs REFERENCE COLUMN…    REFERENCE: a table of reference_codecs.csv's form, or -
//                               COLUMN: kind:name:file
//
//   kind     file                                          a value's bytes
//   text     values, each with a newline                   its own, and one that separates it
//   int      decimal numbers, each with a newline          8
//   double   likewise; *.bin: values as they are in memory 8
//
// Columns of its own come first: the data shapes that codecs must beat block compression on. Times are
// the least of several rounds. The program fails if a value does not come back as it was.
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "codec/core/codec.hpp"
#include "codec/core/fsst.hpp"

#ifdef HELIOS_FSST
#include "fsst.h"
#endif

namespace {

using namespace helios::codec;
using std::string;

constexpr size_t kBlockBytes = size_t{64} * 1024;  // of plain block compression
constexpr double kLeastSeconds = 0.01;             // that a measurement lasts in all
constexpr int kRounds = 3;
constexpr int kSmallLevel = 9;
constexpr int kUsualLevel = 3;

// ------------------------------------------------------------------------------------------ columns

// A column in memory and its segments, views of it.
struct Data {
  string name;
  Kind kind;
  std::vector<int64_t> ints;
  std::vector<double> doubles;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> offsets{0};
  std::vector<std::vector<uint32_t>> rebased;  // offsets of each segment
  std::vector<Column> segments;

  void Add(std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
  }
  size_t count() const {
    return kind == Kind::kInt      ? ints.size()
           : kind == Kind::kDouble ? doubles.size()
                                   : offsets.size() - 1;
  }
  void Cut() {
    for (size_t begin = 0; begin < count(); begin += kMaxSegmentValues) {
      Column column{.kind = kind, .count = std::min(kMaxSegmentValues, count() - begin)};
      if (kind == Kind::kInt) column.ints = ints.data() + begin;
      if (kind == Kind::kDouble) column.doubles = doubles.data() + begin;
      if (kind == Kind::kBytes) {
        std::vector<uint32_t> &own = rebased.emplace_back();
        for (size_t i = 0; i <= column.count; ++i)
          own.push_back(offsets[begin + i] - offsets[begin]);
        column.offsets = own.data();
        column.bytes = bytes.data() + offsets[begin];
      }
      segments.push_back(column);
    }
  }
};

std::string_view StringOf(const Column &column, size_t i) {
  return {reinterpret_cast<const char *>(column.bytes) + column.offsets[i],
          column.offsets[i + 1] - column.offsets[i]};
}

// The values as a plain compressor gets them.
std::vector<uint8_t> Plain(const Column &column) {
  std::vector<uint8_t> plain;
  if (column.kind != Kind::kBytes) {
    const void *values =
        column.kind == Kind::kInt ? static_cast<const void *>(column.ints) : column.doubles;
    plain.resize(column.count * 8);
    std::memcpy(plain.data(), values, plain.size());
    return plain;
  }
  for (size_t i = 0; i < column.count; ++i) {
    const std::string_view text = StringOf(column, i);
    plain.insert(plain.end(), text.begin(), text.end());
    plain.push_back('\n');
  }
  return plain;
}

Data ReadColumn(const string &argument) {
  std::istringstream parts(argument);
  string kind, path;
  Data data;
  std::getline(parts, kind, ':');
  std::getline(parts, data.name, ':');
  std::getline(parts, path);
  data.kind = kind == "text" ? Kind::kBytes : kind == "int" ? Kind::kInt : Kind::kDouble;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::cerr << "cannot read " << path << "\n";
    std::exit(2);
  }
  if (path.ends_with(".bin")) {
    const string content{std::istreambuf_iterator<char>(in), {}};
    data.doubles.resize(content.size() / sizeof(double));
    std::memcpy(data.doubles.data(), content.data(), data.doubles.size() * sizeof(double));
  } else {
    for (string line; std::getline(in, line);) {
      if (data.kind == Kind::kBytes) data.Add(line);
      if (data.kind == Kind::kInt) data.ints.push_back(std::strtoll(line.c_str(), nullptr, 10));
      if (data.kind == Kind::kDouble) data.doubles.push_back(std::strtod(line.c_str(), nullptr));
    }
  }
  data.Cut();
  return data;
}

// What is told of each shape is in its name.
std::vector<Data> OwnColumns() {
  constexpr size_t kValues = 2 * kMaxSegmentValues;
  std::mt19937_64 random(15);
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto word = [&](size_t syllables) {
    static constexpr const char *kSyllables[] = {"an", "ber", "co", "da", "el",  "fi",  "gor",
                                                 "ha", "is",  "jo", "ka", "li",  "mar", "ni",
                                                 "o",  "pe",  "ri", "sa", "ton", "vi"};
    string out;
    while (syllables-- > 0) out += kSyllables[below(std::size(kSyllables))];
    return out;
  };
  std::vector<Data> all(7);
  const auto name = [&](size_t i, const char *text, Kind kind) -> Data & {
    all[i].name = text;
    all[i].kind = kind;
    return all[i];
  };

  Data &prices = name(0, "shape: prices", Kind::kDouble);
  std::lognormal_distribution<double> price(3, 1.2);
  for (size_t i = 0; i < kValues; ++i)
    prices.doubles.push_back(std::round(price(random) * 100) / 100);

  Data &mails = name(1, "shape: e-mails", Kind::kBytes);
  std::vector<string> given(400), family(3000);
  for (string &text : given) text = word(2);
  for (string &text : family) text = word(3);
  static constexpr const char *kDomains[] = {"gmail.com",       "gmail.com",   "yahoo.com",
                                             "hotmail.com",     "outlook.com", "example.org",
                                             "mail.example.net"};
  for (size_t i = 0; i < kValues; ++i)
    mails.Add(given[below(given.size())] + (below(2) ? "." : "_") + family[below(family.size())] +
              (below(2) ? std::to_string(below(100)) : "") + "@" +
              kDomains[below(std::size(kDomains))]);

  Data &events = name(2, "shape: timestamps", Kind::kInt);
  int64_t now = 1'700'000'000'000'000;  // microseconds
  for (size_t i = 0; i < kValues; ++i)
    events.ints.push_back(now += 900'000 + static_cast<int64_t>(below(200'000)));

  Data &states = name(3, "shape: 6 values", Kind::kBytes);
  static constexpr const char *kStates[] = {"pending",   "shipped",  "delivered",
                                            "cancelled", "returned", "processing"};
  for (size_t i = 0; i < kValues; ++i) states.Add(kStates[below(std::size(kStates))]);

  Data &sorted = name(4, "shape: sorted text", Kind::kBytes);
  std::vector<string> places(kValues), towns(2000);
  for (string &town : towns) town = word(2) + " " + word(3);
  for (string &place : places) place = towns[below(towns.size())];
  std::sort(places.begin(), places.end());
  for (const string &place : places) sorted.Add(place);

  Data &seconds = name(5, "regular timestamps", Kind::kInt);
  Data &keys = name(6, "sorted keys", Kind::kInt);
  // Of each 32 keys 8 are used, by one to seven rows each.
  for (int64_t i = 0; keys.ints.size() < kValues; ++i)
    keys.ints.insert(keys.ints.end(), 1 + below(7), i / 8 * 32 + i % 8 + 1);
  for (size_t i = 0; i < kValues; ++i)
    seconds.ints.push_back(1'700'000'000'000'000 + static_cast<int64_t>(i) * 1'000'000);

  for (Data &data : all) data.Cut();
  return all;
}

// ------------------------------------------------------------------------------------- measurements

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of the fastest of some rounds.
double Fastest(const std::function<void()> &work) {
  double least = std::numeric_limits<double>::max(), all = 0;
  for (int round = 0; round < kRounds || all < kLeastSeconds; ++round) {
    const double begin = Now();
    work();
    const double seconds = Now() - begin;
    least = std::min(least, seconds);
    all += seconds;
  }
  return least;
}

struct Result {
  bool fits = true;
  size_t encoded = 0;             // bytes
  double encode = 0, decode = 0;  // seconds
  string note;
};

[[noreturn]] void Fail(const Data &data, const string &what) {
  std::cerr << data.name << ": " << what << "\n";
  std::exit(1);
}

// Fails unless the segment holds the column.
void Verify(const Data &data, const Column &column, const std::vector<uint8_t> &segment) {
  Reader reader;
  if (reader.Open(segment) != Status::kOk) Fail(data, "does not open");
  for (size_t vector = 0; vector < reader.vectors(); ++vector) {
    Values values;
    if (reader.Read(vector, &values) != Status::kOk) Fail(data, "is not read");
    for (size_t i = 0; i < values.count; ++i) {
      const size_t at = vector * kVectorValues + i;
      const bool same =
          column.kind == Kind::kInt ? values.ints[i] == column.ints[at]
          : column.kind == Kind::kDouble
              ? std::memcmp(values.doubles + i, column.doubles + at, sizeof(double)) == 0
              : values.strings[i] == StringOf(column, at);
      if (!same) Fail(data, "value " + std::to_string(at) + " differs");
    }
  }
  if (reader.count() != column.count) Fail(data, "has another count");
}

using Encoder = std::function<Status(const Column &, std::vector<uint8_t> *)>;

Result Measure(const Data &data, const Encoder &encode) {
  Result result;
  for (const Column &column : data.segments) {
    std::vector<uint8_t> segment;
    const double begin = Now();
    if (encode(column, &segment) != Status::kOk) return {.fits = false, .note = {}};
    result.encode += Now() - begin;
    result.encoded += segment.size();
    Verify(data, column, segment);
    Reader reader;
    result.decode += Fastest([&] {
      reader.Open(segment);
      Values values;
      for (size_t vector = 0; vector < reader.vectors(); ++vector) reader.Read(vector, &values);
    });
  }
  return result;
}

struct PlainCompressor {
  const char *name;
  bool lz4;
  int level;
  size_t block_bytes;
};
constexpr PlainCompressor kPlain[] = {{"plain lz4, 64 KB", true, 0, kBlockBytes},
                                      {"plain lz4", true, 0, SIZE_MAX},
                                      {"plain zstd-1", false, 1, SIZE_MAX},
                                      {"plain zstd-3", false, 3, SIZE_MAX},
                                      {"plain zstd-9", false, 9, SIZE_MAX}};

Result MeasurePlain(const Data &data, const PlainCompressor &compressor) {
  Result result;
  for (const Column &column : data.segments) {
    const std::vector<uint8_t> plain = Plain(column);
    std::vector<uint8_t> back(plain.size());
    for (size_t at = 0; at < plain.size(); at += std::min(compressor.block_bytes, plain.size())) {
      const size_t size = std::min(compressor.block_bytes, plain.size() - at);
      std::vector<char> out(compressor.lz4 ? LZ4_compressBound(static_cast<int>(size))
                                           : ZSTD_compressBound(size));
      const char *in = reinterpret_cast<const char *>(plain.data()) + at;
      char *again = reinterpret_cast<char *>(back.data()) + at;
      const double begin = Now();
      const size_t encoded =
          compressor.lz4 ? LZ4_compress_default(in, out.data(), static_cast<int>(size),
                                                static_cast<int>(out.size()))
                         : ZSTD_compress(out.data(), out.size(), in, size, compressor.level);
      result.encode += Now() - begin;
      result.encoded += encoded;
      result.decode += Fastest([&] {
        if (compressor.lz4)
          LZ4_decompress_safe(out.data(), again, static_cast<int>(encoded), static_cast<int>(size));
        else
          ZSTD_decompress(again, size, out.data(), encoded);
      });
    }
    if (back != plain) Fail(data, string(compressor.name) + " loses data");
  }
  return result;
}

// The symbols alone, without lengths and segments, as the reference measures itself: one table for a
// segment, strings decoded one by one.
Result MeasureSymbols(const Data &data) {
  Result result;
  for (const Column &column : data.segments) {
    std::vector<uint8_t> codes(2 * size_t{column.offsets[column.count]} + 1), header;
    std::vector<size_t> ends{0};
    const double begin = Now();
    const SymbolTable table = SymbolTable::Train(column);
    const SymbolMatcher matcher(table);
    for (size_t i = 0; i < column.count; ++i)
      ends.push_back(ends.back() + matcher.Encode(column.bytes + column.offsets[i],
                                                  column.offsets[i + 1] - column.offsets[i],
                                                  codes.data() + ends.back()));
    result.encode += Now() - begin;
    table.Write(&header);
    result.encoded += header.size() + ends.back();
    const SymbolDecoder decoder(table);
    std::vector<uint8_t> back(column.offsets[column.count] + SymbolDecoder::kSlack);
    result.decode += Fastest([&] {
      size_t at = 0, length;
      for (size_t i = 0; i < column.count; ++i, at += length)
        if (!decoder.Decode({codes.data() + ends[i], codes.data() + ends[i + 1]}, back.data() + at,
                            column.offsets[column.count] - at, &length))
          Fail(data, "symbols do not decode");
    });
    if (!std::equal(back.begin(), back.end() - SymbolDecoder::kSlack, column.bytes))
      Fail(data, "symbols differ");
  }
  return result;
}

#ifdef HELIOS_FSST
// The same by the reference implementation.
Result MeasureReferenceSymbols(const Data &data) {
  Result result;
  for (const Column &column : data.segments) {
    std::vector<size_t> lengths, encoded(column.count);
    std::vector<const unsigned char *> strings;
    std::vector<unsigned char *> outputs(column.count);
    for (size_t i = 0; i < column.count; ++i) {
      strings.push_back(column.bytes + column.offsets[i]);
      lengths.push_back(column.offsets[i + 1] - column.offsets[i]);
    }
    std::vector<unsigned char> codes(2 * size_t{column.offsets[column.count]} + 16);
    const double begin = Now();
    fsst_encoder_t *const encoder = fsst_create(column.count, lengths.data(), strings.data(), 0);
    fsst_compress(encoder, column.count, lengths.data(), strings.data(), codes.size(), codes.data(),
                  encoded.data(), outputs.data());
    result.encode += Now() - begin;
    unsigned char header[FSST_MAXHEADER];
    result.encoded += fsst_export(encoder, header);
    for (const size_t length : encoded) result.encoded += length;
    const fsst_decoder_t decoder = fsst_decoder(encoder);
    std::vector<unsigned char> back(column.offsets[column.count] + 64);
    result.decode += Fastest([&] {
      size_t at = 0;
      for (size_t i = 0; i < column.count; ++i)
        at += fsst_decompress(&decoder, encoded[i], outputs[i], back.size() - at, back.data() + at);
    });
    fsst_destroy(encoder);
  }
  return result;
}
#endif

// ------------------------------------------------------------------------------------------- report

struct Reference {
  double factor, speed;  // of ALP or FSST; 0: unknown
};

// Columns a (factor) and b (GB/s of output) by name.
std::map<string, Reference> ReadReferences(const string &path) {
  std::map<string, Reference> references;
  std::ifstream in(path);
  for (string line; std::getline(in, line);) {
    std::vector<string> cells;
    std::istringstream row(line);
    for (string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    if (cells.size() > 5 && (cells[0] == "dbl" || cells[0] == "text"))
      references[cells[1]] = {std::atof(cells[4].c_str()), std::atof(cells[5].c_str())};
  }
  return references;
}

struct Verdict {
  string what, measured, bound;
  bool met;
};
std::vector<Verdict> verdicts;

string Number(double value, const char *format = "%.3g") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void Expect(const string &what, double measured, const char *relation, double bound) {
  const bool met = relation == string(">=") ? measured >= bound : measured <= bound;
  verdicts.push_back({what, Number(measured), string(relation) + " " + Number(bound), met});
}

// What the columns' targets are judged by, of one column.
struct Measured {
  size_t values = 0, raw = 0;
  std::map<string, Result> by;

  double Factor(const string &name) const {
    const auto found = by.find(name);
    return found == by.end() || !found->second.fits
               ? 0
               : static_cast<double>(raw) / static_cast<double>(found->second.encoded);
  }
  double Bits(const string &name) const {
    return 8.0 * static_cast<double>(by.at(name).encoded) / static_cast<double>(values);
  }
  // GB/s of the values.
  double Speed(const string &name) const {
    const auto found = by.find(name);
    return found == by.end() || !found->second.fits
               ? 0
               : static_cast<double>(raw) / found->second.decode / 1e9;
  }
};

// Measures and prints everything of a column.
Measured MeasureColumn(const Data &data) {
  Measured measured;
  measured.values = data.count();
  for (const Column &column : data.segments) measured.raw += Plain(column).size();
  std::vector<string> order;
  const auto add = [&](const string &name, Result result) {
    if (!result.fits) return;
    order.push_back(name);
    measured.by[name] = std::move(result);
  };
  for (const CodecInfo &info : Registry()) {
    if (!info.kinds[static_cast<size_t>(data.kind)]) continue;
    for (const Wrap wrap : {Wrap::kNone, Wrap::kLz4, Wrap::kZstd}) {
      const Encoding encoding{info.codec, wrap};
      add(string(EncodingName(encoding)),
          Measure(data, [&](const Column &column, std::vector<uint8_t> *out) {
            return EncodeAs(column, encoding, kUsualLevel, {}, out);
          }));
    }
  }
  const struct {
    const char *name;
    Policy policy;
  } aims[] = {{"auto", {.aim = Policy::Aim::kAuto, .named = {}, .zstd_level = kUsualLevel}},
              {"fast", {.aim = Policy::Aim::kFast, .named = {}, .zstd_level = kUsualLevel}},
              {"small", {.aim = Policy::Aim::kSmall, .named = {}, .zstd_level = kSmallLevel}}};
  for (const auto &aim : aims) {
    std::map<string, int> taken;
    Result result = Measure(data, [&](const Column &column, std::vector<uint8_t> *out) {
      Encoding encoding;
      const Status status = Encode(column, aim.policy, {}, out, &encoding);
      ++taken[string(EncodingName(encoding))];
      return status;
    });
    for (const auto &[name, times] : taken) result.note += (result.note.empty() ? "" : ", ") + name;
    add(aim.name, result);
  }
  if (data.kind == Kind::kBytes) {
    add("symbols of fsst", MeasureSymbols(data));
#ifdef HELIOS_FSST
    add("symbols of reference", MeasureReferenceSymbols(data));
#endif
  }
  for (const PlainCompressor &compressor : kPlain)
    add(compressor.name, MeasurePlain(data, compressor));

  std::printf(
      "\n%s: %zu values, %zu bytes\n\n| encoding | factor | decode GB/s | encode MB/s | takes |\n"
      "| --- | --- | --- | --- | --- |\n",
      data.name.c_str(), measured.values, measured.raw);
  for (const string &name : order)
    std::printf("| %s | %.2f | %.2f | %.0f | %s |\n", name.c_str(), measured.Factor(name),
                measured.Speed(name),
                static_cast<double>(measured.raw) / measured.by[name].encode / 1e6,
                measured.by[name].note.c_str());
  std::fflush(stdout);
  return measured;
}

// Judges what holds for every column.
void JudgeColumn(const Data &data, const Measured &measured,
                 const std::map<string, Reference> &references) {
  const double plain = std::max({measured.Factor("plain zstd-9"), measured.Factor("plain zstd-3"),
                                 measured.Factor("plain lz4")});
  Expect(data.name + ": bytes of small / of the best plain", plain / measured.Factor("small"),
         "<=", 1.02);
  if (data.name.starts_with("shape: ")) {
    Expect(data.name + ": factor of auto / of block lz4",
           measured.Factor("auto") / measured.Factor("plain lz4, 64 KB"), ">=", 1);
    Expect(data.name + ": decoding of auto / of block lz4",
           measured.Speed("auto") / measured.Speed("plain lz4, 64 KB"), ">=", 1);
  }
  const auto found = references.find(data.name);
  if (found == references.end()) return;
  const Reference reference = found->second;
  if (data.kind == Kind::kDouble) {
    const double factor = std::max(measured.Factor("alp"), measured.Factor("alp_rd"));
    Expect(data.name + ": factor of alp / of the reference", factor / reference.factor, ">=", 0.99);
    return;
  }
  // Without the separators, which the reference does not count either.
  const double bytes =
      static_cast<double>(measured.raw - measured.values) / static_cast<double>(measured.raw);
  Expect(data.name + ": factor of symbols / of the reference",
         measured.Factor("symbols of fsst") * bytes / reference.factor, ">=", 0.97);
#ifdef HELIOS_FSST
  Expect(data.name + ": the same in this run",
         measured.Factor("symbols of fsst") / measured.Factor("symbols of reference"), ">=", 0.97);
  Expect(data.name + ": decoding of fsst / of the reference in this run",
         measured.Speed("fsst") / measured.Speed("symbols of reference"), ">=", 0.8);
#else
  Expect(data.name + ": decoding of fsst / of the reference",
         measured.Speed("fsst") * bytes / reference.speed, ">=", 0.8);
#endif
}

// Judges means, and columns that have targets of their own.
void JudgeAll(const std::map<string, Measured> &all,
              const std::map<string, Reference> &references) {
  double texts = 0, warm = 0, cold = 0, plain = 0, reference_bits = 0, warm_bits = 0, cold_bits = 0;
  for (const auto &[name, reference] : references) {
    const auto found = all.find(name);
    if (found == all.end()) continue;
    const Measured &measured = found->second;
    if (name.ends_with(".csv") && !name.starts_with("gov")) {
      reference_bits += 8 * sizeof(double) / reference.factor;
      warm_bits += measured.Bits("fast");
      cold_bits += measured.Bits("small");
    } else if (name.find('.') == string::npos) {
      ++texts;
      warm += measured.Factor("fast");
      cold += measured.Factor("small");
      plain += measured.Factor("plain zstd-9");
    }
    if (name.ends_with(".bin"))
      Expect(name + ": decoding by alp, GB/s", measured.Speed("alp"), ">=", 5);
  }
  if (texts > 0) {
    Expect("text, mean factor of fast", warm / texts, ">=", 2.10);
    Expect("text, mean factor of small / of plain zstd-9", cold / plain, ">=", 0.98);
  }
  if (reference_bits > 0) {
    Expect("samples of doubles, bits of fast / of alp's reference", warm_bits / reference_bits,
           "<=", 1.01);
    Expect("samples of doubles, bits of small / of alp's reference", cold_bits / reference_bits,
           "<=", 0.97);
  }
  const struct {
    const char *column, *encoding;
    double factor;
  } targets[] = {{"l_comment", "fast", 2.8},
                 {"l_comment", "small", 4.0},
                 {"uuid", "fast", 2.3},
                 {"uuid", "small", 2.6},
                 {"hex", "small", 1.95},
                 {"city_temperature_f_tw.bin", "small", 5.9},
                 {"bitcoin_transactions_f_tw.bin", "small", 1.74},
                 {"food_prices_tw.bin", "small", 4.2},
                 {"nyc29.csv", "small", 2.2},
                 {"l_extendedprice", "fast", 2.6},
                 {"l_extendedprice", "small", 2.7},
                 {"l_orderkey", "fast", 12.4},  // 6.2 and 10 for 4 bytes
                 {"l_orderkey", "small", 20},
                 {"sorted keys", "fast", 12.4},
                 {"sorted keys", "small", 20},
                 {"regular timestamps", "fast", 200}};
  for (const auto &target : targets) {
    const auto found = all.find(target.column);
    if (found != all.end())
      Expect(string(target.column) + ": factor of " + target.encoding,
             found->second.Factor(target.encoding), ">=", target.factor);
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 2) {
    std::cerr << "usage: codecs REFERENCE COLUMN…\n";
    return 2;
  }
  const std::map<string, Reference> references = ReadReferences(argv[1]);
  std::map<string, Measured> all;
  const auto measure = [&](const Data &data) {
    const Measured &measured = all[data.name] = MeasureColumn(data);
    JudgeColumn(data, measured, references);
  };
  for (const Data &data : OwnColumns()) measure(data);
  for (int i = 2; i < argc; ++i) measure(ReadColumn(argv[i]));
  JudgeAll(all, references);

  size_t missed = 0;
  std::printf("\n| target | measured | bound | |\n| --- | --- | --- | --- |\n");
  for (const Verdict &verdict : verdicts) {
    missed += !verdict.met;
    std::printf("| %s | %s | %s | %s |\n", verdict.what.c_str(), verdict.measured.c_str(),
                verdict.bound.c_str(), verdict.met ? "met" : "MISSED");
  }
  std::printf("\n%zu of %zu targets are missed.\n", missed, verdicts.size());
  return 0;
}
