#include "budget/core/cgroup.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace helios::budget {

namespace {

// Reads a number at the start of a text and takes it away; false if there is none.
bool TakeNumber(std::string_view *text, long long *number) {
  while (!text->empty() && (text->front() == ' ' || text->front() == '\t')) text->remove_prefix(1);
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

// Reads a small file; empty if there is none.
std::string ReadSmall(const std::string &path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

void Lower(double *least, double cores) {
  if (cores > 0 && (*least == 0 || cores < *least)) *least = cores;
}

// True if a list separated by commas names a controller.
bool Lists(std::string_view list, std::string_view controller) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == controller) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

double ParseCpuMax(std::string_view text) {
  long long quota, period;
  if (!TakeNumber(&text, &quota) || !TakeNumber(&text, &period) || quota <= 0 || period <= 0)
    return 0;
  return static_cast<double>(quota) / static_cast<double>(period);
}

double ParseCfsQuota(std::string_view quota, std::string_view period) {
  return ParseCpuMax(std::string(quota.substr(0, quota.find('\n'))) + " " + std::string(period));
}

CgroupPaths ParseCgroups(std::string_view text) {
  CgroupPaths paths{"/", "/", ""};
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controllers.empty()) {
      paths.unified = path;
    } else if (Lists(controllers, "cpu")) {
      paths.cpu = path;
      paths.cpu_controllers = controllers;
    }
  }
  return paths;
}

std::vector<std::string> WithAncestors(std::string_view path) {
  std::vector<std::string> all;
  while (!path.empty() && path != "/") {
    all.emplace_back(path);
    path = path.substr(0, path.rfind('/'));
  }
  all.emplace_back("");
  return all;
}

double CgroupCores(const std::string &root) {
  const CgroupPaths paths = ParseCgroups(ReadSmall(root + "/proc/self/cgroup"));
  const std::string base = root + "/sys/fs/cgroup";
  double least = 0;
  // A container may see the path of its host, where nothing is mounted: then the root is its own group.
  for (const std::string &path : WithAncestors(paths.unified)) {
    Lower(&least, ParseCpuMax(ReadSmall(base + path + "/cpu.max")));
    Lower(&least, ParseCpuMax(ReadSmall(base + "/unified" + path + "/cpu.max")));
  }
  if (paths.cpu_controllers.empty()) return least;
  for (const std::string &path : WithAncestors(paths.cpu)) {
    for (const std::string &controller : {paths.cpu_controllers, std::string("cpu")}) {
      const std::string group = base + "/" + controller + path;
      Lower(&least, ParseCfsQuota(ReadSmall(group + "/cpu.cfs_quota_us"),
                                  ReadSmall(group + "/cpu.cfs_period_us")));
    }
  }
  return least;
}

double UsableCores() {
  double cores = static_cast<double>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
    cores = std::min(cores, static_cast<double>(std::max(CPU_COUNT(&allowed), 1)));
  const double quota = CgroupCores("");
  return quota > 0 ? std::min(cores, quota) : cores;
}

}  // namespace helios::budget
