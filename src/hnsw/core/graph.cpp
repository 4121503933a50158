// The region of a graph; nodes grow from the front, the arena from the back, full when they meet:
//
//   | Header | Record 0 | Record 1 | ...   free   ...  | arena block | arena block |
//              `- Node, List of level 0, item of fixed size    `- upper Lists or a sized item
//
//   Record:  Node (56 bytes) | List of level 0, its ids start a cache line | 64-aligned item
//   List:    count:u32  taken:u16 judged:u16  ids:u32[degree]  distances:f32[degree]
//
// A list starts with the `taken` links the last choice preferred, then those it refilled with, up
// to `judged`, both nearest first; links appended since follow. Every offset counts 64-byte units
// from the region's base.
//
// Readers load list words one by one and may meet a list half replaced: every word is a valid link
// of the old or new list, which only costs a search a neighbour or two. A writer reads a list,
// decides at leisure, and claims the node's version (odd while claimed) only if it has not changed
// since; then it stores and releases. Reading a link acquires what was written before its release,
// so the linked item and its own links are seen whole.
#include "hnsw/core/graph.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <thread>

namespace helios::hnsw {

namespace {

constexpr size_t kUnit = 64;  // a cache line; also the grain of arena offsets
constexpr uint64_t kNoEntry = UINT64_MAX;
constexpr size_t kWholeItemLines = 16;  // items up to this long are prefetched whole; of others
constexpr size_t kFirstItemLines = 4;   // the first lines, the hardware fetches the rest in order

static_assert(std::atomic_ref<uint64_t>::is_always_lock_free);
static_assert(std::atomic_ref<uint32_t>::is_always_lock_free);
static_assert(std::atomic_ref<float>::is_always_lock_free);

template <class T>
T Acquire(T& place) {
  return std::atomic_ref<T>(place).load(std::memory_order_acquire);
}

template <class T>
void Release(T& place, T value) {
  std::atomic_ref<T>(place).store(value, std::memory_order_release);
}

// Replaces *expected by `value`, or reloads *expected and says no.
template <class T>
bool Exchange(T& place, T* expected, T value) {
  return std::atomic_ref<T>(place).compare_exchange_strong(
      *expected, value, std::memory_order_acq_rel, std::memory_order_acquire);
}

size_t UnitsFor(size_t bytes) { return (bytes + kUnit - 1) / kUnit; }

size_t ListBytes(size_t degree) {
  return 2 * sizeof(uint32_t) + degree * (sizeof(uint32_t) + sizeof(float));
}

size_t UpperUnits(uint32_t m, int level) {
  return UnitsFor(static_cast<size_t>(level) * ListBytes(m));
}

// Draws a level from the geometric law of section 4.1, a function of (seed, id) alone.
int DrawLevel(const GraphSpec& spec, uint32_t id) {
  // The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t bits = spec.seed + (uint64_t{id} + 1) * 0x9E3779B97F4A7C15;
  bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9;
  bits = (bits ^ bits >> 27) * 0x94D049BB133111EB;
  bits ^= bits >> 31;
  const double uniform = std::ldexp(static_cast<double>((bits >> 11) + 1), -53);  // in (0, 1]
  const double level = -std::log(uniform) / std::log(static_cast<double>(spec.m));
  return std::min(static_cast<int>(level), Graph::MaxLevel(spec.m));
}

// Arena units that the upper lists of `items` nodes stay below but for odds under 1e-12: the mean,
// eight standard deviations, and two of the largest blocks for the skew of few items.
size_t UpperUnitsBound(uint32_t m, size_t items) {
  const int top = Graph::MaxLevel(m);
  double mean = 0;
  double square = 0;
  for (int level = 1; level <= top; ++level) {
    const double share = std::pow(m, -level) * (level < top ? 1 - 1.0 / m : 1);
    const double units = static_cast<double>(UpperUnits(m, level));
    mean += share * units;
    square += share * units * units;
  }
  const double count = static_cast<double>(items);
  const double bound = count * mean + 8 * std::sqrt(count * (square - mean * mean));
  return items == 0 ? 0 : static_cast<size_t>(bound) + 2 * UpperUnits(m, top);
}

struct Header {
  GraphSpec spec;
  uint64_t space;  // arena start in units << 32 | number of records; changes as one
  uint64_t entry;  // level << 32 | id, or kNoEntry
  uint64_t end_units;
  uint32_t record_units;
  uint32_t item_units;  // from the start of a record to its item
};

struct Node {
  uint64_t tid;
  uint32_t version;  // odd while a writer holds the lists
  uint32_t level;
  uint32_t duplicate_of;
  uint32_t next_duplicate;
  uint32_t upper_unit;  // the lists of levels 1 to `level`, one after another
  uint32_t item_unit;   // of an item of its own size
  uint32_t item_size;
};

// The parts of one list, wherever it lies.
struct List {
  uint32_t* count;
  uint32_t* judged;  // taken << 16 | judged
  uint32_t* ids;
  float* distances;
};

constexpr size_t kHeaderUnits = 1;
constexpr size_t kListOffset = kUnit - 2 * sizeof(uint32_t);  // ids start a line

static_assert(sizeof(Header) <= kHeaderUnits * kUnit);
static_assert(sizeof(Node) <= kListOffset);

size_t NodeUnits(uint32_t m) { return UnitsFor(kListOffset + ListBytes(Graph::MaxDegree(m, 0))); }

size_t RecordUnits(const GraphSpec& spec) { return NodeUnits(spec.m) + UnitsFor(spec.item_bytes); }

// Asks for the first `lines` cache lines from `start`.
void Prefetch(const void* start, size_t lines) {
  const char* at = static_cast<const char*>(start);
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(at + line * kUnit);
}

uint32_t PackJudged(size_t taken, size_t judged) {
  return static_cast<uint32_t>(taken << 16 | judged);
}

uint64_t PackEntry(int level, uint32_t id) { return static_cast<uint64_t>(level) << 32 | id; }
int EntryLevel(uint64_t entry) { return static_cast<int>(entry >> 32); }
uint32_t EntryId(uint64_t entry) { return static_cast<uint32_t>(entry); }

// What the last choice of a list made of a link.
enum Standing : uint8_t { kUnjudged, kTaken, kPruned };

}  // namespace

// The region seen from one process, with what every step needs in registers.
class Graph::Body {
 public:
  explicit Body(char* base)
      : base_(base),
        header_(*reinterpret_cast<Header*>(base)),
        record_bytes_(header_.record_units * kUnit),
        item_offset_(header_.item_units * kUnit),
        item_lines_(UnitsFor(header_.spec.item_bytes)),
        m_(header_.spec.m),
        fixed_(header_.spec.item_bytes != 0) {
    if (!fixed_ || item_lines_ > kWholeItemLines) item_lines_ = kFirstItemLines;
  }

