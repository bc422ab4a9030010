#include "injector/python_layout.h"

#include <string.h>

/* What the object header and byte strings are like in all builds without Py_TRACE_REFS: the headers
   Include/object.h and Include/cpython/bytesobject.h. Py_DEBUG alone changes nothing here. */
#define OBJECTS .object_type = 8, .bytes_size = 16, .bytes_data = 32, .tuple_items = 24
/* How variables are named, and dicts kept. */
#define NAMES_APART                                                                        \
    .names = PYTHON_NAMES_APART, .code_flags = 36, .code_arguments = 16,                   \
    .code_keyword_arguments = 24, .code_variables = 72, .code_cells = 88, .code_free = 80, \
    .keys = PYTHON_KEYS_SIZED, .keys_count = 32, .keys_table = 40, .frame_mapping = 56
#define NAMES_TOGETHER                                                                     \
    .names = PYTHON_NAMES_TOGETHER, .code_flags = 48, .code_names = 96, .code_kinds = 104, \
    .keys = PYTHON_KEYS_OF_A_KIND, .keys_count = 24, .keys_table = 32, .frame_locals = 72, \
    .function_name = 40
/* Include/cpython/unicodeobject.h; 3.12 dropped wstr from both. */
#define STRINGS_WITH_WSTR \
    .unicode_length = 16, .unicode_state = 32, .unicode_ascii = 48, .unicode_compact = 72
#define STRINGS \
    .unicode_length = 16, .unicode_state = 32, .unicode_ascii = 40, .unicode_compact = 56

/* Measured with offsetof in the headers of 3.8.18, 3.9.18, 3.10.13, 3.11.2 (Debian, also -dbg),
   3.11.7 and 3.12.1: tests/python_layouts. */
