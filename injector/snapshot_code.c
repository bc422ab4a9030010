#include "injector/snapshot_code.h"

#include <stdlib.h>
#include <string.h>

/* Flags of a mapping. */
enum {
    MAPPING_READABLE = 1 << 0,
    MAPPING_WRITABLE = 1 << 1,
    MAPPING_EXECUTABLE = 1 << 2,
    MAPPING_SHARED = 1 << 3,
    MAPPING_DELETED = 1 << 4,
};

/* Flags of a frame. */
enum {
    FRAME_IS_SIGNAL = 1 << 0,
    FRAME_IS_CALL_SITE = 1 << 1,
};

/* The fewest bytes that one of these takes. */
#define MAPPING_BYTES (4 * 8 + 2 * 4 + 1 + 8)
#define THREAD_BYTES 64
#define FRAME_BYTES (2 * 8 + 2)

/* --- Maps. --- */

static void encode_mapping(const struct mapping *mapping, struct byte_writer *writer)
{
    unsigned flags =
        (mapping->readable ? MAPPING_READABLE : 0u) | (mapping->writable ? MAPPING_WRITABLE : 0u) |
        (mapping->executable ? MAPPING_EXECUTABLE : 0u) | (mapping->shared ? MAPPING_SHARED : 0u) |
        (mapping->deleted ? MAPPING_DELETED : 0u);
    put_u64(writer, mapping->start);
    put_u64(writer, mapping->end);
    put_u64(writer, mapping->offset);
    put_u64(writer, mapping->inode);
    put_u32(writer, mapping->device_major);
    put_u32(writer, mapping->device_minor);
    put_u8(writer, (uint8_t)flags);
    put_text(writer, mapping->path);
}

/* `*strings` has room for the path, and is advanced. */
static void decode_mapping(struct byte_reader *reader, const struct mapping *previous,
                           char **strings, struct mapping *ret)
{
    ret->start = get_u64(reader);
    ret->end = get_u64(reader);
    ret->offset = get_u64(reader);
    ret->inode = get_u64(reader);
    ret->device_major = get_u32(reader);
    ret->device_minor = get_u32(reader);
    unsigned flags = get_u8(reader);
    ret->readable = flags & MAPPING_READABLE;
    ret->writable = flags & MAPPING_WRITABLE;
    ret->executable = flags & MAPPING_EXECUTABLE;
    ret->shared = flags & MAPPING_SHARED;
    ret->deleted = flags & MAPPING_DELETED;
    ret->path = *strings;
    get_text(reader, *strings, reader->left + 1);
    *strings += strlen(*strings) + 1;
    if (ret->start >= ret->end || (previous && ret->start < previous->end))
        reader->failed = true;
}

static struct error *decode_maps(struct byte_reader *reader, struct maps **ret)
{
    size_t count = get_count(reader, MAPPING_BYTES);
    struct maps *maps = calloc(1, sizeof(*maps));
    if (!maps)
        return error_no_memory();
    *ret = maps;
    /* One block, as maps_parse makes it: the mappings, then their names, which are no longer than
       what is left to read. */
    size_t table_size = count * sizeof(struct mapping);
    maps->mappings = calloc(1, table_size + reader->left + count + 1);
    if (!maps->mappings)
        return error_no_memory();
    char *strings = (char *)maps->mappings + table_size;
    for (; maps->count < count && !reader->failed; maps->count++) {
        struct mapping *mapping = &maps->mappings[maps->count];
        decode_mapping(reader, maps->count ? mapping - 1 : NULL, &strings, mapping);
    }
    return NULL;
}

/* --- Threads. --- */

static void encode_registers(const struct registers *registers, struct byte_writer *writer)
{
    put_u64(writer, registers->known);
    for (unsigned i = 0; i < REGISTERS_MAX; i++) {
        if (register_known(registers, i))
            put_u64(writer, registers->value[i]);
    }
}

static void decode_registers(struct byte_reader *reader, struct registers *ret)
{
    uint64_t known = get_u64(reader);
    if (known >> arch_register_count)
        reader->failed = true;
    for (unsigned i = 0; i < arch_register_count; i++) {
        if (known >> i & 1)
            register_set(ret, i, get_u64(reader));
    }
}

/* In the byte that says how: it was stopped, if in vain. */
#define WAS_PAUSED 0x80

static void encode_thread(const struct thread_snapshot *thread, struct byte_writer *writer)
{
    put_u32(writer, (uint32_t)thread->tid);
    put_text(writer, thread->name);
    put_u8(writer, (uint8_t)thread->state);
    put_u64(writer, thread->start_time);
    put_u64(writer, thread->runs);
    put_u8(writer, (uint8_t)(thread->how | (thread->paused ? WAS_PAUSED : 0)));
    put_u8(writer, thread->problem != NULL);
    put_text(writer, thread->problem);
    put_u8(writer, thread->in_syscall);
    put_u64(writer, (uint64_t)thread->syscall_number);
    for (size_t i = 0; i < 6; i++)
        put_u64(writer, thread->syscall_arguments[i]);
    put_text(writer, thread->wait_channel);
    encode_registers(&thread->registers, writer);
    put_u64(writer, thread->stack.start);
    put_block(writer, thread->stack.bytes, thread->stack.size);
}

static void decode_stack_bytes(struct byte_reader *reader, struct memory_slice *ret)
{
    ret->start = get_u64(reader);
    const uint8_t *bytes = get_block(reader, &ret->size);
    if (!ret->size)
        return;
    ret->bytes = ret->size <= UINT64_MAX - ret->start ? malloc(ret->size) : NULL;
    if (!ret->bytes) {
        ret->size = 0;
        reader->failed = true;
        return;
    }
    memcpy(ret->bytes, bytes, ret->size);
}