  Header& header() const { return header_; }
  size_t Degree(int level) const { return MaxDegree(m_, level); }

  char* Record(uint32_t id) const { return base_ + kHeaderUnits * kUnit + id * record_bytes_; }
  Node& NodeOf(uint32_t id) const { return *reinterpret_cast<Node*>(Record(id)); }

  const void* Item(uint32_t id) const {
    if (fixed_) return Record(id) + item_offset_;
    return base_ + NodeOf(id).item_unit * kUnit;
  }

  List ListOf(uint32_t id, int level) const {
    char* at = level == 0 ? Record(id) + kListOffset
                          : base_ + NodeOf(id).upper_unit * kUnit + (level - 1) * ListBytes(m_);
    List list;
    list.count = reinterpret_cast<uint32_t*>(at);
    list.judged = list.count + 1;
    list.ids = list.count + 2;
    list.distances = reinterpret_cast<float*>(list.ids + Degree(level));
    return list;
  }

  void Descend(const void* query, int level, const Space& space, Candidate* nearest) const;
  void SearchLevel(const void* query, int level, size_t ef, const Space& space, Scratch* s) const;
  void FindLinks(const void* item, uint64_t entry, int high, int low, const Space& space,
                 Scratch* s) const;
  uint32_t FindDuplicate(const void* item, size_t bytes, const Space& space,
                         const Scratch& s) const;
  bool Allocate(const void* item, size_t bytes, uint64_t tid, int level, uint32_t* id) const;
  void ChainDuplicate(uint32_t id, uint32_t original) const;
  void WriteLinks(uint32_t id, int high, int low, const Scratch& s) const;
  void LinkBack(uint32_t id, int high, int low, const Space& space, Scratch* s) const;
  void AddLink(uint32_t owner, int level, Candidate link, const Space& space, Scratch* s) const;
  void Choose(size_t limit, const Space& space, Scratch* s, Scratch::Links* links) const;