static const struct python_layout layouts[] = {
    [8] = {.frames = PYTHON_FRAME_OBJECTS,
           .lines = PYTHON_LNOTAB,
           .runtime_interpreters = 32,
           .runtime_gil_holder = 1160,
           .runtime_gil_locked = 1168,
           .interpreter_next = 0,
           .interpreter_id = 16,
           .interpreter_threads = 8,
           .thread_previous = 0,
           .thread_next = 8,
           .thread_interpreter = 16,
           .thread_id = 176,
           .thread_frame = 24,
           .frame_size = 368,
           .frame_previous = 24,
           .frame_code = 32,
           .frame_instruction = 104,
           .frame_line = 108,
           .frame_trace = 80,
           .code_size = 176,
           .code_file = 104,
           .code_name = 112,
           .code_first_line = 40,
           .code_lines = 120,
           .code_bytes = 48,
           NAMES_APART,
           .frame_locals = 360,
           .type_qualified_name = 864,
           .function_name = 104,
           STRINGS_WITH_WSTR,
           OBJECTS},
    [9] = {.frames = PYTHON_FRAME_OBJECTS,
           .lines = PYTHON_LNOTAB,
           .runtime_interpreters = 32,
           .runtime_gil_holder = 360,
           .runtime_gil_locked = 368,
           .interpreter_next = 0,
           .interpreter_id = 24,
           .interpreter_threads = 8,
           .thread_previous = 0,
           .thread_next = 8,
           .thread_interpreter = 16,
           .thread_id = 176,
           .thread_frame = 24,
           .frame_size = 368,
           .frame_previous = 24,
           .frame_code = 32,
           .frame_instruction = 104,
           .frame_line = 108,
           .frame_trace = 80,
           .code_size = 176,
           .code_file = 104,
           .code_name = 112,
           .code_first_line = 40,
           .code_lines = 120,
           .code_bytes = 48,
           NAMES_APART,
           .frame_locals = 360,
           .type_qualified_name = 856,
           .function_name = 104,
           STRINGS_WITH_WSTR,
           OBJECTS},
    [10] = {.frames = PYTHON_FRAME_OBJECTS,
            .lines = PYTHON_LINETABLE,
            .runtime_interpreters = 32,
            .runtime_gil_holder = 360,
            .runtime_gil_locked = 368,
            .interpreter_next = 0,
            .interpreter_id = 24,
            .interpreter_threads = 8,
            .thread_previous = 0,
            .thread_next = 8,
            .thread_interpreter = 16,
            .thread_id = 176,
            .thread_frame = 24,
            .thread_cframe = 48,
            .cframe_previous = 8,
            .frame_size = 360,
            .frame_previous = 24,
            .frame_code = 32,
            .frame_instruction = 96,
            .frame_line = 100,
            .frame_trace = 72,
            .code_size = 176,
            .code_file = 104,
            .code_name = 112,
            .code_first_line = 40,
            .code_lines = 120,
            .code_bytes = 48,
            NAMES_APART,
            .frame_locals = 352,
            .type_qualified_name = 864,
            .function_name = 40,
            STRINGS_WITH_WSTR,
            OBJECTS},
    [11] = {.frames = PYTHON_CFRAMES,
            .lines = PYTHON_LOCATIONS,
            .runtime_interpreters = 40,
            .runtime_gil_holder = 368,
            .runtime_gil_locked = 376,
            .interpreter_next = 0,
            .interpreter_id = 48,
            .interpreter_threads = 16,
            .thread_previous = 0,
            .thread_next = 8,
            .thread_interpreter = 16,
            .thread_id = 152,
            .thread_native_id = 160,
            .thread_cframe = 56,
            .cframe_frame = 8,
            .cframe_previous = 16,
            .frame_size = 80,
            .frame_previous = 48,
            .frame_code = 32,
            .frame_instruction = 56,
            .frame_owner = 69,
            .frame_is_entry = 68,
            .code_size = 192,
            .code_file = 112,
            .code_name = 120,
            .code_qualname = 128,
            .code_first_line = 72,
            .code_lines = 136,
            .code_bytes = 184,
            NAMES_TOGETHER,
            .attributes = PYTHON_BESIDE_DICT,
            .code_arguments = 56,
            .code_keyword_arguments = 64,
            .frame_mapping = 24,
            .type_qualified_name = 864,
            STRINGS_WITH_WSTR,
            OBJECTS},
    [12] = {.frames = PYTHON_SHIMS,
            .lines = PYTHON_LOCATIONS,
            .runtime_interpreters = 40,
            .interpreter_next = 0,
            .interpreter_id = 8,
            .interpreter_threads = 72,
            .interpreter_gil = 384,
            .gil_holder = 8,
            .gil_locked = 16,
            .thread_previous = 0,
            .thread_next = 8,
            .thread_interpreter = 16,
            .thread_id = 136,
            .thread_native_id = 144,
            .thread_cframe = 56,
            .cframe_frame = 0,
            .cframe_previous = 8,
            .frame_size = 80,
            .frame_previous = 8,
            .frame_code = 0,
            .frame_instruction = 56,
            .frame_owner = 70,
            .code_size = 200,
            .code_file = 112,
            .code_name = 120,
            .code_qualname = 128,
            .code_first_line = 68,
            .code_lines = 136,
            .code_bytes = 192,
            NAMES_TOGETHER,
            .attributes = PYTHON_VALUES_OR_DICT,
            .code_arguments = 52,
            .code_keyword_arguments = 60,
            .frame_mapping = 40,
            .int_is_tagged = true,
            .type_qualified_name = 872,
            STRINGS,
            OBJECTS},
};

const struct python_layout *python_layout_of(unsigned minor)
{
    bool known = minor < sizeof(layouts) / sizeof(layouts[0]) && layouts[minor].code_size;
    return known ? &layouts[minor] : NULL;
}

/* --- _Py_DebugOffsets. --- */

/* The words of the table before those that its parts begin with, in all versions. */
enum { COOKIE, VERSION, FREE_THREADED, WORDS_MAX = PYTHON_DEBUG_OFFSETS_MAX / 8 };

/* Which word of the table is which member: they were added in the middle. 0 ends a list. */
struct word {
    size_t member; /* offsetof in struct python_layout */
    uint8_t in_13, in_14;
    uint8_t size_in_13, size_in_14; /* the word with the size of the structure; 0: not checked */
};

#define MEMBER(name) offsetof(struct python_layout, name)

