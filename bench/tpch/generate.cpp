// Writes tables shaped like those of TPC-H, or checks them: what drivers load that need such tables.
//
//   g++ -O2 -std=c++20 -o generate generate.cpp
//   generate SCALE DIRECTORY         region.tbl … lineitem.tbl, columns between '|' as COPY takes them
//   generate check SCALE DIRECTORY   numbers of rows and foreign keys of what was written
//
// Schema, sizes, distributions and the grammar of comments follow the public specification (TPC Benchmark
// H, revision 3, sections 1.4 and 4.2). The rows are not those of the official generator, and no results
// on them are TPC-H results. One scale always gives the same files.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using std::string_view;

constexpr size_t kPoolBytes = 300'000'000;  // of the text that comments are cut from (4.2.2.10)
constexpr int kSuppliersOfPart = 4;
constexpr int kDays = 2557;  // 1992-01-01 … 1998-12-31
constexpr int kLastOrderDay = kDays - 151;
constexpr int kCurrentDay = 1263;  // 1995-06-17
constexpr int kNations = 25;

// --------------------------------------------------------------------------------------- randomness

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(static_cast<unsigned __int128>(Next()) *
                                          static_cast<uint64_t>(high - low + 1) >>
                                      64);
  }
  template <size_t n>
  string_view Of(const string_view (&list)[n]) {
    return list[Between(0, n - 1)];
  }

 private:
  uint64_t state_;
};

// Words that are drawn as often as their weights say.
class Words {
 public:
  struct Weighted {
    int weight;
    string_view words;  // between commas, each of this weight
  };
  Words(std::initializer_list<Weighted> lists) {
    for (auto [weight, words] : lists)
      while (!words.empty()) {
        const size_t end = std::min(words.find(','), words.size());
        drawn_.insert(drawn_.end(), static_cast<size_t>(weight), words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
      }
  }
  string_view Draw(Random &random) const {
    return drawn_[static_cast<size_t>(random.Between(0, static_cast<int64_t>(drawn_.size()) - 1))];
  }

 private:
  std::vector<string_view> drawn_;
};

// ---------------------------------------------------------------------------------------------- text

// The grammar of comments (4.2.2.14). Letters: N noun, J adjective, D adverb, V verb, X auxiliary,
// P preposition, T terminator.
class Grammar {
 public:
  // Appends sentences until the text is that long.
  void Write(Random &random, size_t bytes, std::string *text) const {
    text->reserve(bytes + 512);
    while (text->size() < bytes) {
      // n and v: phrases; p: a preposition and a phrase.
      for (const char part : sentences_.Draw(random)) {
        if (part == 'n') {
          Phrase(random, nouns_phrases_.Draw(random), text);
        } else if (part == 'v') {
          Phrase(random, verb_phrases_.Draw(random), text);
        } else {
          Phrase(random, "P", text);
          text->append("the ");
          Phrase(random, nouns_phrases_.Draw(random), text);
        }
      }
      text->back() = terminators_.Draw(random)[0];
      text->push_back(' ');
    }
  }

 private:
  void Phrase(Random &random, string_view letters, std::string *text) const {
    for (const char letter : letters) {
      if (letter == ';') {  // the comma of a phrase: Words splits at commas
        text->back() = ',';
      } else {
        text->append(WordsOf(letter).Draw(random));
      }
      text->push_back(' ');
    }
  }
  const Words &WordsOf(char letter) const {
    switch (letter) {
      case 'N':
        return nouns_;
      case 'J':
        return adjectives_;
      case 'D':
        return adverbs_;
      case 'V':
        return verbs_;
      case 'X':
        return auxiliaries_;
      default:
        return prepositions_;
    }
  }

