# PGXS build of the extension: what users and packagers run. "make help" lists the targets.
EXTENSION  = pg_segment
EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)

CORE_SOURCES    := $(sort $(wildcard src/core/*/*.cpp))
BACKEND_SOURCES := $(sort $(wildcard src/backend/*.cpp src/functions/*.cpp))
C_SOURCES       := $(sort $(wildcard src/backend/*.c))
OBJS = $(CORE_SOURCES:.cpp=.o) $(BACKEND_SOURCES:.cpp=.o) $(C_SOURCES:.c=.o)

SQL_FRAGMENTS := $(sort $(wildcard sql/install/*.sql))
SQL_INSTALL    = build/sql/$(EXTENSION)--$(EXTVERSION).sql
DATA           = $(wildcard sql/updates/$(EXTENSION)--*--*.sql)
DATA_built     = $(SQL_INSTALL)

REGRESS        = $(basename $(notdir $(sort $(wildcard sql/*.sql))))
REGRESS_OPTS   = --load-extension=$(EXTENSION)
ISOLATION      = $(basename $(notdir $(sort $(wildcard test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=output_iso --load-extension=$(EXTENSION)
TAP_TESTS      = $(if $(wildcard test/tap/*.pl),1)
PROVE_TESTS    = $(sort $(wildcard test/tap/*.pl))

EXTRA_CLEAN = build output_iso tmp_check tmp_check_iso $(OBJS:.o=.d)

# PGXS's bitcode rules ignore the C++ flags, and inlining these functions into queries would gain nothing.
override with_llvm = no

# "make PGSEG_TEST_HOOKS=1" adds the functions that prove the boundary; the released module has none of them.
PG_CONFIG   ?= pg_config
# As system headers, the server's may use what C++ warns about.
PG_CPPFLAGS  = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DNDEBUG -MMD -MP $(if $(PGSEG_TEST_HOOKS),-DPGSEG_TEST_HOOKS)
PG_CFLAGS    = -fvisibility=hidden
PG_CXXFLAGS  = -std=c++20 -Wall -Wextra -Wshadow -Wno-psabi -fvisibility=hidden -fvisibility-inlines-hidden
SHLIB_LINK   = -lstdc++ -Wl,--version-script=src/exports.map
# Results must not depend on which instructions a machine has, so nothing is contracted into fused operations.
CORE_CXXFLAGS = -O3 -ffp-contract=off -fno-math-errno

all: $(SQL_INSTALL)

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
-include $(OBJS:.o=.d)

# PGXS installs the TAP tests' runner switched off unless the server was configured with it.
override enable_tap_tests = yes
override CXXFLAGS += $(CORE_CXXFLAGS) -Wno-missing-format-attribute
$(BACKEND_SOURCES:.cpp=.o): override CXXFLAGS += -Wno-unused-parameter -Wno-sign-compare

$(SQL_INSTALL): $(SQL_FRAGMENTS) $(EXTENSION).control
	@mkdir -p $(@D)
	sed -e 's/^CREATE OR REPLACE /CREATE /' $(SQL_FRAGMENTS) > $@

.PHONY: help check-core-purity check-boundary check-exports check-format format unit unit-build fuzz bench
help:
	@echo 'make                      build the extension against PG_CONFIG (now: $(PG_CONFIG))'
	@echo 'make install [DESTDIR=D]  install it'
	@echo 'make installcheck         regression, isolation and TAP tests on a running server'
	@echo 'make unit                 core unit tests under AddressSanitizer and UBSan (CMake)'
	@echo 'make fuzz                 readers of external bytes, and set operations, under libFuzzer (clang)'
	@echo 'make bench                every benchmark beside its peer; bench-kmeans etc. for one'
	@echo 'make check-core-purity    core never includes the server'
	@echo 'make check-boundary       no entry past the guard, one setjmp, no threads, output or signals'
	@echo 'make check-exports        the module exports nothing but its own prefix'
	@echo 'make format, check-format clang-format'
	@echo 'make clean                remove what was built'

check-core-purity:
	@! grep -rnE '#include *[<"](postgres|fmgr|utils/|nodes/|executor/|access/)|palloc|ereport|elog\(' src/core
	@echo 'core purity: ok'

# What the boundary forbids anywhere: entries that bypass the guard, a second setjmp, threads, output, signals.
check-boundary:
	@! grep -rnE 'PG_FUNCTION_INFO_V1' src | grep -vE 'src/backend/guard.hpp'
	@! grep -rnE 'PG_TRY|sigsetjmp|setjmp\(' src | grep -vE 'src/backend/pg_try\.[ch]:|//'
	@! grep -rnE 'std::(thread|jthread|async|cout|cerr)|pthread_|[^a-z_]signal\(|[^a-z_]s?rand\(|[^a-z_]printf\(' src
	@echo 'boundary: ok'

check-exports: $(MODULE_big)$(DLSUFFIX)
	@! nm -D --defined-only $< | awk '{print $$3}' \
	  | grep -vE '^(pgseg_|pg_finfo_pgseg_|Pg_magic_func$$|_PG_init$$|_init$$|_fini$$)'
	@echo 'exports: ok'

FORMATTED = $(shell find src test -name '*.[ch]pp' -o -name '*.[ch]' -o -name '*.inl')
check-format:
	clang-format --dry-run --Werror $(FORMATTED)
format:
	clang-format -i $(FORMATTED)

unit-build:
	cmake -S . -B build/unit -DPGSEG_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
	cmake --build build/unit -j$(shell nproc)
unit: unit-build
	build/unit/unit_tests --gtest_brief=1

# Needs clang: make fuzz CLANGXX=clang++-14 FUZZ_SECONDS=600
CLANGXX ?= clang++
FUZZ_SECONDS ?= 60
FUZZERS = $(basename $(notdir $(sort $(wildcard test/fuzz/*_fuzz.cpp))))
fuzz:
	cmake -S . -B build/fuzz -DCMAKE_CXX_COMPILER=$(CLANGXX) -DPGSEG_SANITIZE=ON -DPGSEG_FUZZ=ON
	cmake --build build/fuzz --target $(FUZZERS) -j$(shell nproc)
	set -e; for fuzzer in $(FUZZERS); do \
	  mkdir -p build/fuzz/corpus/$$fuzzer; \
	  build/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) build/fuzz/corpus/$$fuzzer; \
	done

bench:
	test/bench/run.sh
bench-%:
	test/bench/run.sh $*