static const struct word words[] = {
    {MEMBER(runtime_interpreters), 5, 5, 3, 3},
    {MEMBER(interpreter_id), 7, 7, 6, 6},
    {MEMBER(interpreter_next), 8, 8, 6, 6},
    {MEMBER(interpreter_threads), 9, 9, 6, 6},
    {MEMBER(interpreter_gil), 14, 15, 6, 6},
    /* Of the lock that is part of the interpreter's state: gil_of_state makes them its own. */
    {MEMBER(gil_locked), 17, 18, 6, 6},
    {MEMBER(gil_holder), 18, 19, 6, 6},
    {MEMBER(thread_previous), 20, 23, 19, 22},
    {MEMBER(thread_next), 21, 24, 19, 22},
    {MEMBER(thread_interpreter), 22, 25, 19, 22},
    {MEMBER(thread_frame), 23, 26, 19, 22},
    {MEMBER(thread_id), 24, 27, 19, 22},
    {MEMBER(thread_native_id), 25, 28, 19, 22},
    {MEMBER(frame_size), 28, 31, 0, 0},
    {MEMBER(frame_previous), 29, 32, 28, 31},
    {MEMBER(frame_code), 30, 33, 28, 31},
    {MEMBER(frame_instruction), 31, 34, 28, 31},
    {MEMBER(frame_locals), 32, 35, 0, 0},
    {MEMBER(frame_owner), 33, 36, 28, 31},
    {MEMBER(code_size), 34, 39, 0, 0},
    {MEMBER(code_file), 35, 40, 34, 39},
    {MEMBER(code_name), 36, 41, 34, 39},
    {MEMBER(code_qualname), 37, 42, 34, 39},
    {MEMBER(code_lines), 38, 43, 34, 39},
    {MEMBER(code_first_line), 39, 44, 34, 39},
    {MEMBER(code_arguments), 40, 45, 34, 39},
    {MEMBER(code_names), 41, 46, 34, 39},
    {MEMBER(code_kinds), 42, 47, 34, 39},
    {MEMBER(code_bytes), 43, 48, 34, 39},
    {MEMBER(object_type), 45, 51, 44, 50},
    {MEMBER(tuple_items), 51, 57, 0, 0},
    {MEMBER(bytes_size), 65, 75, 64, 74},
    {MEMBER(bytes_data), 66, 76, 64, 74},
    {MEMBER(unicode_state), 68, 78, 67, 77},
    {MEMBER(unicode_length), 69, 79, 67, 77},
    {MEMBER(unicode_ascii), 70, 80, 0, 0},
};
#define GIL_IN_13 15
#define GIL_IN_14 16

/* No structure is larger, bytes: an interpreter's state has some 200 KB. */
#define STRUCTURE_MAX (UINT64_C(1) << 24)

/* What the table does not say, of 3.13 and, by its headers, 3.14. */
static const struct python_layout in_13 = {
    .frames = PYTHON_SHIMS,
    .lines = PYTHON_LOCATIONS,
    NAMES_TOGETHER,
    .attributes = PYTHON_INLINE,
    .int_is_tagged = true,
    .type_qualified_name = 872,
    .values_first = 8,
};

static bool take_words(const uint64_t table[WORDS_MAX], bool is_13, struct python_layout *ret)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        uint64_t value = table[is_13 ? words[i].in_13 : words[i].in_14];
        unsigned size = is_13 ? words[i].size_in_13 : words[i].size_in_14;
        if (value > STRUCTURE_MAX || (size && value >= table[size]))
            return false;
        uint32_t offset = (uint32_t)value;
        memcpy((char *)ret + words[i].member, &offset, sizeof(offset));
    }
    uint64_t gil = table[is_13 ? GIL_IN_13 : GIL_IN_14];
    if (gil > ret->gil_locked || gil > ret->gil_holder)
        return false;
    ret->gil_locked -= (uint32_t)gil;
    ret->gil_holder -= (uint32_t)gil;
    return true;
}

bool python_layout_from_debug_offsets(const uint8_t bytes[PYTHON_DEBUG_OFFSETS_MAX],
                                      struct python_layout *ret, uint32_t *version,
                                      const char **problem)
{
    uint64_t table[WORDS_MAX];
    memcpy(table, bytes, sizeof(table));
    *problem = NULL;
    if (memcmp(bytes, "xdebugpy", 8) || table[VERSION] >> 24 != 3)
        return false;
    *version = (uint32_t)table[VERSION];
    unsigned minor = *version >> 16 & 0xff;
    if (table[FREE_THREADED])
        *problem = "a free-threaded build";
    else if (minor != 13 && minor != 14)
        *problem = "only those of Python 3.8 to 3.14 are known";
    if (*problem)
        return true;
    *ret = in_13;
    if (!take_words(table, minor == 13, ret))
        *problem = "what it says of its structures makes no sense";
    ret->code_flags = ret->code_arguments - 4; /* ints in a row: Include/cpython/code.h */
    ret->code_keyword_arguments = ret->code_arguments + 8;
    ret->frame_mapping = ret->frame_instruction - 16; /* f_locals, frame_obj, instr_ptr */
    /* utf8 and its length follow the head (Include/cpython/unicodeobject.h). */
    ret->unicode_compact = ret->unicode_ascii + 16;
    return true;
}