 private:
  void Arrange(const List& list, uint32_t count, Candidate link, Scratch* s) const;
  uint32_t ChooseAgain(size_t limit, const Space& space, Scratch* s) const;

  char* base_;
  Header& header_;
  size_t record_bytes_;
  size_t item_offset_;
  size_t item_lines_;  // worth prefetching
  uint32_t m_;
  bool fixed_;
};

// Moves *nearest greedily towards the query on one level (Algorithm 2 with ef = 1).
void Graph::Body::Descend(const void* query, int level, const Space& space,
                          Candidate* nearest) const {
  for (bool moved = true; moved;) {
    moved = false;
    const List list = ListOf(nearest->id, level);
    const uint32_t count = Acquire(*list.count);
    for (uint32_t i = 0; i < count; ++i) Prefetch(Item(Acquire(list.ids[i])), item_lines_);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t id = Acquire(list.ids[i]);
      const Candidate candidate{space.distance(space.ctx, query, Item(id)), id};
      if (candidate < *nearest) {
        *nearest = candidate;
        moved = true;
      }
    }
  }
}

// Algorithm 2: widens the candidates of s->sorted_ to the ef nearest of a level, nearest first.
void Graph::Body::SearchLevel(const void* query, int level, size_t ef, const Space& space,
                              Scratch* s) const {
  s->visited_.Clear();
  s->open_.Clear();
  s->nearest_.Clear();
  for (const Candidate& seed : s->sorted_) {
    s->visited_.Insert(seed.id + 1);
    s->open_.Push(seed);
    s->nearest_.Push(seed);
  }
  s->fresh_.resize(Degree(level));
  const size_t node_lines = NodeUnits(m_) / 2 + 1;  // the ids fill the first half of a record
  while (!s->open_.Empty()) {
    const Candidate expanded = s->open_.Top();
    if (s->nearest_.Size() >= ef && s->nearest_.Top() < expanded) break;
    s->open_.Pop();
    const List list = ListOf(expanded.id, level);
    const uint32_t count = Acquire(*list.count);
    size_t fresh = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t id = Acquire(list.ids[i]);
      if (!s->visited_.Insert(id + 1)) continue;
      Prefetch(Item(id), item_lines_);
      s->fresh_[fresh++] = id;
    }
    for (size_t i = 0; i < fresh; ++i) {
      const uint32_t id = s->fresh_[i];
      const Candidate candidate{space.distance(space.ctx, query, Item(id)), id};
      if (s->nearest_.Size() >= ef && !(candidate < s->nearest_.Top())) continue;
      s->open_.Push(candidate);
      s->nearest_.Push(candidate);
      if (s->nearest_.Size() > ef) s->nearest_.Pop();
    }
    if (!s->open_.Empty()) Prefetch(Record(s->open_.Top().id), node_lines);
  }
  s->sorted_ = s->nearest_.Items();
  std::sort(s->sorted_.begin(), s->sorted_.end());
}

// Chooses at most `limit` links of a new item among s->sorted_ (Algorithm 4).
void Graph::Body::Choose(size_t limit, const Space& space, Scratch* s,
                         Scratch::Links* links) const {
  const std::vector<Candidate>& from = s->sorted_;
  const size_t taken = SelectNeighbors(
      from, limit,
      [&](uint32_t a, uint32_t b) {
        return space.distance(space.ctx, Item(from[a].id), Item(from[b].id));
      },
      &s->chosen_);
  links->chosen.clear();
  for (uint32_t position : s->chosen_) links->chosen.push_back(from[position]);
  links->judged = from.size() > limit ? PackJudged(taken, s->chosen_.size()) : 0;
}

// Searches the levels from `high` down to `low` for the neighbours of a new item (Algorithm 1).
void Graph::Body::FindLinks(const void* item, uint64_t entry, int high, int low,
                            const Space& space, Scratch* s) const {
  Candidate nearest{space.distance(space.ctx, item, Item(EntryId(entry))), EntryId(entry)};
  for (int level = EntryLevel(entry); level > high; --level) Descend(item, level, space, &nearest);
  s->sorted_.assign(1, nearest);
  for (int level = std::min(high, EntryLevel(entry)); level >= low; --level) {
    SearchLevel(item, level, header_.spec.ef_construction, space, s);
    Choose(NewDegree(m_, level), space, s, &s->links_[level]);
  }
}

