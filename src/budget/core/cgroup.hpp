// How many cores this process may use: those that it is allowed to run on, and the CPU quota of its control groups,
// version 1 and 2, of all levels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace helios::budget {

// Reads cpu.max ("50000 100000", "max 100000"); returns cores, or 0 where there is no limit or no sense.
double ParseCpuMax(std::string_view text);

// Reads cpu.cfs_quota_us and cpu.cfs_period_us; likewise.
double ParseCfsQuota(std::string_view quota, std::string_view period);

struct CgroupPaths {
  std::string unified;  // version 2, "/" if the root or unknown
  std::string cpu;      // version 1: of the controller cpu
  std::string
      cpu_controllers;  // the name of its hierarchy, "cpu" or "cpu,cpuacct"; empty: version 1 has none
};

// Reads /proc/self/cgroup.
CgroupPaths ParseCgroups(std::string_view text);

// Lists a path and all above it, the root last: "/a/b" gives "/a/b", "/a", "".
std::vector<std::string> WithAncestors(std::string_view path);

// Returns the least CPU quota in cores of all control groups that apply, 0 if there is none. `root` stands before
// the paths of files; tests have one of their own.
double CgroupCores(const std::string &root);

// Returns the cores that all processes of the server together may use.
double UsableCores();

}  // namespace helios::budget
