/*
 * The table by which Go programs know their own code (.gopclntab), which no linker option strips:
 * function names, source lines, inlined calls, frame sizes. It stands in every Go module in the
 * form of its Go version; the forms of Go 1.2, 1.16, 1.18 and 1.20 are read, those up to the
 * newest Go known. Source: the Go distribution, src/runtime/symtab.go, src/debug/gosym/pclntab.go,
 * src/cmd/internal/objfile; "Go 1.2 Runtime Symbol Information" (golang.org/s/go12symtab).
 */
#ifndef INJECTOR_GO_TABLE_H
#define INJECTOR_GO_TABLE_H

#include "injector/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct go_table;

/* Finds and checks the table of a module. NULL: it is no Go module, or one of a form not known. */
struct go_table *go_table_open(struct module *module);
void go_table_close(struct go_table *table);

struct go_function {
    const char *name;    /* as Go prints it; owned by the table */
    uint64_t start, end; /* runtime addresses */
    bool outermost;      /* has no caller: threads and goroutines begin there */
    bool switches_stack; /* its caller's frame is on another stack (runtime.systemstack, ...) */
    bool injected_call;  /* a signal made the call to it: it returns to where that came, which need
                            not be behind a call (runtime.sigpanic, runtime.asyncPreempt) */
    size_t record;       /* private to the table */
};

/* The function that covers a runtime address. */
bool go_table_function(const struct go_table *table, uint64_t pc, struct go_function *ret);

/*
 * How far the return address lies above the stack pointer at a program counter of the function,
 * bytes. False: the table does not say.
 */
bool go_table_frame_size(const struct go_table *table, const struct go_function *function,
                         uint64_t pc, uint32_t *ret);

/* One function at an address. Strings are owned by the table. */
struct go_place {
    const char *function;
    const char *file; /* NULL: not known */
    int line;         /* 0: not known */
};

/*
 * The functions at a runtime address of `function`, inlined ones first, `function` itself last.
 * Returns how many, at least 1, at most `max`.
 */
size_t go_table_places(const struct go_table *table, const struct go_function *function,
                       uint64_t pc, struct go_place *places, size_t max);

/*
 * A word of the module's runtime.moduledata. False: that was not found, or its form is not known.
 */
enum go_module_word { GO_DATA, GO_DATA_END, GO_BSS, GO_BSS_END, GO_FUNCTION_DATA };
bool go_table_module_word(const struct go_table *table, enum go_module_word word, uint64_t *ret);

#endif
