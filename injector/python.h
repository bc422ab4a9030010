/*
 * The CPython interpreter of a target, read from outside: its interpreters, their threads, the
 * Python frames of each, and who holds the GIL. No code runs in the target and nothing of it is
 * stopped here; memory is read as the caller says (struct python_memory).
 *
 * Everything hangs on one symbol that every CPython since 3.7 exports, _PyRuntime, in the
 * executable or in a libpython, however that was loaded. Where its structures have their members
 * says one table for each version (python_layout.h), or the interpreter itself (3.13 and later).
 * What is read is never believed: an object has the type that it must have, a list leads back to
 * where it began, a count has a bound. Where something does not fit, there are no frames, and
 * `problem` says why.
 */
#ifndef INJECTOR_PYTHON_H
#define INJECTOR_PYTHON_H

#include "injector/error.h"
#include "injector/module.h"
#include "injector/process.h"
#include "injector/python_layout.h"
#include "injector/python_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the interpreter exports and objects are told by: the only ones of their kind, and types. */
enum python_known {
    KNOWN_NONE,
    KNOWN_TRUE,
    KNOWN_FALSE,
    KNOWN_ELLIPSIS,
    KNOWN_TYPE, /* the first type */
    KNOWN_INT,
    KNOWN_FLOAT,
    KNOWN_TUPLE,
    KNOWN_LIST,
    KNOWN_DICT,
    KNOWN_SET,
    KNOWN_FROZENSET,
    KNOWN_CELL,
    KNOWN_FUNCTION,
    KNOWN_MODULE,
    KNOWN_COMPLEX,
    PYTHON_KNOWN_COUNT,
};

/* The runtime of CPython in a target. Addresses are the target's. */
struct python {
    const struct process *process; /* borrowed */
    uint64_t runtime;              /* _PyRuntime */
    uint64_t code_low, code_high;  /* where the file that holds it is mapped */
    uint64_t evaluate;      /* _PyEval_EvalFrameDefault, which runs Python code; 0: not known */
    uint64_t evaluate_size; /* bytes */
    uint64_t code_type, unicode_type, bytes_type; /* PyCode_Type, ...: what ob_type points to */
    uint64_t known[PYTHON_KNOWN_COUNT];           /* 0: not found, so nothing is known to be one */
    uint32_t version;            /* PY_VERSION_HEX; below 3.11 only major and minor are known */
    struct python_layout layout; /* where members are; nothing when `problem` is set */
    char problem[96];            /* why frames cannot be read, in words; "": they can */
};

/*
 * Finds the interpreter among the modules of a target. *ret is NULL when there is none; a version
 * that we know no layout for is no error, but a `problem`. Of a saved target it is the one that was
 * found where it was saved. What it costs where there is none: to look up one symbol in the
 * executable, and in the other modules if one of them has "python" in its path.
 */
struct error *python_find(struct modules *modules, struct python **ret) MUST_CHECK;
void python_destroy(struct python *python);

/* "3.11.2", "3.13.0rc1"; of versions below 3.11 "3.8". */
#define PYTHON_VERSION_TEXT 24
void python_version_text(const struct python *python, char text[PYTHON_VERSION_TEXT]);

/* True for the program counter of a native frame that runs Python frames, as far as the symbol of
   that function tells: the compiler may have put parts of it elsewhere. */
bool python_is_evaluating(const struct python *python, uint64_t pc);

/* --- Threads. --- */

/* A thread as one interpreter knows it (PyThreadState). A native thread may have several: one in
   each interpreter that it has worked for. */
struct python_thread {
    pid_t tid;              /* as we see it; 0: none of the threads that were listed */
    uint64_t address;       /* of the PyThreadState */
    uint64_t interpreter;   /* of its PyInterpreterState */
    int64_t interpreter_id; /* 0: the main one */
};

struct python_threads {
    struct python_thread *items; /* ascending by tid, of equal ones by interpreter */
    size_t count;
    size_t interpreters;
    const char *problem; /* static: why the list is not whole; NULL: it is */
};

/*
 * Reads the list of threads. It changes while it is read, if the target runs: each of the entries
 * is checked, yet one may be missing, or have just ended. `tids`: the target's threads, as we
 * see them, ascending.
 */
struct error *python_threads_read(const struct python *python, const struct python_memory *memory,
                                  const pid_t *tids, size_t tid_count,
                                  struct python_threads **ret) MUST_CHECK;
void python_threads_destroy(struct python_threads *threads);

/* Puts them into their order again, after their ids were changed. */
void python_threads_sort(struct python_threads *threads);

/*
 * An address on the C stack of the thread that runs code with this PyThreadState, which need not be
 * the one that made it and whose id it has: 3.10 to 3.12. Otherwise 0, or no address on a stack.
 */
uint64_t python_thread_native(const struct python *python, const struct python_memory *memory,
                              const struct python_thread *thread);

/* The first of the entries of a thread, and how many there are; NULL: none. */
const struct python_thread *python_thread_find(const struct python_threads *threads, pid_t tid,
                                               size_t *count);

/* Who holds the lock of an interpreter. */
enum python_gil_state {
    GIL_UNKNOWN, /* it cannot be read, or there is none (free-threaded builds) */
    GIL_FREE,
    GIL_HELD,
};
struct python_gil {
    enum python_gil_state state;
    uint64_t address; /* of the lock (last_holder in struct _gil_runtime_state); 0: unknown.
                         Interpreters that share it have the same. */
    pid_t
        tid; /* of GIL_HELD: the thread that took it last, and has not given it back; 0: unknown */
};

/*
 * The lock that a thread needs to run Python code: that of its interpreter. It moves, up to 200
 * times a second: what is read of it is of that moment, unless every thread concerned sleeps.
 */
struct python_gil python_gil_holder(const struct python *python, const struct python_memory *memory,
                                    const struct python_threads *threads,
                                    const struct python_thread *thread);

/* True of the word that a thread sleeps on, for up to 5 ms at a time, until it may have the lock.
 */
bool python_gil_is_awaited_at(const struct python_gil *gil, uint64_t futex);

/* True of an address within what the lock is made of: its condition, the mutex around it, and the
   same again for how it is passed on. */
bool python_gil_contains(const struct python_gil *gil, uint64_t address);

/* --- Frames. --- */

/* Longer names are cut, bytes of UTF-8 with the NUL. */
#define PYTHON_NAME_MAX 512
#define PYTHON_PATH_MAX 1024

struct python_frame {
    char *function;   /* qualified from 3.11 on, as the program has it, UTF-8; may be "" */
    char *file;       /* co_filename: "<string>" and the like where there is none */
    int line;         /* 0: none, or not known */
    bool is_entry;    /* C code called it: the frames that this one's caller has are another native
                         frame's */
    uint64_t native;  /* of is_entry: an address on the C stack within the native frame that runs it
                         and all between it and the entry before; 0: not known (before 3.10) */
    uint64_t address; /* of the frame: _PyInterpreterFrame, before 3.11 PyFrameObject */
    uint64_t code;    /* of its PyCodeObject */
    uint64_t instruction; /* offset of the instruction that it executes, bytes into its code */
};

struct python_stack {
    struct python_frame *frames; /* innermost first */
    size_t count;
    bool more;           /* there are more than were asked for */
    const char *problem; /* static: why the stack ends early, or is not to be trusted; or NULL */
};

/*
 * The frames of a thread: true if it did not run from before until after this (snapshot_watch), or
 * was stopped; else any nonsense that passes the checks. At most max_frames; 0: no limit.
 */
struct error *python_stack_read(const struct python *python, const struct python_memory *memory,
                                const struct python_thread *thread, size_t max_frames,
                                struct python_stack *ret) MUST_CHECK;
void python_stack_deinit(struct python_stack *stack);

/*
 * Reads what python_stack_read would, and forgets it: for a memory that keeps what is read while a
 * thread is stopped. Allocates nothing.
 */
void python_stack_touch(const struct python *python, const struct python_memory *memory,
                        uint64_t thread, size_t max_frames);

/* Calls `visit` for each of the frames with its address and that of its code, the innermost first,
   until it says false. Allocates nothing. */
void python_stack_visit(const struct python *python, const struct python_memory *memory,
                        uint64_t thread, size_t max_frames,
                        bool (*visit)(uint64_t frame, uint64_t code, void *context), void *context);

#endif
