/* The Python frames of one thread. */
#include "injector/python.h"

#include "injector/python_code.h"

#include <stdlib.h>
#include <string.h>

/* More frames than any stack has. */
#define FRAMES_MAX (UINT64_C(1) << 20)

/* Frames have no larger head, bytes: what follows are their variables. */
#define FRAME_MAX 512

/* The walk along the frames of a thread. */
struct walk {
    const struct python *python;
    const struct python_memory *memory;
    uint64_t frame;  /* the next one; 0: none */
    uint64_t cframe; /* of the native frame that runs it; 0: there are none in this version */
    uint64_t count;
    uint64_t seen, steps; /* a frame further in, to find circles by */
    const char *problem;
};

/* A frame of Python code as it lies in memory. */
struct raw_frame {
    uint64_t address, code, previous;
    uint64_t instruction; /* where it points to, or the index before 3.11 */
    bool is_entry;
    uint64_t native;
    int32_t line; /* that the frame itself has; 0: its code tells */
};

#define DAMAGED "the Python frames cannot be read any further: they changed, or are damaged"

static bool read_head(const struct walk *walk, uint64_t address, uint8_t head[FRAME_MAX])
{
    uint32_t size = walk->python->layout.frame_size;
    return size <= FRAME_MAX && python_read(walk->memory, address, head, size);
}

/* Fields of it; one beyond its end is 0. */
static uint64_t field(const struct walk *walk, const uint8_t head[FRAME_MAX], uint32_t offset,
                      size_t size)
{
    uint64_t value = 0;
    if (offset + size <= walk->python->layout.frame_size)
        memcpy(&value, head + offset, size);
    return value;
}

static void leave_cframe(struct walk *walk, struct raw_frame *frame)
{
    frame->native = walk->cframe;
    if (walk->cframe &&
        !python_read_word(walk->memory, walk->cframe + walk->python->layout.cframe_previous,
                          &walk->cframe))
        walk->cframe = 0;
}

/* 3.8 to 3.10: each frame has a native frame of its own. */
static void read_object(struct walk *walk, const uint8_t head[FRAME_MAX], struct raw_frame *ret)
{
    const struct python_layout *layout = &walk->python->layout;
    uint64_t index = field(walk, head, layout->frame_instruction, 4);
    int32_t line = (int32_t)field(walk, head, layout->frame_line, 4);
    bool traced = field(walk, head, layout->frame_trace, 8);
    /* PyFrame_GetLineNumber, Objects/frameobject.c; f_lasti counts code units from 3.10 on. */
    bool in_units = layout->lines != PYTHON_LNOTAB;
    ret->instruction = (uint64_t)((int64_t)(int32_t)index * (in_units ? 2 : 1));
    ret->line = in_units || traced ? line : 0;
    ret->is_entry = true;
    leave_cframe(walk, ret);
}

static void read_interpreter_frame(struct walk *walk, const uint8_t head[FRAME_MAX],
                                   struct raw_frame *ret)
{
    const struct python_layout *layout = &walk->python->layout;
    ret->instruction = field(walk, head, layout->frame_instruction, 8);
    if (layout->frames == PYTHON_CFRAMES) {
        ret->is_entry = field(walk, head, layout->frame_is_entry, 1);
        if (ret->is_entry)
            leave_cframe(walk, ret);
    }
}

static bool is_shim(const struct walk *walk, const uint8_t head[FRAME_MAX])
{
    return walk->python->layout.frames == PYTHON_SHIMS &&
           field(walk, head, walk->python->layout.frame_owner, 1) >= PYTHON_OWNED_BY_C;
}

/* Skips the shims from the next frame on; the first of them ends what `frame` (may be NULL) began
   with. False: they cannot be read. */
static bool skip_shims(struct walk *walk, struct raw_frame *frame)
{
    uint8_t head[FRAME_MAX];
    while (walk->frame && walk->count++ < FRAMES_MAX) {
        if (!read_head(walk, walk->frame, head))
            return false;
        if (!is_shim(walk, head))
            return true;
        if (frame && !frame->is_entry) {
            frame->is_entry = true;
            frame->native = walk->frame;
        }
        walk->frame = field(walk, head, walk->python->layout.frame_previous, 8);
    }
    return !walk->frame;
}

/* A frame that comes again. By Brent: the one to compare with is taken anew at each power of 2. */
static bool goes_round(struct walk *walk, uint64_t address)
{
    if (address == walk->seen)
        return true;
    if (!(walk->steps & (walk->steps - 1)))
        walk->seen = address;
    walk->steps++;
    return false;
}

/* The next frame. False: there is none, or walk->problem says why. */
static bool next_frame(struct walk *walk, struct raw_frame *ret)
{
    uint8_t head[FRAME_MAX];
    const struct python_layout *layout = &walk->python->layout;
    if (!walk->frame)
        return false;
    *ret = (struct raw_frame){.address = walk->frame};
    if (walk->count++ >= FRAMES_MAX || goes_round(walk, walk->frame) ||
        !read_head(walk, walk->frame, head)) {
        walk->problem = DAMAGED;
        return false;
    }
    ret->code = python_untagged(field(walk, head, layout->frame_code, 8));
    walk->frame = field(walk, head, layout->frame_previous, 8);
    if (layout->frames == PYTHON_FRAME_OBJECTS)
        read_object(walk, head, ret);
    else
        read_interpreter_frame(walk, head, ret);
    if (layout->frames == PYTHON_SHIMS && !skip_shims(walk, ret)) {
        walk->problem = DAMAGED;
        walk->frame = 0;
    }
    return true;
}