// Looks in s->sorted_ for an item with the same bytes; only those as far as the item from itself
// can have them.
uint32_t Graph::Body::FindDuplicate(const void* item, size_t bytes, const Space& space,
                                    const Scratch& s) const {
  const float self = space.distance(space.ctx, item, item);
  for (const Candidate& candidate : s.sorted_) {
    if (candidate.distance != self || NodeOf(candidate.id).item_size != bytes) continue;
    if (std::memcmp(Item(candidate.id), item, bytes) == 0) return candidate.id;
  }
  return kNone;
}

// Takes the next id with room for a level's lists and the item, or for neither when level < 0.
bool Graph::Body::Allocate(const void* item, size_t bytes, uint64_t tid, int level,
                           uint32_t* id) const {
  const bool linked = level >= 0;
  const size_t upper_units = linked ? UpperUnits(m_, level) : 0;
  const bool in_arena = linked && !fixed_;
  const size_t units = upper_units + (in_arena ? UnitsFor(bytes) : 0);
  uint64_t space = Acquire(header_.space);
  uint32_t arena;
  do {
    *id = static_cast<uint32_t>(space);
    arena = static_cast<uint32_t>(space >> 32);
    const uint64_t front = kHeaderUnits + (uint64_t{*id} + 1) * header_.record_units;
    if (front + units > arena) return false;
    arena -= static_cast<uint32_t>(units);
  } while (!Exchange(header_.space, &space, uint64_t{arena} << 32 | (*id + 1)));

  Node& node = *new (Record(*id)) Node{};
  node.tid = tid;
  node.level = linked ? static_cast<uint32_t>(level) : 0;
  node.duplicate_of = kNone;
  node.next_duplicate = kNone;
  node.upper_unit = arena;
  node.item_unit = arena + static_cast<uint32_t>(upper_units);
  node.item_size = static_cast<uint32_t>(bytes);
  for (uint32_t at = 0; at <= node.level; ++at) {
    const List list = ListOf(*id, static_cast<int>(at));
    *list.count = 0;
    *list.judged = 0;
  }
  if (linked && bytes != 0) std::memcpy(const_cast<void*>(Item(*id)), item, bytes);
  return true;
}

// Puts a duplicate right behind the item it equals.
void Graph::Body::ChainDuplicate(uint32_t id, uint32_t original) const {
  Node& node = NodeOf(id);
  node.duplicate_of = original;
  uint32_t& head = NodeOf(original).next_duplicate;
  uint32_t next = Acquire(head);
  do {
    node.next_duplicate = next;
  } while (!Exchange(head, &next, id));
}

// Stores the chosen links of a new item, which nobody can reach on these levels yet.
void Graph::Body::WriteLinks(uint32_t id, int high, int low, const Scratch& s) const {
  for (int level = low; level <= high; ++level) {
    const Scratch::Links& links = s.links_[level];
    const List list = ListOf(id, level);
    for (size_t i = 0; i < links.chosen.size(); ++i) {
      list.ids[i] = links.chosen[i].id;
      list.distances[i] = links.chosen[i].distance;
    }
    *list.judged = links.judged;
    *list.count = static_cast<uint32_t>(links.chosen.size());
  }
}

// Makes a new item reachable from the items it links to.
void Graph::Body::LinkBack(uint32_t id, int high, int low, const Space& space, Scratch* s) const {
  for (int level = low; level <= high; ++level) {
    for (const Candidate& link : s->links_[level].chosen) {
      AddLink(link.id, level, Candidate{link.distance, id}, space, s);
    }
  }
}

// Adds a link to an owner's list; a full list chooses again among its links and the new one.
void Graph::Body::AddLink(uint32_t owner, int level, Candidate link, const Space& space,
                          Scratch* s) const {
  Node& node = NodeOf(owner);
  const List list = ListOf(owner, level);
  const uint32_t degree = static_cast<uint32_t>(Degree(level));
  for (;;) {
    uint32_t version = Acquire(node.version);
    if (version % 2 != 0) {
      std::this_thread::yield();  // the claimant may have lost its processor between two stores
      continue;
    }
    const uint32_t count = Acquire(*list.count);
    uint32_t judged = 0;
    if (count == degree) {
      Arrange(list, count, link, s);
      judged = ChooseAgain(degree, space, s);
    }
    if (!Exchange(node.version, &version, version + 1)) continue;
    if (count < degree) {
      Release(list.ids[count], link.id);
      Release(list.distances[count], link.distance);
      Release(*list.count, count + 1);
    } else {
      for (uint32_t i = 0; i < degree; ++i) {
        const Candidate& kept = s->sorted_[s->chosen_[i]];
        Release(list.ids[i], kept.id);
        Release(list.distances[i], kept.distance);
      }
      Release(*list.judged, judged);
    }
    Release(node.version, version + 2);
    return;
  }
}

