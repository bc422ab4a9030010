/*
 * Where CPython's structures have their members: a table for each version, or what the interpreter
 * says of itself. Offsets in bytes; 0 where a version has no such member, unless it is the first
 * of its structure. tests/python_layouts compares the tables with the headers of each version.
 */
#ifndef INJECTOR_PYTHON_LAYOUT_H
#define INJECTOR_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a thread's Python frames hang together. */
enum python_frame_kind {
    PYTHON_FRAME_OBJECTS, /* to 3.10: PyFrameObject, a native frame for each */
    /* 3.11: _PyInterpreterFrame, is_entry in those that C code called; one _PyCFrame in each native
       frame */
    PYTHON_CFRAMES,
    /* from 3.12 on: a frame without code, in the native one, ends what that runs */
    PYTHON_SHIMS,
};

/* How a code object tells which line an instruction is of. */
enum python_line_kind {
    PYTHON_LNOTAB,    /* to 3.9: Objects/lnotab_notes.txt, co_lnotab */
    PYTHON_LINETABLE, /* 3.10: the same file, co_linetable */
    PYTHON_LOCATIONS, /* from 3.11 on: Objects/locations.md, co_linetable */
};

/* How a code object names the variables of its frames. */
enum python_name_kind {
    PYTHON_NAMES_APART,    /* to 3.10: tuples for local variables, for cells, for free ones */
    PYTHON_NAMES_TOGETHER, /* from 3.11 on: one tuple, and a byte for the kind of each */
};

/* How the table of a dict's keys looks: Objects/dict-common.h, from 3.11 on
   Include/internal/pycore_dict.h */
enum python_keys_kind {
    PYTHON_KEYS_SIZED,     /* to 3.10: dk_size; all entries have a hash */
    PYTHON_KEYS_OF_A_KIND, /* from 3.11 on: dk_log2_index_bytes, dk_kind */
};

/* Where an instance whose type has Py_TPFLAGS_MANAGED_DICT keeps its attributes until somebody asks
   for its dict: Include/internal/pycore_object.h */
enum python_attribute_kind {
    PYTHON_IN_DICT,        /* to 3.10: always in a dict */
    PYTHON_BESIDE_DICT,    /* 3.11: in values, whose address stands before that of the dict */
    PYTHON_VALUES_OR_DICT, /* 3.12: the same word is the address of either, less 1 of values */
    PYTHON_INLINE,         /* from 3.13 on: in values that follow the object itself */
};

struct python_layout {
    enum python_frame_kind frames;
    enum python_line_kind lines;
    enum python_name_kind names;
    enum python_keys_kind keys;
    enum python_attribute_kind attributes;
    bool int_is_tagged; /* from 3.12 on: lv_tag instead of ob_size; Include/cpython/longintrepr.h */

    /* _PyRuntimeState: Include/internal/pycore_runtime.h */
    uint32_t runtime_interpreters;                   /* interpreters.head */
    uint32_t runtime_gil_holder, runtime_gil_locked; /* ceval.gil; 3.12: of each interpreter */

    /* PyInterpreterState: Include/internal/pycore_interp.h (3.8: pycore_pystate.h) */
    uint32_t interpreter_next, interpreter_id, interpreter_threads, interpreter_gil;

    /* struct _gil_runtime_state: Include/internal/pycore_gil.h */
    uint32_t gil_holder, gil_locked;

    /* PyThreadState: Include/cpython/pystate.h */
    uint32_t thread_previous, thread_next, thread_interpreter, thread_id, thread_native_id;
    uint32_t thread_frame;  /* the innermost frame */
    uint32_t thread_cframe; /* 3.10 to 3.12, _PyCFrame: instead of the above in 3.11 and 3.12 */
    uint32_t cframe_frame, cframe_previous;

