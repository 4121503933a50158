// Quotas of control groups, as texts and as files below a folder of the test's own.
#include "budget/core/cgroup.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace helios::budget {
namespace {

// A folder that goes away.
class Root {
 public:
  Root() {
    char name[] = "/tmp/heliosdb-cgroup.XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Root() { std::filesystem::remove_all(path_); }
  void Write(const std::string &file, const std::string &text) const {
    const std::filesystem::path whole = path_ + file;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

TEST(Cgroup, ParsesQuotas) {
  EXPECT_DOUBLE_EQ(ParseCpuMax("150000 100000\n"), 1.5);
  for (const char *text :
       {"max 100000\n", "", "\n", "100000", "x y", "-1 100000", "100000 0", "0 100000"})
    EXPECT_EQ(ParseCpuMax(text), 0) << text;
  EXPECT_DOUBLE_EQ(ParseCfsQuota("50000\n", "100000\n"), 0.5);
  EXPECT_EQ(ParseCfsQuota("-1\n", "100000\n"), 0);
  EXPECT_EQ(ParseCfsQuota("", "100000\n"), 0);
  EXPECT_EQ(ParseCfsQuota("50000\n", ""), 0);
}

TEST(Cgroup, ParsesMembership) {
  const CgroupPaths unified = ParseCgroups("0::/system.slice/postgresql.service\n");
  EXPECT_EQ(unified.unified, "/system.slice/postgresql.service");
  EXPECT_EQ(unified.cpu_controllers, "");
  const CgroupPaths old = ParseCgroups(
      "9:name=systemd:/\n2:cpuacct,cpu:/docker/a:b\n3:cpuset:/x\n0::/y\nnonsense\n1:z");
  EXPECT_EQ(old.cpu, "/docker/a:b");
  EXPECT_EQ(old.cpu_controllers, "cpuacct,cpu");
  EXPECT_EQ(old.unified, "/y");
  EXPECT_EQ(ParseCgroups("").unified, "/");
}

TEST(Cgroup, ListsAncestors) {
  EXPECT_EQ(WithAncestors("/a/b"), (std::vector<std::string>{"/a/b", "/a", ""}));
  EXPECT_EQ(WithAncestors("/"), std::vector<std::string>{""});
  EXPECT_EQ(WithAncestors(""), std::vector<std::string>{""});
}

TEST(Cgroup, TakesTheLeastOfAllLevels) {
  const Root root;
  EXPECT_EQ(CgroupCores(root.path()), 0);
  root.Write("/proc/self/cgroup", "0::/a/b\n");
  root.Write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(CgroupCores(root.path()), 0);
  root.Write("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  EXPECT_DOUBLE_EQ(CgroupCores(root.path()), 2);
  root.Write("/sys/fs/cgroup/a/b/cpu.max", "25000 100000\n");
  EXPECT_DOUBLE_EQ(CgroupCores(root.path()), 0.25);
}

TEST(Cgroup, ReadsVersionOneAlsoFromInsideAContainer) {
  const Root root;
  root.Write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n");
  root.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  root.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(CgroupCores(root.path()), 3);
  root.Write("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "150000\n");
  root.Write("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(CgroupCores(root.path()), 1.5);
}

TEST(Cgroup, ThisMachineHasCores) { EXPECT_GT(UsableCores(), 0); }

}  // namespace
}  // namespace helios::budget
