# HeliosDB for PostgreSQL. `make help` lists the targets.
#
#   make PG_CONFIG=/path/to/pg_config    builds against any PostgreSQL 15 or newer
#   make DEV=1                           adds the functions that only the tests call, and -Werror
#   make V=1                             prints whole compiler commands
#   make SANITIZE=1                      adds UBSan (AddressSanitizer: make unit, make fuzz)
#
# Products lie in build/ (DEV=1: build/dev/), never beside the sources. The extension itself is
# described in tools/extension.mk (PGXS), unit tests and fuzzers in tools/unit.mk (no PostgreSQL).

PG_CONFIG ?= pg_config
BUILD := build$(if $(filter 1,$(DEV)),/dev)$(if $(filter 1,$(SANITIZE)),/sanitized)
export PG_CONFIG DEV SANITIZE

# The lock lets several makes of one tree queue up.
EXTENSION_MAKE = mkdir -p $(BUILD) && flock $(BUILD)/lock $(MAKE) --no-print-directory -C $(BUILD) \
	-f $(CURDIR)/tools/extension.mk VPATH=$(CURDIR) $(if $(filter undefined,$(origin WERROR)),,WERROR=$(WERROR))

.PHONY: all install uninstall installcheck
all: ## Build build/heliosdb.so and its SQL script.
	+@$(EXTENSION_MAKE) all
install: ## Install into the PostgreSQL of PG_CONFIG (DESTDIR is honoured).
	+@$(EXTENSION_MAKE) install
uninstall: ## Remove what install installed.
	+@$(EXTENSION_MAKE) uninstall
installcheck: ## Run the regression and isolation tests against a running server.
	+@$(EXTENSION_MAKE) installcheck

.PHONY: check check-one check-layers check-core check-am soak unit fuzz ubsan valgrind deps demo bench shell dev
check: ## Run every test in a private cluster; the last line is "N passed, N failed".
	@tools/check.sh
check-one: ## Run one test: make check-one T=<regress file, spec, TAP file, unit room or fuzzer>.
	@tools/check.sh $(T)
check-layers: ## Verify which directory includes which.
	@tools/layers.sh
check-core: ## Run PostgreSQL's own tests with and without the library: make check-core PG_SRC=<source tree>.
	@tools/check_core.sh "$(PG_SRC)"
check-am: ## Run PostgreSQL's own tests with hybrid tables, hot and cold: make check-am PG_SRC=<source tree>.
	@tools/check_am.sh "$(PG_SRC)"
soak: ## Compare a hybrid table with a heap under random work for long: make soak [HELIOS_SEED=n HELIOS_STEPS=n].
	@HELIOS_SEED=$(or $(HELIOS_SEED),$(shell date +%s)) HELIOS_STEPS=$(or $(HELIOS_STEPS),5000) tools/check.sh 100_hybrid_differential
unit: ## Build and run the unit tests under ASan and UBSan; no server needed.
	@mkdir -p build && flock build/unit.lock $(MAKE) --no-print-directory -f tools/unit.mk unit
fuzz: ## Fuzz every decoder longer: make fuzz [FUZZ_RUNS=1000000].
	@mkdir -p build && flock build/unit.lock $(MAKE) --no-print-directory -f tools/unit.mk fuzz
ubsan: ## Run the regression and isolation tests with UBSan in the server.
	@SANITIZE=1 tools/check.sh regress isolation
valgrind: ## Run the regression tests with the server under valgrind (slow).
	@HELIOS_VALGRIND=1 tools/check.sh regress
deps: ## Install the Debian packages that building and testing need.
	@tools/deps.sh
demo: ## Show every feature in a private cluster.
	@tools/demo.sh
bench: ## List the benchmark drivers, or run one: make bench B=<name>.
	@tools/bench.sh $(B)
shell: ## Open psql in a throw-away private cluster.
	@tools/shell.sh
dev: ## Rebuild with DEV=1 into a lasting private cluster and print its psql command.
	@tools/dev.sh

.PHONY: clean help
clean: ## Remove everything built.
	rm -rf build
help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
