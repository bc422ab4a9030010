# manhole-attach. `make help` lists the targets; everything is built into build/.

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib/manhole-attach
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BASH_COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION_DIR ?= $(PREFIX)/share/zsh/site-functions

# One build tree per compiler and set of sanitizers, so that they never mix.
SANITIZE ?=
comma := ,
BUILD ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
ARCH ?= $(shell uname -m)
VERSION := 0.1.0

# What `make deps` installs: to build, and to test (bats, the programs looked at, the judges).
PACKAGES_BUILD := gcc g++ make pkg-config libunwind-dev libelf-dev libdw-dev libedit-dev \
	libjson-c-dev libiberty-dev zlib1g-dev uthash-dev linux-libc-dev
PACKAGES_DEMO := redis-server redis-tools
PACKAGES_TEST := bats bats-support bats-assert parallel jq python3-minimal nginx-light gdb elfutils \
	strace lld mold musl-tools tmux socat netcat-openbsd util-linux procps iproute2 binutils \
	clang clang-format
PACKAGES := $(PACKAGES_BUILD) $(PACKAGES_DEMO) $(PACKAGES_TEST)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wwrite-strings
CPPFLAGS += -I. -D_GNU_SOURCE -DMANHOLE_VERSION_TEXT='"$(VERSION)"' \
	-DMANHOLE_LIBDIR='"$(LIBDIR)"'
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu17 $(WARNINGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
	-fno-omit-frame-pointer)
LDFLAGS += $(if $(SANITIZE),-fsanitize=$(SANITIZE))
LIBRARIES := -lunwind-ptrace -lunwind-generic -ldw -lelf -lz -ledit -ljson-c -liberty