// Lays a full list and a new link out in s->sorted_, nearest first, with their standing.
void Graph::Body::Arrange(const List& list, uint32_t count, Candidate link, Scratch* s) const {
  const uint32_t packed = Acquire(*list.judged);
  const uint32_t taken = packed >> 16;
  const uint32_t judged = packed & 0xFFFF;
  s->sorted_.resize(count + 1);
  s->standing_.resize(count + 1);
  Candidate* sorted = s->sorted_.data();
  uint8_t* standing = s->standing_.data();
  const auto insert = [&](uint32_t at, Candidate candidate, Standing verdict) {
    for (; at > 0 && candidate < sorted[at - 1]; --at) {
      sorted[at] = sorted[at - 1];
      standing[at] = standing[at - 1];
    }
    sorted[at] = candidate;
    standing[at] = verdict;
  };
  for (uint32_t i = 0; i < count; ++i) {
    const Standing verdict = i < taken ? kTaken : i < judged ? kPruned : kUnjudged;
    insert(i, {Acquire(list.distances[i]), Acquire(list.ids[i])}, verdict);
  }
  insert(count, link, kUnjudged);
}

// Chooses again among s->sorted_, computing no distance whose verdict the last choice settled: two
// links taken before do not exclude each other, and one pruned before stays so while all those
// taken before stay. Returns the packed counts of the new list.
uint32_t Graph::Body::ChooseAgain(size_t limit, const Space& space, Scratch* s) const {
  constexpr float kApart = std::numeric_limits<float>::infinity();
  const std::vector<Candidate>& from = s->sorted_;
  const std::vector<uint8_t>& standing = s->standing_;
  bool lost = false;
  const size_t taken = SelectNeighbors(
      from, limit,
      [&](uint32_t a, uint32_t b) {
        if (standing[a] == kTaken && standing[b] == kTaken) return kApart;
        if (standing[a] == kPruned && !lost) return -kApart;
        const float apart = space.distance(space.ctx, Item(from[a].id), Item(from[b].id));
        if (standing[a] == kTaken && !(from[a].distance < apart)) lost = true;
        return apart;
      },
      &s->chosen_);
  return PackJudged(taken, s->chosen_.size());
}

void Scratch::Reserve(const GraphSpec& spec) {
  const size_t width = std::max<size_t>(spec.ef_construction, Graph::MaxDegree(spec.m, 0)) + 1;
  open_.Reserve(width);
  nearest_.Reserve(width);
  sorted_.reserve(width);
  standing_.reserve(width);
  chosen_.reserve(width);
}

size_t Scratch::MemoryBytes() const {
  size_t links = 0;
  for (const Links& level : links_) links += level.chosen.capacity();
  return sizeof(*this) + visited_.MemoryBytes() + standing_.capacity() +
         (fresh_.capacity() + chosen_.capacity()) * sizeof(uint32_t) +
         (open_.Items().capacity() + nearest_.Items().capacity() + sorted_.capacity() + links) *
             sizeof(Candidate);
}

int Graph::MaxLevel(uint32_t m) {
  return std::min<int>(kMaxLevelEver, kMaxUpperLinkBytes / (m * sizeof(uint32_t)));
}

size_t Graph::RegionBytes(const GraphSpec& spec, size_t items) {
  return (kHeaderUnits + items * RecordUnits(spec) + UpperUnitsBound(spec.m, items)) * kUnit;
}

size_t Graph::Capacity(const GraphSpec& spec, size_t region_bytes) {
  size_t fits = 0;
  size_t beyond = std::min<size_t>(region_bytes / (RecordUnits(spec) * kUnit) + 1, kNone);
  while (fits + 1 < beyond) {
    const size_t middle = fits + (beyond - fits) / 2;
    (RegionBytes(spec, middle) <= region_bytes ? fits : beyond) = middle;
  }
  return fits;
}