    /* _PyInterpreterFrame: Include/internal/pycore_frame.h; before 3.11 PyFrameObject:
       Include/cpython/frameobject.h (3.8: Include/frameobject.h) */
    uint32_t frame_size, frame_previous, frame_code;
    uint32_t frame_instruction;           /* prev_instr, instr_ptr; before 3.11 f_lasti, an int */
    uint32_t frame_owner, frame_is_entry; /* a byte each */
    uint32_t frame_line, frame_trace;     /* before 3.11: f_lineno, f_trace */
    uint32_t frame_locals;                /* localsplus; before 3.11 f_localsplus */
    uint32_t frame_mapping;               /* f_locals */

    /* PyCodeObject: Include/cpython/code.h (3.8: Include/code.h) */
    uint32_t code_size, code_file, code_name, code_qualname, code_first_line, code_lines;
    uint32_t code_bytes; /* co_code_adaptive; before 3.11 co_code, a pointer to bytes */
    uint32_t code_flags, code_arguments, code_keyword_arguments; /* co_argcount, ...; an int each */
    uint32_t code_names, code_kinds; /* co_localsplusnames, co_localspluskinds; before 3.11: */
    uint32_t code_variables, code_cells, code_free; /* co_varnames, co_cellvars, co_freevars */

    /* PyObject, PyVarObject, PyTypeObject, PyBytesObject, PyASCIIObject, PyCompactUnicodeObject */
    uint32_t object_type, bytes_size, bytes_data;
    uint32_t unicode_length, unicode_state, unicode_ascii,
        unicode_compact; /* the last two: sizes */

    uint32_t tuple_items;            /* PyTupleObject.ob_item */
    uint32_t type_qualified_name;    /* PyHeapTypeObject.ht_qualname; ht_cached_keys is next */
    uint32_t function_name;          /* PyFunctionObject.func_qualname */
    uint32_t keys_count, keys_table; /* PyDictKeysObject: dk_nentries, dk_indices */
    uint32_t values_first;           /* PyDictValues.values; before 3.13 ma_values points there */
};

/* What is the same in all versions. Members of PyListObject, PyDictObject, PySetObject,
   PyFloatObject, PyComplexObject, PyLongObject, PyCellObject, PyBaseExceptionObject and
   PyTypeObject. */
enum {
    PYTHON_LIST_ITEMS = 24,
    PYTHON_DICT_USED = 16,
    PYTHON_DICT_KEYS = 32,
    PYTHON_DICT_VALUES = 40,
    PYTHON_SET_USED = 24,
    PYTHON_SET_MASK = 32,
    PYTHON_SET_TABLE = 40,
    PYTHON_FLOAT_VALUE = 16,
    PYTHON_COMPLEX_VALUE = 16, /* two doubles */
    PYTHON_INT_SIZE = 16,      /* ob_size, lv_tag */
    PYTHON_INT_DIGITS = 24,
    PYTHON_CELL_VALUE = 16,
    PYTHON_EXCEPTION_ARGUMENTS = 24,
    PYTHON_TYPE_NAME = 24,
    PYTHON_TYPE_BASIC_SIZE = 32,
    PYTHON_TYPE_FLAGS = 168,
    PYTHON_TYPE_BASE = 256,
    PYTHON_TYPE_DICT = 264,
    PYTHON_TYPE_DICT_OFFSET = 288,
};

/* Values of _PyInterpreterFrame.owner: enum _frameowner, pycore_frame.h. From this one on it is no
   frame of Python code (FRAME_OWNED_BY_CSTACK; 3.14: FRAME_OWNED_BY_INTERPRETER). */
#define PYTHON_OWNED_BY_C 3

/* The table of version 3.`minor`; NULL: there is none. */
const struct python_layout *python_layout_of(unsigned minor);

/*
 * From the beginning of _PyRuntime of 3.13 and later: _Py_DebugOffsets, Include/internal/
 * pycore_runtime.h (3.14: pycore_debug_offsets.h). `version` is PY_VERSION_HEX, as it stands there.
 * False: the bytes are no such table. `*problem` (static) is set when they are one that we cannot
 * use.
 */
#define PYTHON_DEBUG_OFFSETS_MAX 1024
bool python_layout_from_debug_offsets(const uint8_t bytes[PYTHON_DEBUG_OFFSETS_MAX],
                                      struct python_layout *ret, uint32_t *version,
                                      const char **problem);

#endif