/* What it leaves in *ret is the snapshot's to release, also where it fails. */
static void decode_thread(struct byte_reader *reader, struct thread_snapshot *ret)
{
    ret->tid = (pid_t)get_u32(reader);
    get_text(reader, ret->name, sizeof(ret->name));
    ret->state = (char)get_u8(reader);
    ret->start_time = get_u64(reader);
    ret->runs = get_u64(reader);
    unsigned how = get_u8(reader);
    ret->paused = how & WAS_PAUSED;
    how &= ~(unsigned)WAS_PAUSED;
    bool has_problem = get_u8(reader);
    char *problem = get_new_text(reader);
    if (has_problem)
        ret->problem = problem;
    else
        free(problem);
    ret->in_syscall = get_u8(reader);
    ret->syscall_number = (long)get_u64(reader);
    for (size_t i = 0; i < 6; i++)
        ret->syscall_arguments[i] = get_u64(reader);
    get_text(reader, ret->wait_channel, sizeof(ret->wait_channel));
    decode_registers(reader, &ret->registers);
    decode_stack_bytes(reader, &ret->stack);
    if (how > THREAD_UNREADABLE || ret->tid <= 0 || !ret->state)
        reader->failed = true;
    ret->how = how <= THREAD_UNREADABLE ? (enum thread_how)how : THREAD_UNREADABLE;
}

/* --- The snapshot. --- */

void snapshot_encode(const struct snapshot *snapshot, struct byte_writer *ret)
{
    put_u64(ret, (uint64_t)snapshot->time.tv_sec);
    put_u32(ret, (uint32_t)snapshot->time.tv_nsec);
    put_u64(ret, snapshot->threads_paused);
    put_u64(ret, snapshot->pause_us);
    put_u8(ret, snapshot->pause_cut);
    put_u32(ret, (uint32_t)snapshot->maps->count);
    for (size_t i = 0; i < snapshot->maps->count; i++)
        encode_mapping(&snapshot->maps->mappings[i], ret);
    put_u32(ret, (uint32_t)snapshot->thread_count);
    for (size_t i = 0; i < snapshot->thread_count; i++)
        encode_thread(&snapshot->threads[i], ret);
}

static struct error *decode_threads(struct byte_reader *reader, struct snapshot *ret)
{
    size_t count = get_count(reader, THREAD_BYTES);
    ret->threads = calloc(count + 1, sizeof(*ret->threads));
    if (!ret->threads)
        return error_no_memory();
    for (; ret->thread_count < count && !reader->failed; ret->thread_count++) {
        struct thread_snapshot *thread = &ret->threads[ret->thread_count];
        decode_thread(reader, thread);
        if (ret->thread_count && thread->tid <= thread[-1].tid)
            reader->failed = true;
    }
    return NULL;
}

struct error *snapshot_decode(struct byte_reader *reader, struct snapshot *ret)
{
    ret->time.tv_sec = (time_t)get_u64(reader);
    ret->time.tv_nsec = get_u32(reader);
    ret->threads_paused = get_u64(reader);
    ret->pause_us = get_u64(reader);
    ret->pause_cut = get_u8(reader);
    if (ret->time.tv_nsec > 999999999)
        reader->failed = true;
    struct error *error = decode_maps(reader, &ret->maps);
    if (!error)
        error = decode_threads(reader, ret);
    if (!error && (reader->failed || reader->left || !ret->thread_count))
        error = error_create(ERROR_PARTIAL, 0,
                             "the saved snapshot is damaged: its threads or maps make no sense");
    return error;
}

/* --- Stacks. --- */

void stack_encode(const struct stack *stack, struct byte_writer *ret)
{
    put_u8(ret, (uint8_t)stack->end);
    put_u8(ret, stack->live);
    put_block(ret, stack->reason, stack->reason ? strlen(stack->reason) + 1 : 0);
    put_u32(ret, (uint32_t)stack->count);
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        put_u64(ret, frame->pc);
        put_u64(ret, frame->cfa);
        put_u8(ret, (uint8_t)frame->how);
        put_u8(ret, (uint8_t)((frame->signal_frame ? FRAME_IS_SIGNAL : 0u) |
                              (frame->is_call_site ? FRAME_IS_CALL_SITE : 0u)));
    }
}

static void decode_frame(struct byte_reader *reader, struct frame *ret)
{
    ret->pc = get_u64(reader);
    ret->cfa = get_u64(reader);
    unsigned how = get_u8(reader), flags = get_u8(reader);
    ret->signal_frame = flags & FRAME_IS_SIGNAL;
    ret->is_call_site = flags & FRAME_IS_CALL_SITE;
    if (how > FRAME_SCAN)
        reader->failed = true;
    else
        ret->how = (enum frame_how)how;
}

bool stack_decode(struct byte_reader *reader, struct stack *ret)
{
    *ret = (struct stack){0};
    unsigned end = get_u8(reader);
    ret->live = get_u8(reader);
    size_t length;
    ret->reason = (const char *)get_block(reader, &length);
    if (!length || ret->reason[length - 1])
        ret->reason = NULL;
    size_t count = get_count(reader, FRAME_BYTES);
    ret->frames = calloc(count + 1, sizeof(*ret->frames));
    for (; ret->frames && ret->count < count; ret->count++)
        decode_frame(reader, &ret->frames[ret->count]);
    if (!ret->frames || reader->failed || end > UNWIND_STOPPED) {
        stack_deinit(ret);
        return false;
    }
    ret->end = (enum unwind_end)end;
    return true;
}
