# Builds and runs, under AddressSanitizer and UBSan, what needs no PostgreSQL: one unit-test program per
# room that has *_test.cpp, and one fuzzing program per *_fuzz.cpp. Runs at the top of the tree.

ROOMS := base $(shell cat rooms)
OUT := build/unit

KERNELS := $(filter-out %_test.cpp %_fuzz.cpp,$(wildcard src/base/*.cpp src/*/core/*.cpp))
tests_of = $(wildcard src/$(1)/*_test.cpp src/$(1)/core/*_test.cpp)
UNITS := $(foreach room,$(ROOMS),$(if $(call tests_of,$(room)),$(OUT)/test/$(room)))
FUZZER_SOURCES := $(wildcard src/base/*_fuzz.cpp src/*/core/*_fuzz.cpp)
FUZZERS := $(patsubst %_fuzz.cpp,$(OUT)/fuzz/%,$(notdir $(FUZZER_SOURCES)))
fuzzer_of = $(filter %/$(1)_fuzz.cpp,$(FUZZER_SOURCES))
objects = $(patsubst %.cpp,$(OUT)/obj/%.o,$(1))

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
CXXFLAGS := -std=c++20 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv -Wall -Wextra -Werror \
	$(SANITIZE) -D_GLIBCXX_ASSERTIONS -Isrc -isystem /usr/include/eigen3
FUZZ_RUNS ?= 1000000

.PHONY: build unit fuzz list
build: $(UNITS) $(FUZZERS)
unit: $(UNITS)
	@for program in $(UNITS); do $$program --gtest_brief=1 || exit 1; done
fuzz: $(FUZZERS)
	@for program in $(FUZZERS); do echo "$$program"; \
	  $$program $(FUZZ_RUNS) regress/fuzz/$$(basename $$program) || exit 1; done
list:
	@echo $(UNITS) $(FUZZERS)

$(OUT)/obj/%.o: %.cpp tools/unit.mk
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CXX  $*.cpp (sanitized)';) $(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<
-include $(patsubst %,%.d,$(basename $(call objects,$(wildcard src/base/*.cpp src/*/core/*.cpp) tools/fuzz_main.cpp)))

# Programs take from this archive only the kernels that they reach.
$(OUT)/kernels.a: $(call objects,$(KERNELS)) rooms
	@rm -f $@
	ar crs $@ $(filter %.o,$^)

.SECONDEXPANSION:
$(OUT)/test/%: $$(call objects,$$(call tests_of,$$*)) $(OUT)/kernels.a
	@mkdir -p $(@D)
	$(CXX) $(SANITIZE) -o $@ $^ -lgtest_main -lgtest -lhwy -lzstd -llz4 -lpthread
$(OUT)/fuzz/%: $$(call objects,$$(call fuzzer_of,$$*) tools/fuzz_main.cpp) $(OUT)/kernels.a
	@mkdir -p $(@D)
	$(CXX) $(SANITIZE) -o $@ $^ -lhwy -lzstd -llz4

.SECONDARY:
