# Builds and installs the extension with PGXS. Runs inside a build directory, with VPATH set to the
# top of the tree; reached through ../Makefile.
#
# PGXS needs three cautions: a variable called VERSION is its own (hence EXTVERSION); Debian turns
# its dependency tracking off (hence -MMD); with_llvm compiles every source again as old C++.

TOP := $(VPATH)
ROOMS := $(shell cat $(TOP)/rooms)
EXTVERSION := 1.0

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq ($(PGXS),)
$(error $(PG_CONFIG) names no PostgreSQL server development files: run `make deps`, or set PG_CONFIG)
endif

# Sources: every .cpp of the listed rooms, except tests, fuzzers and, without DEV=1, *_dev.cpp.
SOURCE_DIRS := base pg $(filter-out pg,$(ROOMS)) $(addsuffix /core,$(ROOMS))
SOURCES := heliosdb.cpp $(patsubst $(TOP)/src/%,%,$(sort $(wildcard $(SOURCE_DIRS:%=$(TOP)/src/%/*.cpp))))
SOURCES := $(filter-out %_test.cpp %_fuzz.cpp $(if $(filter 1,$(DEV)),,%_dev.cpp),$(SOURCES))
SQL_PARTS := $(TOP)/sql/_prologue.sql $(foreach room,$(ROOMS),$(wildcard $(TOP)/sql/$(room).sql \
	$(if $(filter 1,$(DEV)),$(TOP)/sql/$(room)_test.sql))) $(TOP)/sql/_epilogue.sql

MODULE_big = heliosdb
EXTENSION = control/heliosdb
OBJS = $(SOURCES:%.cpp=obj/%.o)
SQL_SCRIPT = sql/heliosdb--$(EXTVERSION).sql
DATA_built = $(SQL_SCRIPT)
DATA = $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/sql/heliosdb--*--*.sql))
SHLIB_LINK = -Wl,--version-script=$(TOP)/src/heliosdb.map -lhwy -lzstd -llz4 -lstdc++ -lm

# Tests for a running server: flat inputs in regress/, outputs of the run stay in the build directory.
REGRESS = $(sort $(patsubst $(TOP)/regress/%.sql,%,$(wildcard $(TOP)/regress/*.sql)))
REGRESS_OPTS = --inputdir=regress --outputdir=regress --load-extension=heliosdb
ISOLATION = $(sort $(patsubst $(TOP)/regress/isolation/%.spec,%,$(wildcard $(TOP)/regress/isolation/*.spec)))
ISOLATION_OPTS = --inputdir=isolation --outputdir=isolation --load-extension=heliosdb
REGRESS_PREP = test-links

override with_llvm := no
include $(PGXS)

# PostgreSQL's headers count as system headers, so that -Werror judges only this tree. /usr/include
# itself must not move in the search order: the C++ library finds its C headers after its own.
PG_INCLUDES := $(patsubst -I%,-isystem %,$(filter-out -I. -I$(srcdir) -I/usr/include,$(filter -I%,$(CPPFLAGS))))
PG_DEFINES := $(filter-out -I%,$(CPPFLAGS))
IS_CLANG := $(findstring clang,$(shell $(CXX) --version))

WERROR ?= $(DEV)
SANITIZERS := $(if $(filter 1,$(SANITIZE)),-fsanitize=undefined -fno-sanitize-recover=undefined)
SHLIB_LINK += $(SANITIZERS)
# No function of the library is replaced from outside, so that all may be inlined.
HELIOS_CXXFLAGS = $(CXXFLAGS) -std=c++20 -O2 -fno-semantic-interposition -Wall -Wextra \
	$(if $(filter 1,$(WERROR)),-Werror) $(if $(filter 1,$(DEV)),-DHELIOS_DEV) \
	$(if $(IS_CLANG),-Wno-register -Wno-unknown-warning-option,-fno-gnu-unique) -ffile-prefix-map=$(TOP)/= \
	-I$(TOP)/src -isystem /usr/include/eigen3 $(SANITIZERS) $(COPT)
# Kernels see no PostgreSQL header and export nothing. In the other files PostgreSQL 15 does not mark its
# entry points, so they are compiled visible and the version script picks what leaves the library.
IS_KERNEL = $(findstring /core/,$<)$(filter $(TOP)/src/base/%,$<)

obj/%.o: $(TOP)/src/%.cpp obj/flags
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CXX  src/$*.cpp';) $(CXX) $(HELIOS_CXXFLAGS) $(PG_DEFINES) $(if $(IS_KERNEL),-fvisibility=hidden,$(PG_INCLUDES)) -MMD -MP -c -o $@ $<
-include $(OBJS:.o=.d)

$(shlib): $(TOP)/src/heliosdb.map obj/sources

$(SQL_SCRIPT): $(SQL_PARTS) obj/sources
	@mkdir -p $(@D)
	cat $(SQL_PARTS) > $@

# A record of how things are made, renewed only when it differs: another compiler, server or flag
# rebuilds all objects, a source that came or went links anew.
define record
ifneq ($(strip $(2)),$(strip $(file <$(1))))
.PHONY: $(1)
endif
$(1):
	@mkdir -p $$(@D) && echo '$(strip $(2))' > $$@
endef
$(eval $(call record,obj/flags,$(shell $(PG_CONFIG) --version) $(CXX) $(HELIOS_CXXFLAGS)))
$(eval $(call record,obj/sources,$(SOURCES) $(SQL_PARTS)))

.PHONY: test-links
test-links:
	@mkdir -p regress isolation
	@ln -sfn $(TOP)/regress regress/sql && ln -sfn $(TOP)/expected regress/expected
	@ln -sfn $(TOP)/regress/data regress/data
	@ln -sfn $(TOP)/regress/isolation isolation/specs
	@ln -sfn $(TOP)/expected/isolation isolation/expected