static bool begin(struct walk *walk, uint64_t thread)
{
    const struct python_layout *layout = &walk->python->layout;
    bool by_cframe = layout->thread_cframe && layout->frames != PYTHON_FRAME_OBJECTS;
    bool ok = !layout->thread_cframe ||
              python_read_word(walk->memory, thread + layout->thread_cframe, &walk->cframe);
    if (ok && by_cframe)
        ok = python_read_word(walk->memory, walk->cframe + layout->cframe_frame, &walk->frame);
    else if (ok)
        ok = python_read_word(walk->memory, thread + layout->thread_frame, &walk->frame);
    if (!ok || (layout->frames == PYTHON_SHIMS && !skip_shims(walk, NULL)))
        walk->problem = DAMAGED;
    return !walk->problem;
}

/* Offset of the instruction in its code, bytes; false: it lies outside. */
static bool find_instruction(const struct walk *walk, const struct raw_frame *frame,
                             const struct python_code *code, int64_t *ret)
{
    bool is_pointer = walk->python->layout.frames != PYTHON_FRAME_OBJECTS;
    *ret = (int64_t)(is_pointer ? frame->instruction - code->bytes : frame->instruction);
    return *ret >= -2 && *ret < INT32_MAX;
}

/* What is shown of a frame. False: its code is none. */
static bool describe(const struct walk *walk, const struct raw_frame *frame,
                     struct python_code *code, int64_t *instruction, int *line)
{
    if (!python_code_read(walk->python, walk->memory, frame->code, code) ||
        !find_instruction(walk, frame, code, instruction))
        return false;
    *line = frame->line > 0 ? frame->line
                            : python_code_line(walk->python, walk->memory, code, *instruction);
    return true;
}

static struct error *append(struct python_stack *stack, size_t *capacity,
                            const struct raw_frame *frame, const struct python_code *code,
                            int64_t instruction, int line)
{
    if (stack->count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 16;
        struct python_frame *frames = reallocarray(stack->frames, larger, sizeof(*frames));
        if (!frames)
            return error_no_memory();
        stack->frames = frames;
        *capacity = larger;
    }
    /* Both names in one block. */
    size_t length = strlen(code->function) + 1, file_length = strlen(code->file) + 1;
    char *names = malloc(length + file_length);
    if (!names)
        return error_no_memory();
    memcpy(names, code->function, length);
    memcpy(names + length, code->file, file_length);
    stack->frames[stack->count++] = (struct python_frame){
        .function = names,
        .file = names + length,
        .line = line,
        .is_entry = frame->is_entry,
        .native = frame->is_entry ? frame->native : 0,
        .address = frame->address,
        .code = frame->code,
        .instruction = instruction > 0 ? (uint64_t)instruction : 0,
    };
    return NULL;
}

struct error *python_stack_read(const struct python *python, const struct python_memory *memory,
                                const struct python_thread *thread, size_t max_frames,
                                struct python_stack *ret)
{
    struct walk walk = {.python = python, .memory = memory};
    struct raw_frame frame;
    struct python_code code;
    size_t capacity = 0;
    int64_t instruction;
    int line;
    *ret = (struct python_stack){0};
    if (!begin(&walk, thread->address))
        ret->problem = walk.problem;
    while (!walk.problem && next_frame(&walk, &frame)) {
        if (max_frames && ret->count == max_frames) {
            ret->more = true;
            break;
        }
        if (!describe(&walk, &frame, &code, &instruction, &line)) {
            walk.problem = DAMAGED;
            break;
        }
        struct error *error = append(ret, &capacity, &frame, &code, instruction, line);
        if (error) {
            python_stack_deinit(ret);
            return error;
        }
    }
    ret->problem = walk.problem;
    return NULL;
}

void python_stack_touch(const struct python *python, const struct python_memory *memory,
                        uint64_t thread, size_t max_frames)
{
    struct walk walk = {.python = python, .memory = memory};
    struct raw_frame frame;
    struct python_code code;
    int64_t instruction;
    int line;
    if (!begin(&walk, thread))
        return;
    for (size_t i = 0; (!max_frames || i <= max_frames) && next_frame(&walk, &frame); i++) {
        if (!describe(&walk, &frame, &code, &instruction, &line))
            return;
    }
}

void python_stack_visit(const struct python *python, const struct python_memory *memory,
                        uint64_t thread, size_t max_frames,
                        bool (*visit)(uint64_t frame, uint64_t code, void *context), void *context)
{
    struct walk walk = {.python = python, .memory = memory};
    struct raw_frame frame;
    if (!begin(&walk, thread))
        return;
    for (size_t i = 0; (!max_frames || i < max_frames) && next_frame(&walk, &frame); i++) {
        if (!visit(frame.address, frame.code, context))
            return;
    }
}

void python_stack_deinit(struct python_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        free(stack->frames[i].function);
    free(stack->frames);
    *stack = (struct python_stack){0};
}
