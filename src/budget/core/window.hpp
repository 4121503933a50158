// Sums over the last seconds or minutes, in plain memory; zero is an empty window.
#pragma once

#include <algorithm>
#include <cstdint>

namespace helios::budget {

// Adds up what came in the last `kBins` bins of `kBinSeconds` each, the present one begun.
template <int kBins, int kBinSeconds>
class Window {
 public:
  void Add(double now, double amount) {
    Move(now);
    bins_[newest_ % kBins] += static_cast<float>(amount);
  }

  // The mean by second over the whole bins before the present one and what there is of that.
  double PerSecond(double now) {
    Move(now);
    double sum = 0;
    for (const float bin : bins_) sum += static_cast<double>(bin);
    const double begun = now - static_cast<double>(newest_) * kBinSeconds;
    return sum / ((kBins - 1) * kBinSeconds + begun);
  }

 private:
  // Empties the bins of the time since the last call.
  void Move(double now) {
    const auto bin = static_cast<int64_t>(now / kBinSeconds);
    const int64_t gone = std::min<int64_t>(bin - newest_, kBins);
    for (int64_t i = 0; i < gone; i++) bins_[(bin - i) % kBins] = 0;
    newest_ = std::max(newest_, bin);
  }

  int64_t newest_;
  float bins_[kBins];
};

using TenSeconds = Window<11, 1>;
using TenMinutes = Window<11, 60>;

// The rates of a budget through time, so that what was allowed over a window is known after a change; zero: none.
class RateHistory {
 public:
  // Notes that from now on the rate is another one.
  void Note(double now, double rate) {
    if (count_ > 0 && changes_[count_ - 1].rate == rate) return;
    if (count_ == kChanges) {
      std::copy(changes_ + 1, changes_ + kChanges, changes_);
      count_--;
    }
    changes_[count_++] = {now, rate};
  }

  // The mean of the rates over the last `seconds`; what is older than the first one counts as that.
  double Mean(double now, double seconds) const {
    double sum = 0;
    double end = now;
    const double begin = now - seconds;
    for (int i = count_ - 1; i >= 0 && end > begin; i--) {
      const double since = i == 0 ? begin : std::clamp(changes_[i].at, begin, end);
      sum += (end - since) * changes_[i].rate;
      end = since;
    }
    return sum / seconds;
  }

 private:
  static constexpr int kChanges = 16;
  struct Change {
    double at, rate;
  };
  int count_;
  Change changes_[kChanges];
};

}  // namespace helios::budget
