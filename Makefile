# manhole-attach. `make help` lists the targets; everything is built into build/.

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib/manhole-attach
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BASH_COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION_DIR ?= $(PREFIX)/share/zsh/site-functions

# Parallel unless the command line says how (make -j1: one by one).
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
# `make deps check`: what deps installs must be there before anything else begins.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

# One build tree per set of sanitizers, so that they never mix; another compiler or other flags in
# the same tree build everything anew (make CC=clang BUILD=build-clang keeps both).
SANITIZE ?=
comma := ,
BUILD ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
ARCH ?= $(shell uname -m)
VERSION := 0.1.0

# What `make deps` installs: to build, and to test (bats, the programs looked at, the judges).
PACKAGES_BUILD := gcc g++ make pkg-config libunwind-dev libelf-dev libdw-dev libedit-dev \
	libjson-c-dev libiberty-dev zlib1g-dev liblzma-dev libdebuginfod-dev uthash-dev libtcc-dev linux-libc-dev
PACKAGES_DEMO := redis-server redis-tools
PACKAGES_TEST := bats bats-support bats-assert parallel jq python3 nginx-light gdb elfutils valgrind \
	strace lld mold musl-tools tmux socat netcat-openbsd util-linux procps iproute2 binutils \
	clang libclang-rt-14-dev clang-format mandoc mawk bsdextrautils xz-utils less debuginfod dwz \
	nodejs golang-1.19-go rustc openjdk-17-jre-headless ecj chromium tcc python3.11-dbg libpython3.11-dev \
	postgresql-15 dpkg-dev python3-flask libjemalloc2 libtcmalloc-minimal4
PACKAGES := $(PACKAGES_BUILD) $(PACKAGES_DEMO) $(PACKAGES_TEST)
PACKAGES_LINT := clang-tidy cppcheck

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wwrite-strings
CPPFLAGS += -I. -D_GNU_SOURCE -DMANHOLE_VERSION_TEXT='"$(VERSION)"'
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu17 $(WARNINGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
	-fno-omit-frame-pointer)
LDFLAGS += $(if $(SANITIZE),-fsanitize=$(SANITIZE))
# Of the test targets: never sanitized, since it is they who are looked at.
TARGET_FLAGS := -I. -O1 -g -Wall -Wextra
LIBRARIES := -Wl,--wrap=gen_opf -lunwind-ptrace -lunwind-generic -ldw -lelf -lz -llzma -ledit -ljson-c -liberty -ltcc -ldl