  const Words sentences_{{3, "nv,nvp,nvn"}, {1, "npvn,npvp"}};
  const Words nouns_phrases_{{10, "N,J;JN"}, {20, "JN"}, {50, "DJN"}};
  const Words verb_phrases_{{30, "V"}, {1, "XV,XVD"}, {40, "VD"}};
  const Words nouns_{
      {40, "packages,requests,accounts,deposits"},
      {20, "foxes,ideas,theodolites,pinto beans,instructions"},
      {10, "dependencies,excuses,platelets,asymptotes"},
      {5, "courts,dolphins"},
      {1,
       "multipliers,sauternes,warthogs,frets,dinos,attainments,somas,Tiresias,patterns,forges,"
       "braids,"
       "hockey players,frays,warhorses,dugouts,notornis,epitaphs,pearls,tithes,waters,orbits,gifts,"
       "sheaves,depths,sentiments,decoys,realms,pains,grouches,escapades"}};
  const Words verbs_{
      {20, "sleep,wake,are,cajole,haggle"},
      {10, "nag,use,boost"},
      {5, "affix,detect,integrate"},
      {1,
       "maintain,nod,was,lose,sublate,solve,thrash,promise,engage,hinder,print,x-ray,breach,eat,"
       "grow,"
       "impress,mold,poach,serve,run,dazzle,snooze,doze,unwind,kindle,play,hang,believe,doubt"}};
  const Words adjectives_{
      {50, "regular"},
      {40, "final,ironic"},
      {30, "even"},
      {20, "special,pending,unusual,express,bold"},
      {10, "silent"},
      {1,
       "furious,sly,careful,blithe,quick,fluffy,slow,quiet,ruthless,thin,close,dogged,daring,brave,"
       "stealthy,permanent,enticing,idle,busy"}};
  const Words adverbs_{
      {50, "furiously,slyly,carefully"},
      {40, "blithely"},
      {30, "quickly"},
      {20, "fluffily"},
      {1,
       "sometimes,always,never,slowly,quietly,ruthlessly,thinly,closely,doggedly,daringly,bravely,"
       "stealthily,permanently,enticingly,idly,busily,regularly,finally,ironically,evenly,boldly,"
       "silently"}};
  const Words prepositions_{
      {50, "about,above,according to,across,after"},
      {40, "against,along"},
      {30, "alongside of,among"},
      {20, "around"},
      {10, "at"},
      {1,
       "atop,before,behind,beneath,beside,besides,between,beyond,by,despite,during,except,for,from,"
       "in place of,inside,instead "
       "of,into,near,of,on,outside,over,past,since,through,throughout,to,"
       "toward,under,until,up,upon,without,with,within"}};
  const Words auxiliaries_{
      {1,
       "do,may,might,shall,will,would,can,could,should,ought to,must,will have to,shall have to,"
       "could have to,should have to,must have to,need to,try to"}};
  const Words terminators_{{50, "."}, {1, ";,:,?,!,-"}};
};

constexpr string_view kColors[] = {
    "almond",   "antique",   "aquamarine", "azure",      "beige",     "bisque",    "black",
    "blanched", "blue",      "blush",      "brown",      "burlywood", "burnished", "chartreuse",
    "chiffon",  "chocolate", "coral",      "cornflower", "cornsilk",  "cream",     "cyan",
    "dark",     "deep",      "dim",        "dodger",     "drab",      "firebrick", "floral",
    "forest",   "frosted",   "gainsboro",  "ghost",      "goldenrod", "green",     "grey",
    "honeydew", "hot",       "indian",     "ivory",      "khaki",     "lace",      "lavender",
    "lawn",     "lemon",     "light",      "lime",       "linen",     "magenta",   "maroon",
    "medium",   "metallic",  "midnight",   "mint",       "misty",     "moccasin",  "navajo",
    "navy",     "olive",     "orange",     "orchid",     "pale",      "papaya",    "peach",
    "peru",     "pink",      "plum",       "powder",     "puff",      "purple",    "red",
    "rose",     "rosy",      "royal",      "saddle",     "salmon",    "sandy",     "seashell",
    "sienna",   "sky",       "slate",      "smoke",      "snow",      "spring",    "steel",
    "tan",      "thistle",   "tomato",     "turquoise",  "violet",    "wheat",     "white",
    "yellow"};
constexpr string_view kSizes[] = {"STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"};
constexpr string_view kCoats[] = {"ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"};
constexpr string_view kMetals[] = {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"};
constexpr string_view kWraps[] = {"SM", "LG", "MED", "JUMBO", "WRAP"};
constexpr string_view kContainers[] = {"CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"};
constexpr string_view kSegments[] = {"AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY",
                                     "HOUSEHOLD"};
constexpr string_view kPriorities[] = {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED",
                                       "5-LOW"};
constexpr string_view kInstructions[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE",
                                         "TAKE BACK RETURN"};
constexpr string_view kModes[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};
constexpr string_view kRegions[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"};
struct Nation {
  string_view name;
  int region;
};
constexpr Nation kNationList[kNations] = {
    {"ALGERIA", 0},      {"ARGENTINA", 1}, {"BRAZIL", 1}, {"CANADA", 1},
    {"EGYPT", 4},        {"ETHIOPIA", 0},  {"FRANCE", 3}, {"GERMANY", 3},
    {"INDIA", 2},        {"INDONESIA", 2}, {"IRAN", 4},   {"IRAQ", 4},
    {"JAPAN", 2},        {"JORDAN", 4},    {"KENYA", 0},  {"MOROCCO", 0},
    {"MOZAMBIQUE", 0},   {"PERU", 1},      {"CHINA", 2},  {"ROMANIA", 3},
    {"SAUDI ARABIA", 4}, {"VIETNAM", 2},   {"RUSSIA", 3}, {"UNITED KINGDOM", 3},
    {"UNITED STATES", 1}};

// ---------------------------------------------------------------------------------------- the tables

struct Sizes {
  int64_t suppliers, parts, customers, orders, clerks;
  explicit Sizes(double scale)
      : suppliers(Rows(scale, 10'000)),
        parts(Rows(scale, 200'000)),
        customers(Rows(scale, 150'000)),
        orders(Rows(scale, 1'500'000)),
        clerks(Rows(scale, 1'000)) {}
  static int64_t Rows(double scale, int64_t rows) {
    return std::max<int64_t>(kSuppliersOfPart,
                             static_cast<int64_t>(scale * static_cast<double>(rows)));
  }
};

// Of each 32 keys of orders the first 8 are used (4.2.3, O_ORDERKEY).
int64_t OrderKey(int64_t number) { return (number / 8) * 32 + number % 8 + 1; }

// Supplier `i` of a part (4.2.3, PS_SUPPKEY).
int64_t SupplierOf(const Sizes &sizes, int64_t part, int64_t i) {
  const int64_t s = sizes.suppliers;
  return (part + i * (s / kSuppliersOfPart + (part - 1) / s)) % s + 1;
}

// In cents (4.2.3, P_RETAILPRICE).
int64_t RetailPrice(int64_t part) { return 90000 + part / 10 % 20001 + 100 * (part % 1000); }

// Writes rows, column by column.
class Table {
 public:
  Table(const std::string &directory, const char *name)
      : path_(directory + "/" + name + ".tbl"), file_(std::fopen(path_.c_str(), "w")) {
    if (file_ == nullptr) Fail();
  }
  ~Table() {
    Flush();
    if (std::fclose(file_) != 0) Fail();
  }
  Table &Text(string_view text) {
    Separate();
    row_.append(text);
    return *this;
  }
  Table &Int(int64_t value) { return Text(std::to_string(value)); }
  // A price in cents.
  Table &Cents(int64_t cents) {
    Separate();
    char text[32];
    const int64_t amount = std::abs(cents);
    row_.append(text,
                static_cast<size_t>(std::snprintf(
                    text, sizeof text, "%s%lld.%02lld", cents < 0 ? "-" : "",
                    static_cast<long long>(amount / 100), static_cast<long long>(amount % 100))));
    return *this;
  }
  // "Supplier#000000042".
  Table &Numbered(const char *what, int64_t number) {
    char text[64];
    return Text({text, static_cast<size_t>(std::snprintf(text, sizeof text, "%s#%09lld", what,
                                                         static_cast<long long>(number)))});
  }
  void End() {
    row_.push_back('\n');
    first_ = true;
    if (row_.size() > kFlushBytes) Flush();
  }

 private:
  static constexpr size_t kFlushBytes = 1 << 20;
  void Separate() {
    if (!first_) row_.push_back('|');
    first_ = false;
  }
  void Flush() {
    if (std::fwrite(row_.data(), 1, row_.size(), file_) != row_.size()) Fail();
    row_.clear();
  }
  [[noreturn]] void Fail() {
    std::perror(path_.c_str());
    std::exit(1);
  }
  std::string path_;
  std::FILE *file_;
  std::string row_;
  bool first_ = true;
};

class Generator {
 public:
  Generator(double scale, std::string directory)
      : sizes_(scale), directory_(std::move(directory)), random_(0x54504348) {
    Grammar().Write(random_, kPoolBytes, &pool_);
    const std::chrono::sys_days first = std::chrono::year{1992} / 1 / 1;
    for (int day = 0; day < kDays; ++day) {
      const std::chrono::year_month_day date{first + std::chrono::days{day}};
      char text[16];
      std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
      dates_.emplace_back(text);
    }
  }

  void WriteAll() {
    WriteNations();
    WriteSuppliers();
    WriteCustomers();
    WriteParts();
    WriteOrders();
  }

 private:
  // A piece of the pool that may begin and end within a word.
  string_view Comment(int64_t least, int64_t most) {
    const auto length = static_cast<size_t>(random_.Between(least, most));
    const auto at = random_.Between(0, static_cast<int64_t>(pool_.size() - length));
    return string_view(pool_).substr(static_cast<size_t>(at), length);
  }
  std::string Address() {
    static constexpr string_view kLetters =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,";
    std::string address(static_cast<size_t>(random_.Between(10, 40)), ' ');
    for (char &letter : address) letter = kLetters[static_cast<size_t>(random_.Between(0, 63))];
    return address;
  }
  std::string Phone(int64_t nation) {
    char text[32];
    std::snprintf(text, sizeof text, "%d-%03d-%03d-%04d", static_cast<int>(nation + 10),
                  static_cast<int>(random_.Between(100, 999)),
                  static_cast<int>(random_.Between(100, 999)),
                  static_cast<int>(random_.Between(1000, 9999)));
    return text;
  }

  void WriteNations() {
    Table regions(directory_, "region"), nations(directory_, "nation");
    for (int64_t i = 0; i < static_cast<int64_t>(std::size(kRegions)); ++i)
      regions.Int(i).Text(kRegions[i]).Text(Comment(31, 115)).End();
    for (int64_t i = 0; i < kNations; ++i)
      nations.Int(i)
          .Text(kNationList[i].name)
          .Int(kNationList[i].region)
          .Text(Comment(31, 114))
          .End();
  }

  void WriteSuppliers() {
    Table table(directory_, "supplier");
    // Of 10,000 suppliers five had complaints and five were recommended (4.2.3, S_COMMENT).
    constexpr int64_t kEvery = 2000, kComplaint = 999, kPraise = 1999;
    for (int64_t key = 1; key <= sizes_.suppliers; ++key) {
      const int64_t nation = random_.Between(0, kNations - 1);
      table.Int(key).Numbered("Supplier", key).Text(Address()).Int(nation).Text(Phone(nation));
      table.Cents(random_.Between(-99999, 999999));
      std::string comment(Comment(25, 100));
      if (key % kEvery == kComplaint) comment.replace(0, 19, "Customer Complaints");
      if (key % kEvery == kPraise) comment.replace(0, 19, "Customer Recommends");
      table.Text(comment).End();
    }
  }

  void WriteCustomers() {
    Table table(directory_, "customer");
    for (int64_t key = 1; key <= sizes_.customers; ++key) {
      const int64_t nation = random_.Between(0, kNations - 1);
      table.Int(key).Numbered("Customer", key).Text(Address()).Int(nation).Text(Phone(nation));
      table.Cents(random_.Between(-99999, 999999))
          .Text(random_.Of(kSegments))
          .Text(Comment(29, 116));
      table.End();
    }
  }

  void WriteParts() {
    Table parts(directory_, "part"), suppliers(directory_, "partsupp");
    std::vector<string_view> colors(std::begin(kColors), std::end(kColors));
    constexpr int64_t kColorsOfName = 5;
    for (int64_t key = 1; key <= sizes_.parts; ++key) {
      std::string name, type, brand = "Brand#", maker = "Manufacturer#", container;
      for (int64_t i = 0; i < kColorsOfName; ++i) {
        std::swap(colors[i], colors[random_.Between(i, static_cast<int64_t>(colors.size()) - 1)]);
        if (i > 0) name += ' ';
        name += colors[i];
      }
      const int64_t made = random_.Between(1, 5);
      maker += std::to_string(made);
      brand += std::to_string(made) + std::to_string(random_.Between(1, 5));
      type.append(random_.Of(kSizes)).append(" ").append(random_.Of(kCoats)).append(" ");
      type.append(random_.Of(kMetals));
      const int64_t size = random_.Between(1, 50);
      container.append(random_.Of(kWraps)).append(" ").append(random_.Of(kContainers));
      parts.Int(key).Text(name).Text(maker).Text(brand).Text(type).Int(size).Text(container);
      parts.Cents(RetailPrice(key)).Text(Comment(5, 22)).End();
      for (int i = 0; i < kSuppliersOfPart; ++i) {
        suppliers.Int(key).Int(SupplierOf(sizes_, key, i)).Int(random_.Between(1, 9999));
        suppliers.Cents(random_.Between(100, 100000)).Text(Comment(49, 198)).End();
      }
    }
  }

  void WriteOrders() {
    Table orders(directory_, "orders"), lines(directory_, "lineitem");
    for (int64_t number = 0; number < sizes_.orders; ++number) {
      const int64_t key = OrderKey(number);
      // A third of the customers order nothing.
      int64_t customer;
      do customer = random_.Between(1, sizes_.customers);
      while (customer % 3 == 0);
      const int64_t day = random_.Between(0, kLastOrderDay - 1), count = random_.Between(1, 7);
      int64_t total = 0, open = 0;
      for (int64_t line = 1; line <= count; ++line) {
        const int64_t part = random_.Between(1, sizes_.parts), quantity = random_.Between(1, 50);
        const int64_t supplier = SupplierOf(sizes_, part, random_.Between(0, kSuppliersOfPart - 1));
        const int64_t price = quantity * RetailPrice(part);
        const int64_t discount = random_.Between(0, 10), tax = random_.Between(0, 8);  // percent
        const int64_t shipped = day + random_.Between(1, 121),
                      agreed = day + random_.Between(30, 90);
        const int64_t received = shipped + random_.Between(1, 30);
        total += price * (100 - discount) / 100 * (100 + tax) / 100;
        open += shipped > kCurrentDay;
        const bool returnable = received <= kCurrentDay;
        lines.Int(key).Int(part).Int(supplier).Int(line).Int(quantity).Cents(price).Cents(discount);
        lines.Cents(tax).Text(!returnable ? "N" : random_.Between(0, 1) == 0 ? "R" : "A");
        lines.Text(shipped > kCurrentDay ? "O" : "F");
        for (const int64_t date : {shipped, agreed, received})
          lines.Text(dates_[static_cast<size_t>(date)]);
        lines.Text(random_.Of(kInstructions)).Text(random_.Of(kModes)).Text(Comment(10, 43)).End();
      }
      orders.Int(key).Int(customer).Text(open == 0 ? "F" : open == count ? "O" : "P").Cents(total);
      orders.Text(dates_[static_cast<size_t>(day)]).Text(random_.Of(kPriorities));
      orders.Numbered("Clerk", random_.Between(1, sizes_.clerks))
          .Int(0)
          .Text(Comment(19, 78))
          .End();
    }
  }

  Sizes sizes_;
  std::string directory_;
  Random random_;
  std::string pool_;
  std::vector<std::string> dates_;
};

// ------------------------------------------------------------------------------------------ the check

// Calls `visit` with the integers of the first columns of each row and returns the number of rows.
template <size_t columns, typename Visit>
int64_t ForEachRow(const std::string &directory, const char *name, Visit visit) {
  std::ifstream in(directory + "/" + name + ".tbl");
  int64_t rows = 0;
  for (std::string row; std::getline(in, row); ++rows) {
    std::array<int64_t, columns> keys;
    const char *at = row.c_str();
    for (int64_t &key : keys) {
      key = std::strtoll(at, nullptr, 10);
      at = std::strchr(at, '|');
      if (at == nullptr) break;
      ++at;
    }
    visit(keys);
  }
  return rows;
}

// Prints what is wrong and returns the number of complaints.
int Check(const Sizes &sizes, const std::string &directory) {
  int wrong = 0;
  const auto expect = [&](bool good, const std::string &what) {
    if (!good && ++wrong <= 20) std::cerr << what << "\n";
  };
  const auto rows = [&](const char *name, int64_t is, int64_t least, int64_t most) {
    expect(least <= is && is <= most, std::string(name) + " has " + std::to_string(is) + " rows");
    std::cout << name << " " << is << "\n";
  };
  const auto count_only = [](const auto &) {};
  const auto within = [](int64_t key, int64_t most) { return 1 <= key && key <= most; };
  rows("region", ForEachRow<1>(directory, "region", count_only), 5, 5);
  rows("nation", ForEachRow<1>(directory, "nation", count_only), kNations, kNations);
  rows("supplier", ForEachRow<1>(directory, "supplier", count_only), sizes.suppliers,
       sizes.suppliers);
  rows("customer", ForEachRow<1>(directory, "customer", count_only), sizes.customers,
       sizes.customers);
  rows("part", ForEachRow<1>(directory, "part", count_only), sizes.parts, sizes.parts);

  std::vector<std::array<int64_t, kSuppliersOfPart>> offers(static_cast<size_t>(sizes.parts) + 1);
  const int64_t offered = ForEachRow<2>(directory, "partsupp", [&](const auto &keys) {
    const bool known = within(keys[0], sizes.parts) && within(keys[1], sizes.suppliers);
    expect(known, "partsupp: no such part or supplier");
    if (!known) return;
    auto &offer = offers[static_cast<size_t>(keys[0])];
    const auto place = std::find(offer.begin(), offer.end(), 0);
    expect(place != offer.end() && std::find(offer.begin(), place, keys[1]) == place,
           "partsupp: part " + std::to_string(keys[0]) + " has a supplier twice");
    if (place != offer.end()) *place = keys[1];
  });
  rows("partsupp", offered, kSuppliersOfPart * sizes.parts, kSuppliersOfPart * sizes.parts);

  std::vector<bool> ordered(static_cast<size_t>(OrderKey(sizes.orders)) + 1);
  const int64_t orders = ForEachRow<2>(directory, "orders", [&](const auto &keys) {
    expect(within(keys[1], sizes.customers) && keys[1] % 3 != 0, "orders: no such customer");
    const bool fits = within(keys[0], static_cast<int64_t>(ordered.size()) - 1);
    expect(fits && !ordered[static_cast<size_t>(keys[0])], "orders: a key is wrong or there twice");
    if (fits) ordered[static_cast<size_t>(keys[0])] = true;
  });
  rows("orders", orders, sizes.orders, sizes.orders);

  const int64_t lines = ForEachRow<3>(directory, "lineitem", [&](const auto &keys) {
    const bool fits = within(keys[0], static_cast<int64_t>(ordered.size()) - 1);
    expect(fits && ordered[static_cast<size_t>(keys[0])], "lineitem: no such order");
    const bool known = within(keys[1], sizes.parts);
    const auto &offer = offers[known ? static_cast<size_t>(keys[1]) : 0];
    expect(known && std::find(offer.begin(), offer.end(), keys[2]) != offer.end(),
           "lineitem: no such part of that supplier");
  });
  rows("lineitem", lines, sizes.orders, 7 * sizes.orders);
  return wrong;
}

}  // namespace

int main(int argc, char **argv) {
  const bool check = argc > 1 && string_view(argv[1]) == "check";
  const int first = check ? 2 : 1;
  const double scale = argc == first + 2 ? std::strtod(argv[first], nullptr) : 0;
  if (scale <= 0) {
    std::cerr << "usage: generate [check] SCALE DIRECTORY\n";
    return 2;
  }
  if (check) return Check(Sizes(scale), argv[first + 1]) == 0 ? 0 : 1;
  Generator(scale, argv[first + 1]).WriteAll();
  return 0;
}
