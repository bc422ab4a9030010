# Fuzzers: each tests/fuzz/NAME.c is linked with libFuzzer and what it looks at, all of it built with AddressSanitizer and
# UndefinedBehaviorSanitizer into a tree of its own: the injector, and what a line "// PARTS: files" in it names
# (patterns). What these need beside comes from the objects of the program itself.

FUZZ_CC ?= clang
# How long `make fuzz` runs each, and which.
FUZZ_SECONDS ?= 60
FUZZERS ?= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))

FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_CFLAGS := -std=gnu17 -O1 -gline-tables-only -fno-omit-frame-pointer -Wall -Wextra -Werror \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
# Not reached by what others give us: it moves a target.
FUZZ_LEFT_OUT := $(addprefix injector/,inject.c inject_call.c candidates.c cave.c loan.c leftover.c safepoint.c \
	safe_calls.c seccomp.c idle_calls.c arch/$(ARCH)/loan.c)
FUZZ_INJECTOR := $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(filter-out $(FUZZ_LEFT_OUT),$(call sources,injector)))

fuzz_parts = $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(wildcard $(shell sed -n 's,^// PARTS: ,,p' tests/fuzz/$(1).c)))

$(FUZZ_BUILD)/flags: export FUZZ_BUILT_WITH = $(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS)
$(FUZZ_BUILD)/flags: force
	@mkdir -p $(@D)
	@printf '%s\n' "$$FUZZ_BUILT_WITH" | cmp -s - $@ || printf '%s\n' "$$FUZZ_BUILT_WITH" >$@
$(FUZZ_BUILD)/%.o: %.c $(FUZZ_BUILD)/flags | $(GENERATED)
	@mkdir -p $(@D)
	$(call say,CC)$(FUZZ_CC) $(CPPFLAGS) -I$(BUILD)/generated $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(FUZZ_BUILD)/libinjector.a: $(FUZZ_INJECTOR)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^
$(FUZZ_BUILD)/libprogram.a: $(filter-out %/main.o,$(SRC_OBJECTS))
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

# Its own injector comes first, wherever both could do.
FUZZ_LIBRARIES := -Wl,--start-group $(FUZZ_BUILD)/libinjector.a $(FUZZ_BUILD)/libprogram.a $(FUZZ_BUILD)/libinjector.a \
	$(BUILD)/libinjector.a -Wl,--end-group $(LIBRARIES)
define fuzzer
$(FUZZ_BUILD)/$(1): $(FUZZ_BUILD)/tests/fuzz/$(1).o $(call fuzz_parts,$(1)) $(filter %.a,$(FUZZ_LIBRARIES))
	$$(call say,LD)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$(filter %.o,$$^) $$(FUZZ_LIBRARIES)
endef
$(foreach name,$(FUZZERS),$(eval $(call fuzzer,$(name))))

.PHONY: fuzzers
fuzzers: $(addprefix $(FUZZ_BUILD)/,$(FUZZERS))

.PHONY: fuzz
fuzz:
	@$(MAKE) --no-print-directory fuzzers
	@BUILD='$(abspath $(FUZZ_BUILD))' JOBS=$(shell nproc) tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

-include $(shell find $(FUZZ_BUILD) -name '*.d' 2>/dev/null)