Graph Graph::Format(void* region, size_t bytes, const GraphSpec& spec) {
  Header& header = *new (region) Header{};
  header.spec = spec;
  header.entry = kNoEntry;
  header.end_units = std::min<uint64_t>(bytes / kUnit, UINT32_MAX);
  header.space = header.end_units << 32;
  header.record_units = static_cast<uint32_t>(RecordUnits(spec));
  header.item_units = static_cast<uint32_t>(NodeUnits(spec.m));
  return Graph(region);
}

Graph Graph::Attach(void* region) { return Graph(region); }

Graph::AddResult Graph::Add(const void* item, size_t bytes, uint64_t tid, const Space& space,
                            Scratch* scratch, uint32_t* id) {
  const Body body(base_);
  Header& header = body.header();
  const int level = DrawLevel(header.spec, size());
  scratch->Reserve(header.spec);
  uint64_t entry = Acquire(header.entry);
  int linked = -1;  // the highest level with chosen links
  if (entry != kNoEntry) {
    linked = std::min(level, EntryLevel(entry));
    body.FindLinks(item, entry, level, 0, space, scratch);
    const uint32_t original = body.FindDuplicate(item, bytes, space, *scratch);
    if (original != kNone) {
      if (!body.Allocate(item, bytes, tid, -1, id)) return AddResult::kFull;
      body.ChainDuplicate(*id, original);
      return AddResult::kDuplicate;
    }
  }
  if (!body.Allocate(item, bytes, tid, level, id)) return AddResult::kFull;
  body.WriteLinks(*id, linked, 0, *scratch);
  body.LinkBack(*id, linked, 0, space, scratch);
  // An item above the top becomes the entry, unless another did meanwhile; then it gets links on
  // the levels that other one opened first.
  while (entry == kNoEntry || level > EntryLevel(entry)) {
    if (Exchange(header.entry, &entry, PackEntry(level, *id))) break;
    const int low = linked + 1;
    linked = std::min(level, EntryLevel(entry));
    if (low > linked) continue;
    body.FindLinks(item, entry, level, low, space, scratch);
    body.WriteLinks(*id, linked, low, *scratch);
    body.LinkBack(*id, linked, low, space, scratch);
  }
  return AddResult::kAdded;
}

void Graph::Search(const void* query, size_t ef, const Space& space, Scratch* scratch,
                   std::vector<Candidate>* found) const {
  found->clear();
  const Body body(base_);
  const uint64_t entry = Acquire(body.header().entry);
  if (entry == kNoEntry) return;
  Candidate nearest{space.distance(space.ctx, query, body.Item(EntryId(entry))), EntryId(entry)};
  for (int level = EntryLevel(entry); level > 0; --level) {
    body.Descend(query, level, space, &nearest);
  }
  scratch->sorted_.assign(1, nearest);
  body.SearchLevel(query, 0, ef, space, scratch);
  *found = scratch->sorted_;
}

GraphSpec Graph::spec() const { return Body(base_).header().spec; }

uint32_t Graph::size() const {
  return static_cast<uint32_t>(Acquire(Body(base_).header().space));
}

size_t Graph::used_bytes() const {
  const Header& header = Body(base_).header();
  const uint64_t space = Acquire(Body(base_).header().space);
  const uint64_t front = kHeaderUnits + (space & UINT32_MAX) * header.record_units;
  return (front + header.end_units - (space >> 32)) * kUnit;
}

uint32_t Graph::entry() const {
  const uint64_t entry = Acquire(Body(base_).header().entry);
  return entry == kNoEntry ? kNone : EntryId(entry);
}

int Graph::level(uint32_t id) const { return static_cast<int>(Body(base_).NodeOf(id).level); }

uint64_t Graph::tid(uint32_t id) const { return Body(base_).NodeOf(id).tid; }

const void* Graph::item(uint32_t id) const {
  const uint32_t original = duplicate_of(id);
  return Body(base_).Item(original == kNone ? id : original);
}

size_t Graph::item_size(uint32_t id) const { return Body(base_).NodeOf(id).item_size; }

uint32_t Graph::duplicate_of(uint32_t id) const { return Body(base_).NodeOf(id).duplicate_of; }

uint32_t Graph::next_duplicate(uint32_t id) const {
  return Acquire(Body(base_).NodeOf(id).next_duplicate);
}

std::span<const uint32_t> Graph::links(uint32_t id, int level) const {
  const List list = Body(base_).ListOf(id, level);
  return {list.ids, *list.count};
}

}  // namespace helios::hnsw