sources = $(wildcard $(1)/*.c $(1)/crepl/*.c $(1)/arch/$(ARCH)/*.c)
assembly = $(wildcard $(1)/arch/$(ARCH)/*.S)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1))) \
	$(patsubst %.S,$(BUILD)/%.o,$(call assembly,$(1)))

INJECTOR_OBJECTS := $(call objects,injector)
SRC_OBJECTS := $(call objects,src)
PAYLOAD_OBJECTS := $(call objects,payload)

TARGETS := $(patsubst tests/targets/%.c,$(BUILD)/targets/%,$(wildcard tests/targets/*.c)) \
	$(patsubst tests/targets/%.cc,$(BUILD)/targets/%,$(wildcard tests/targets/*.cc))

# One short line per file built; make V=1 shows the commands.
say = $(if $(V),,@printf '  %-3s %s\n' $(1) $@;)

.PHONY: all
all: $(BUILD)/manhole-attach $(BUILD)/libmanhole.so $(BUILD)/libinjector.a

$(BUILD)/libinjector.a: $(INJECTOR_OBJECTS)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(BUILD)/manhole-attach: $(SRC_OBJECTS) $(BUILD)/libinjector.a
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARIES)

# The payload depends on libc alone, and on no version of it: no start files, no DT_NEEDED, every
# undefined symbol unversioned (DESIGN section 6). It is never built with sanitizers: it is a guest.
PAYLOAD_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -fno-stack-protector \
	-U_FORTIFY_SOURCE -fno-builtin-malloc -fcf-protection=none
PAYLOAD_LDFLAGS := -shared -nostdlib -Wl,-soname,libmanhole.so -Wl,-z,noexecstack -Wl,-z,relro \
	-Wl,-z,now -Wl,--hash-style=both -Wl,--build-id
$(BUILD)/payload/%.o: payload/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(PAYLOAD_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/payload/%.o: payload/%.S
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(BUILD)/libmanhole.so: $(PAYLOAD_OBJECTS)
	$(call say,LD)$(CC) $(PAYLOAD_LDFLAGS) -o $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -I$(BUILD)/generated $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# What everything is built with. The file changes when the flags do, and so makes all of it stale.
export BUILT_WITH := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(PAYLOAD_CFLAGS) $(PAYLOAD_LDFLAGS)
.PHONY: force
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@printf '%s\n' "$$BUILT_WITH" | cmp -s - $@ || printf '%s\n' "$$BUILT_WITH" >$@
$(INJECTOR_OBJECTS) $(SRC_OBJECTS) $(PAYLOAD_OBJECTS): $(BUILD)/flags

# Where the payload will be installed: one object knows it, and is all that another prefix makes stale.
$(BUILD)/libdir: force
	@mkdir -p $(@D)
	@printf '%s\n' '$(LIBDIR)' | cmp -s - $@ || printf '%s\n' '$(LIBDIR)' >$@
$(BUILD)/src/payload_file.o: $(BUILD)/libdir
$(BUILD)/src/payload_file.o: CPPFLAGS += -DMANHOLE_LIBDIR='"$(LIBDIR)"'

GENERATED := $(addprefix $(BUILD)/generated/,syscall_names.inc signal_names.inc flamegraph_js.inc flamegraph_css.inc \
	crepl_runtime.inc)

# The names of system calls, from the kernel's own headers for this architecture.
$(BUILD)/generated/syscall_names.inc:
	@mkdir -p $(@D)
	$(call say,GEN)printf '#include <sys/syscall.h>\n' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/[__NR_\1] = "\1",/p' | sort >$@
# The names of signals; those that the C library keeps for itself begin with an underscore there.
$(BUILD)/generated/signal_names.inc:
	@mkdir -p $(@D)
	$(call say,GEN)printf '#include <signal.h>\n' | $(CC) -E -dM - | \
		sed -n 's/^#define SIG\([A-Z][A-Z0-9]*\) \(SIG[A-Z]*\|[0-9]\{1,2\}\)$$/{"\1", SIG\1},/p' | sort >$@
$(SRC_OBJECTS): | $(GENERATED)

# Text files that the program carries, as string literals: one per line.
$(BUILD)/generated/flamegraph_%.inc: src/flamegraph.%
	@mkdir -p $(@D)
	$(call say,GEN)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/generated/payload_%.inc: payload/%.py
	@mkdir -p $(@D)
	$(call say,GEN)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/generated/crepl_%.inc: src/crepl/%.tcc
	@mkdir -p $(@D)
	$(call say,GEN)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/src/crepl/compile.o: $(BUILD)/generated/crepl_runtime.inc
$(BUILD)/payload/python_calls.o: $(BUILD)/generated/payload_python_console.inc
$(BUILD)/payload/python_calls.o: CPPFLAGS += -I$(BUILD)/generated
$(BUILD)/src/dump_svg.o: $(BUILD)/generated/flamegraph_js.inc $(BUILD)/generated/flamegraph_css.inc

# Target programs of the tests: one page of C each. A line "// BUILD: flags" in the file adds flags,
# "// CC: compiler" changes the compiler.
target_flags = $(shell sed -n 's,^// BUILD: ,,p' $(1))
target_cc = $(or $(shell sed -n 's,^// CC: ,,p' $(1)),$(2))
$(BUILD)/targets/%: tests/targets/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(call target_cc,$<,gcc) $(TARGET_FLAGS) -D_GNU_SOURCE -MMD -MP -MF $@.d -o $@ $< -pthread \
		$(call target_flags,$<) $(TARGET_LIBRARIES)
$(BUILD)/targets/%: tests/targets/%.cc
	@mkdir -p $(@D)
	$(call say,CC)$(call target_cc,$<,g++) $(TARGET_FLAGS) -MMD -MP -MF $@.d -o $@ $< -pthread \
		$(call target_flags,$<)
# Programs that are linked with the payload, as others may be.
LINKED_TARGETS := $(BUILD)/targets/linked_host $(BUILD)/targets/linked_host_musl
$(LINKED_TARGETS): $(BUILD)/libmanhole.so
$(LINKED_TARGETS): TARGET_LIBRARIES := -L$(BUILD) -lmanhole -ldl -Wl,-rpath,$(abspath $(BUILD))

# One with the payload in it, both watched for data races: the library itself is a guest, and never is.
RACED := $(BUILD)/targets/linked_host_raced
RACED_OBJECTS := $(patsubst %.c,$(BUILD)/raced/%.o,$(call sources,payload))
RACED_FLAGS := $(TARGET_FLAGS) -D_GNU_SOURCE -fsanitize=thread
$(BUILD)/raced/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)gcc $(CPPFLAGS) -I$(BUILD)/generated $(PAYLOAD_CFLAGS) -fsanitize=thread -MMD -MP -c -o $@ $<
$(BUILD)/raced/payload/python_calls.o: $(BUILD)/generated/payload_python_console.inc
$(RACED): tests/targets/linked_host.c $(RACED_OBJECTS) $(filter %.o,$(patsubst %.S,$(BUILD)/%.o,$(call assembly,payload)))
	@mkdir -p $(@D)
	$(call say,CC)gcc $(RACED_FLAGS) -rdynamic -MMD -MP -MF $@.d -o $@ $^ -pthread -ldl
TARGETS += $(RACED)

# Real programs that the tests look at, from Debian's source packages: the same for every build tree. Tried once;
# where they cannot be had, their tests are skipped.
PROGRAMS := build/programs
$(PROGRAMS)/tried: tests/build_programs
	@tests/build_programs $(@D) && touch $@

# A program of several files is made anew when any of them changes.
$(BUILD)/targets/churn $(BUILD)/targets/churn_musl: $(wildcard tests/targets/churn*.c tests/targets/parts/churn*)

# The same program, but it borrows any thread, wherever that is: tests/churn shows what safe points are for.
UNCHECKED := $(BUILD)/unchecked
$(UNCHECKED)/safepoint.o: injector/safepoint.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -DSAFEPOINT_UNCHECKED $(CFLAGS) -MMD -MP -c -o $@ $<
$(UNCHECKED)/manhole-attach: $(UNCHECKED)/safepoint.o $(SRC_OBJECTS) $(BUILD)/libinjector.a $(BUILD)/libmanhole.so
	@cp $(BUILD)/libmanhole.so $(@D)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.so,$^) $(LIBRARIES)

.PHONY: targets
targets: $(TARGETS) $(UNCHECKED)/manhole-attach $(PROGRAMS)/tried

# --- Dependencies. ---

.PHONY: deps
deps:
	@tests/install_packages $(PACKAGES)

.PHONY: deps-lint
deps-lint:
	@tests/install_packages $(PACKAGES_LINT)

# --- Tests. ---

SUITES ?= $(sort $(wildcard tests/*.bats))
# One more than there are processors: tests wait more than they compute.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))

# Each in a make of its own, in order: the tests have both processors to themselves, and what deps
# installed is there.
.PHONY: check
check:
	@$(MAKE) --no-print-directory all targets format-check
	@BUILD='$(abspath $(BUILD))' JOBS=$(JOBS) SANITIZE='$(SANITIZE)' tests/run $(SUITES)

# With the full numbers of rounds in the tests that are about them.
.PHONY: soak
soak:
	@SOAK=1 $(MAKE) --no-print-directory check

# --- Hostile data: make fuzz. ---

include tests/fuzz/fuzz.mk

# Attaching inside an older Debian, made once below build/ (root, debootstrap, the archive's keyring).
OLD_DEBIAN := build/bullseye
$(OLD_DEBIAN)/made:
	debootstrap --variant=minbase bullseye $(@D) && touch $@
.PHONY: any-libc
any-libc: $(OLD_DEBIAN)/made
	@$(MAKE) --no-print-directory check SUITES=tests/any_libc.bats

# --- Churn. ---

# 1000 rounds of attach, eval and uninstall in a program that does everything at once, with each allocator; then the
# same without safe points, until the program comes to harm.
.PHONY: churn
churn:
	@$(MAKE) --no-print-directory all targets
	@BUILD='$(abspath $(BUILD))' tests/churn
	@BUILD='$(abspath $(BUILD))' UNCHECKED=1 tests/churn

.PHONY: demo
demo:
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' tests/demo

# Figures only: nothing fails by them.
.PHONY: bench
bench:
	@$(MAKE) --no-print-directory all targets
	@BUILD='$(abspath $(BUILD))' tests/bench

# --- Form. ---

C_FILES = $(wildcard src/*.[ch] src/crepl/*.[ch] injector/*.[ch] injector/arch/*.h injector/arch/*/*.[ch] \
	payload/*.[ch] payload/arch/*.h payload/arch/*/*.[ch] tests/targets/*.c tests/targets/*.cc \
	tests/targets/*.h tests/targets/*/*.[ch] tests/tools/kill_at.c tests/fuzz/*.[ch])
LINTED_FILES = $(filter-out tests/%,$(filter %.c,$(C_FILES)))

# Each version of clang-format lays out a little differently: this one decides.
CLANG_FORMAT_VERSION := 14
CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-$(CLANG_FORMAT_VERSION)) clang-format)

.PHONY: format
format:
	$(CLANG_FORMAT) -i $(C_FILES)

.PHONY: format-check
format-check:
	@if $(CLANG_FORMAT) --version | grep -q 'version $(CLANG_FORMAT_VERSION)\.'; then \
		$(CLANG_FORMAT) --dry-run --Werror $(C_FILES) || \
			{ echo 'make format puts this right' >&2; exit 1; }; \
	else \
		echo 'format-check: left out, it takes clang-format $(CLANG_FORMAT_VERSION)'; \
	fi

# The compiler of clang-tidy may be another than the one that builds: it gets no warnings of theirs.
.PHONY: lint
lint: clang-tidy cppcheck

.PHONY: clang-tidy
clang-tidy: $(GENERATED)
	printf '%s\n' $(LINTED_FILES) | xargs -P $(JOBS) -n 4 sh -c \
		'clang-tidy --quiet "$$@" -- -std=gnu17 $$LINT_FLAGS' clang-tidy
clang-tidy: export LINT_FLAGS = $(subst ',,$(CPPFLAGS) -DMANHOLE_LIBDIR='"$(LIBDIR)"') -I$(BUILD)/generated

# It knows nothing of the cleanup attribute, nor of the symbols that mark parts of the stub.
CPPCHECK_SUPPRESSED := missingIncludeSystem memleak resourceLeak comparePointers:injector/arch/*
.PHONY: cppcheck
cppcheck: $(GENERATED)
	cppcheck --quiet -j $(JOBS) --error-exitcode=1 --std=c11 --inline-suppr \
		--enable=warning,performance,portability $(CPPCHECK_SUPPRESSED:%=--suppress=%) \
		$(CPPFLAGS) -DMANHOLE_LIBDIR='"$(LIBDIR)"' -I$(BUILD)/generated $(LINTED_FILES)

# --- Installation. ---

INSTALL := install
PAGES := $(wildcard man/*.[1-8])
page_directory = $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(1)))

.PHONY: install
install: all
	$(INSTALL) -D -m 755 $(BUILD)/manhole-attach $(DESTDIR)$(BINDIR)/manhole-attach
	$(INSTALL) -D -m 755 $(BUILD)/libmanhole.so $(DESTDIR)$(LIBDIR)/libmanhole.so
	$(INSTALL) -D -m 644 payload/manhole.h $(DESTDIR)$(INCLUDEDIR)/manhole.h
	$(foreach page,$(PAGES),$(INSTALL) -D -m 644 $(page) \
		$(call page_directory,$(page))/$(notdir $(page));)
	$(INSTALL) -D -m 644 src/completion/manhole-attach.bash \
		$(DESTDIR)$(BASH_COMPLETION_DIR)/manhole-attach
	$(INSTALL) -D -m 644 src/completion/_manhole-attach \
		$(DESTDIR)$(ZSH_COMPLETION_DIR)/_manhole-attach

.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/manhole-attach $(DESTDIR)$(LIBDIR)/libmanhole.so \
		$(DESTDIR)$(INCLUDEDIR)/manhole.h \
		$(foreach page,$(PAGES),$(call page_directory,$(page))/$(notdir $(page))) \
		$(DESTDIR)$(BASH_COMPLETION_DIR)/manhole-attach \
		$(DESTDIR)$(ZSH_COMPLETION_DIR)/_manhole-attach
	[ ! -d $(DESTDIR)$(LIBDIR) ] || rmdir $(DESTDIR)$(LIBDIR)

.PHONY: help
help:
	@echo 'make                     build manhole-attach and its payload into $(BUILD)/'
	@echo 'make deps                install what is missing to build, test and demonstrate (apt, root)'
	@echo 'make demo                both jobs, on a redis-server of its own under load'
	@echo 'make check               all tests; SUITES="tests/dump.bats": only these; JOBS=1: one by one'
	@echo 'make soak                the same, with the full number of rounds where tests are about numbers'
	@echo 'make any-libc            attaching inside a Debian 11 (debootstrap; root)'
	@echo 'make churn               1000 attaches to a program that does everything at once, with four allocators'
	@echo 'make bench               what a dump and an answer in C cost, next to gdb and eu-stack'
	@echo 'make fuzz                each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS); FUZZERS="maps elf": only these'
	@echo 'make install             into PREFIX=$(PREFIX), below DESTDIR=$(DESTDIR); as root'
	@echo 'make uninstall           takes away what install put there'
	@echo 'make format              clang-format; make check fails where it would change something'
	@echo 'make lint                clang-tidy and cppcheck (make deps-lint installs them)'
	@echo 'make clean               removes $(BUILD)/'
	@echo
	@echo 'make SANITIZE=address,undefined check     the same with sanitizers, in a build tree of its own'
	@echo 'make CC=clang BUILD=build-clang           another compiler'

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(UNCHECKED)/safepoint.d $(INJECTOR_OBJECTS:.o=.d) $(SRC_OBJECTS:.o=.d) $(PAYLOAD_OBJECTS:.o=.d) $(TARGETS:=.d)