sources = $(wildcard $(1)/*.c $(1)/arch/$(ARCH)/*.c)
assembly = $(wildcard $(1)/arch/$(ARCH)/*.S)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1))) \
	$(patsubst %.S,$(BUILD)/%.o,$(call assembly,$(1)))

INJECTOR_OBJECTS := $(call objects,injector)
SRC_OBJECTS := $(call objects,src)
PAYLOAD_OBJECTS := $(call objects,payload)

TARGETS := $(patsubst tests/targets/%.c,$(BUILD)/targets/%,$(wildcard tests/targets/*.c)) \
	$(patsubst tests/targets/%.cc,$(BUILD)/targets/%,$(wildcard tests/targets/*.cc))

.PHONY: all
all: $(BUILD)/manhole-attach $(BUILD)/libmanhole.so $(BUILD)/libinjector.a

$(BUILD)/libinjector.a: $(INJECTOR_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/manhole-attach: $(SRC_OBJECTS) $(BUILD)/libinjector.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARIES)

# The payload depends on libc alone, and on no version of it: no start files, no DT_NEEDED, every
# undefined symbol unversioned (DESIGN section 6). It is never built with sanitizers: it is a guest.
PAYLOAD_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -fno-stack-protector \
	-U_FORTIFY_SOURCE -fno-builtin-malloc -fcf-protection=none
$(BUILD)/payload/%.o: payload/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PAYLOAD_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/payload/%.o: payload/%.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(BUILD)/libmanhole.so: $(PAYLOAD_OBJECTS)
	$(CC) -shared -nostdlib -Wl,-soname,libmanhole.so -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now \
		-Wl,--hash-style=both -Wl,--build-id -o $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I$(BUILD)/generated $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# The names of system calls, from the kernel's own headers for this architecture.
$(BUILD)/generated/syscall_names.inc:
	@mkdir -p $(@D)
	printf '#include <sys/syscall.h>\n' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/[__NR_\1] = "\1",/p' | sort >$@
$(SRC_OBJECTS): | $(BUILD)/generated/syscall_names.inc

# Target programs of the tests: one page of C each. A line "// BUILD: flags" in the file adds flags,
# "// CC: compiler" changes the compiler.
target_flags = $(shell sed -n 's,^// BUILD: ,,p' $(1))
target_cc = $(or $(shell sed -n 's,^// CC: ,,p' $(1)),$(2))
$(BUILD)/targets/%: tests/targets/%.c
	@mkdir -p $(@D)
	$(call target_cc,$<,gcc) -I. -D_GNU_SOURCE -O1 -g -Wall -Wextra -o $@ $< -pthread \
		$(call target_flags,$<)
$(BUILD)/targets/%: tests/targets/%.cc
	@mkdir -p $(@D)
	$(call target_cc,$<,g++) -I. -O1 -g -Wall -Wextra -o $@ $< -pthread $(call target_flags,$<)

.PHONY: targets
targets: $(TARGETS)

# --- Dependencies. Nothing else here is evaluated before they are there. ---

missing = $(shell for p in $(PACKAGES); do \
	dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed' || echo $$p; done)

.PHONY: deps
deps:
	@missing='$(missing)'; if [ -z "$$missing" ]; then echo "deps: nothing is missing"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "deps: this is no Debian; install what these Debian packages hold: $$missing" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "deps: run as root: apt-get install -y --no-install-recommends $$missing" >&2; exit 1; fi; \
	sh tests/install_packages $$missing

# --- Tests. ---

SUITES ?= $(sort $(wildcard tests/*.bats))
JOBS ?= $(shell nproc)

# In a make of its own: what deps installs must be there before anything is looked for.
.PHONY: check
check: $(if $(filter deps,$(MAKECMDGOALS)),deps)
	@$(MAKE) --no-print-directory all targets format-check
	@BUILD='$(abspath $(BUILD))' JOBS=$(JOBS) tests/run $(SUITES)

.PHONY: demo
demo: $(if $(filter deps,$(MAKECMDGOALS)),deps)
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' tests/demo

# --- Form. ---

C_FILES = $(wildcard src/*.[ch] injector/*.[ch] injector/arch/*.h injector/arch/*/*.[ch] \
	payload/*.[ch] payload/arch/*.h payload/arch/*/*.[ch] tests/targets/*.c tests/targets/*.cc)

.PHONY: format
format:
	clang-format -i $(C_FILES)

.PHONY: format-check
format-check:
	@clang-format --dry-run --Werror $(C_FILES)

.PHONY: lint
lint:
	clang-tidy --quiet $(filter %.c,$(filter-out tests/%,$(C_FILES))) -- -std=gnu17 \
		$(CPPFLAGS) -I$(BUILD)/generated
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem $(CPPFLAGS) \
		$(filter %.c,$(filter-out tests/%,$(C_FILES)))

# --- Installation. ---

INSTALL := install
.PHONY: install
install: all
	$(INSTALL) -D -m 755 $(BUILD)/manhole-attach $(DESTDIR)$(BINDIR)/manhole-attach
	$(INSTALL) -D -m 755 $(BUILD)/libmanhole.so $(DESTDIR)$(LIBDIR)/libmanhole.so
	$(INSTALL) -D -m 644 payload/manhole.h $(DESTDIR)$(INCLUDEDIR)/manhole.h
	$(INSTALL) -D -m 644 man/manhole-attach.1 $(DESTDIR)$(MANDIR)/man1/manhole-attach.1
	$(INSTALL) -D -m 644 src/completion/manhole-attach.bash \
		$(DESTDIR)$(BASH_COMPLETION_DIR)/manhole-attach
	$(INSTALL) -D -m 644 src/completion/_manhole-attach \
		$(DESTDIR)$(ZSH_COMPLETION_DIR)/_manhole-attach

.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/manhole-attach $(DESTDIR)$(INCLUDEDIR)/manhole.h \
		$(DESTDIR)$(MANDIR)/man1/manhole-attach.1 \
		$(DESTDIR)$(BASH_COMPLETION_DIR)/manhole-attach \
		$(DESTDIR)$(ZSH_COMPLETION_DIR)/_manhole-attach $(DESTDIR)$(LIBDIR)/libmanhole.so
	-rmdir $(DESTDIR)$(LIBDIR)

.PHONY: help
help:
	@echo "make              build into $(BUILD)/"
	@echo "make deps         install what is missing to build, demonstrate and test (apt, root)"
	@echo "make demo         the main job on a redis-server of its own"
	@echo "make check        the tests (SUITES=tests/x.bats for some)"
	@echo "make install      PREFIX=$(PREFIX) DESTDIR=; make uninstall takes it back"
	@echo "make format lint  clang-format; clang-tidy and cppcheck"
	@echo "make SANITIZE=address,undefined check"

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(INJECTOR_OBJECTS:.o=.d) $(SRC_OBJECTS:.o=.d) $(PAYLOAD_OBJECTS:.o=.d)
