#include "injector/snapshot_file.h"

#include "injector/arch/arch.h"
#include "injector/bytes.h"
#include "injector/cleanup.h"
#include "injector/process_private.h"
#include "injector/snapshot_code.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/*
 * The head (magic, version, flags, machine), one zlib stream (RFC 1950) with the sections, the
 * tail. The magic has a byte that is no text, and a newline that a transfer as text would change.
 */
static const uint8_t magic[8] = {0x89, 'M', 'H', 'S', 'N', 'A', 'P', '\n'};
static const uint8_t end_mark[4] = {'E', 'N', 'D', '\n'};
#define VERSION 1
#define MACHINE_BYTES 16
#define HEAD_BYTES (sizeof(magic) + 4 + 4 + MACHINE_BYTES)
#define TAIL_BYTES (8 + 4 + sizeof(end_mark)) /* size of the sections, CRC-32, end mark */

/* Larger files and contents are refused, bytes. */
#define FILE_MAX (UINT64_C(2) << 30)
#define SECTIONS_MAX (UINT64_C(4) << 30)
/* zlib makes nothing smaller than by this factor (zlib.net, "Maximum compression factor"). */
#define DEFLATE_FACTOR_MAX 1032

enum { TAG_PROCESS = 1, TAG_SNAPSHOT = 2, TAG_ANSWERS = 3, TAG_MEMORY = 4 };

/* --- Writing. --- */

struct sink {
    FILE *out;
    z_stream stream;
    uint64_t size; /* of the sections so far */
    uLong crc;
    bool failed; /* zlib had no memory */
};

/* What fwrite fails to write shows in ferror of the stream. */
static void sink_deflate(struct sink *sink, const uint8_t *bytes, size_t size, bool last)
{
    uint8_t buffer[16384];
    while (!sink->failed) {
        uInt chunk = size < 1u << 30 ? (uInt)size : 1u << 30;
        int flush = last && chunk == size ? Z_FINISH : Z_NO_FLUSH;
        sink->stream.next_in = (Bytef *)bytes;
        sink->stream.avail_in = chunk;
        do {
            sink->stream.next_out = buffer;
            sink->stream.avail_out = sizeof(buffer);
            if (deflate(&sink->stream, flush) == Z_STREAM_ERROR)
                sink->failed = true;
            /* cppcheck-suppress uninitvar ; deflate has filled that much of it */
            fwrite(buffer, 1, sizeof(buffer) - sink->stream.avail_out, sink->out);
        } while (sink->stream.avail_out == 0 && !sink->failed);
        bytes += chunk;
        size -= chunk;
        if (!size)
            break;
    }
}

static void sink_add(struct sink *sink, const struct byte_writer *writer)
{
    sink->size += writer->size;
    sink->crc = crc32_z(sink->crc, writer->bytes, writer->size);
    sink_deflate(sink, writer->bytes, writer->size, false);
}

static void write_section(struct sink *sink, uint32_t tag, struct byte_writer *content)
{
    struct byte_writer head = {0};
    put_u32(&head, tag);
    put_u64(&head, content->size);
    sink->failed |= head.failed || content->failed;
    sink_add(sink, &head);
    sink_add(sink, content);
    byte_writer_deinit(&head);
    byte_writer_deinit(content);
}

static void write_process(struct sink *sink, const struct process *process)
{
    struct byte_writer writer = {0};
    put_u32(&writer, (uint32_t)process->pid);
    put_u32(&writer, (uint32_t)process->live_tid);
    put_u32(&writer, (uint32_t)process->namespace_pid);
    put_u64(&writer, process->start_time);
    put_u8(&writer, process->is_64bit);
    put_text(&writer, process->executable);
    put_text(&writer, process->name);
    write_section(sink, TAG_PROCESS, &writer);
}

static void write_snapshot(struct sink *sink, const struct snapshot *snapshot)
{
    struct byte_writer writer = {0};
    snapshot_encode(snapshot, &writer);
    write_section(sink, TAG_SNAPSHOT, &writer);
}

static void put_answer(const struct question *question, const struct answer *answer,
                       uint32_t repeats, void *context)
{
    struct byte_writer *writer = context;
    put_u32(writer, question->kind);
    put_u64(writer, question->number);
    put_u64(writer, question->size);
    put_u8(writer, question->name != NULL);
    put_text(writer, question->name);
    put_u32(writer, repeats);
    put_u32(writer, (uint32_t)answer->errnum);
    put_block(writer, answer->bytes, answer->size);
}

static void put_range(uint64_t address, const uint8_t *bytes, size_t size, void *context)
{
    put_u64(context, address);
    put_block(context, bytes, size);
}

static void write_recording(struct sink *sink, struct recording *recording)
{
    struct byte_writer writer = {0};
    recording_each_answer(recording, put_answer, &writer);
    write_section(sink, TAG_ANSWERS, &writer);
    recording_each_range(recording, put_range, &writer);
    write_section(sink, TAG_MEMORY, &writer);
}

static void put_head(struct byte_writer *writer)
{
    char machine[MACHINE_BYTES] = "";
    memccpy(machine, arch_name, '\0', sizeof(machine) - 1);
    put_bytes(writer, magic, sizeof(magic));
    put_u32(writer, VERSION);
    put_u32(writer, 0); /* no flags are defined */
    put_bytes(writer, machine, sizeof(machine));
}

static void write_head(struct sink *sink)
{
    struct byte_writer writer = {0};
    put_head(&writer);
    sink->failed |= writer.failed;
    sink->crc = crc32_z(crc32_z(0, NULL, 0), writer.bytes, writer.size);
    fwrite(writer.bytes, 1, writer.size, sink->out);
    byte_writer_deinit(&writer);
}

static void write_tail(const struct sink *sink)
{
    struct byte_writer writer = {0};
    put_u64(&writer, sink->size);
    put_u32(&writer, (uint32_t)sink->crc);
    put_bytes(&writer, end_mark, sizeof(end_mark));
    fwrite(writer.bytes, 1, writer.size, sink->out);
    byte_writer_deinit(&writer);
}

struct error *snapshot_file_write(const struct snapshot *snapshot, FILE *out)
{
    struct sink sink = {.out = out};
    if (!recording_is_complete(snapshot->process->recording) ||
        deflateInit(&sink.stream, Z_DEFAULT_COMPRESSION) != Z_OK)
        return error_no_memory();
    write_head(&sink);
    write_process(&sink, snapshot->process);
    write_snapshot(&sink, snapshot);
    write_recording(&sink, snapshot->process->recording);
    sink_deflate(&sink, NULL, 0, true);
    deflateEnd(&sink.stream);
    write_tail(&sink);
    return sink.failed ? error_no_memory() : NULL;
}

/* --- Reading. --- */

static struct error *damaged(const char *path)
{
    return error_create(ERROR_PARTIAL, 0,
                        "%s is damaged: what it holds is not what was saved; copy it again", path);
}

/* All of a file, also of one that has no size (a pipe); malloc'ed. */
static struct error *read_whole(const char *path, uint8_t **ret, size_t *ret_size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    CLEANUP_FREE uint8_t *bytes = NULL;
    size_t size = 0, capacity = 0;
    if (fd < 0)
        return error_create(ERROR_USAGE, errno, "%s cannot be opened: %s", path, strerror(errno));
    for (;;) {
        if (size == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            uint8_t *larger = capacity <= FILE_MAX ? realloc(bytes, capacity) : NULL;
            if (!larger)
                return error_create(ERROR_PARTIAL, ENOMEM,
                                    "%s is too large to be read as a snapshot", path);
            bytes = larger;
        }
        ssize_t n = read(fd, bytes + size, capacity - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_create(ERROR_USAGE, errno, "%s cannot be read: %s", path, strerror(errno));
        if (n == 0)
            break;
        size += (size_t)n;
    }
    *ret = bytes;
    *ret_size = size;
    bytes = NULL;
    return NULL;
}

static struct error *check_head(const char *path, const uint8_t *bytes, size_t size)
{
    char machine[MACHINE_BYTES];
    if (!size || memcmp(bytes, magic, size < sizeof(magic) ? size : sizeof(magic)) != 0)
        return error_create(ERROR_USAGE, 0,
                            "%s is no snapshot: it was not written by manhole-attach --save", path);
    if (size < HEAD_BYTES)
        return error_create(ERROR_PARTIAL, 0, "%s is cut off: copy it again", path);
    struct byte_reader reader = {.at = bytes + sizeof(magic), .left = size - sizeof(magic)};
    uint32_t version = get_u32(&reader);
    get_u32(&reader); /* no flags are defined */
    if (version != VERSION)
        return error_create(ERROR_USAGE, 0,
                            "%s is a snapshot of version %u, and this manhole-attach reads version "
                            "%d: take another manhole-attach",
                            path, version, VERSION);
    memcpy(machine, reader.at, sizeof(machine));
    machine[sizeof(machine) - 1] = '\0';
    if (strcmp(machine, arch_name) != 0)
        return error_create(ERROR_UNSUPPORTED, 0,
                            "%s was saved on another machine (%s): this manhole-attach looks only "
                            "into %s programs",
                            path, machine, arch_name);
    return NULL;
}

/* Of the head and the sections. */
static uLong checksum(const uint8_t *head, const uint8_t *sections, size_t size)
{
    return crc32_z(crc32_z(crc32_z(0, NULL, 0), head, HEAD_BYTES), sections, size);
}

/* Decompresses the sections and checks them against the tail; malloc'ed. */
static struct error *inflate_sections(const char *path, const uint8_t *bytes, size_t size,
                                      uint8_t **ret, size_t *ret_size)
{
    if (size < HEAD_BYTES + TAIL_BYTES ||
        memcmp(bytes + size - sizeof(end_mark), end_mark, sizeof(end_mark)) != 0)
        return error_create(ERROR_PARTIAL, 0, "%s is cut off: copy it again", path);
    struct byte_reader tail = {.at = bytes + size - TAIL_BYTES, .left = TAIL_BYTES};
    uint64_t wanted = get_u64(&tail);
    uint32_t crc = get_u32(&tail);
    size_t packed = size - HEAD_BYTES - TAIL_BYTES;
    if (wanted > SECTIONS_MAX || wanted > packed * DEFLATE_FACTOR_MAX)
        return damaged(path);
    CLEANUP_FREE uint8_t *sections = malloc(wanted + 1);
    if (!sections)
        return error_no_memory();
    uLong used = packed;
    uLongf got = wanted;
    if (uncompress2(sections, &got, bytes + HEAD_BYTES, &used) != Z_OK || got != wanted ||
        used != packed || checksum(bytes, sections, wanted) != crc)
        return damaged(path);
    *ret = sections;
    *ret_size = wanted;
    sections = NULL;
    return NULL;
}

static void read_process(struct byte_reader *reader, struct process *process)
{
    process->pid = (pid_t)get_u32(reader);
    process->live_tid = (pid_t)get_u32(reader);
    process->namespace_pid = (pid_t)get_u32(reader);
    process->start_time = get_u64(reader);
    process->is_64bit = get_u8(reader);
    free(process->executable);
    process->executable = get_new_text(reader);
    get_text(reader, process->name, sizeof(process->name));
    if (process->pid <= 0 || process->live_tid <= 0)
        reader->failed = true;
}

static void read_answer(struct byte_reader *reader, struct recording *recording)
{
    struct question question = {.kind = (enum question_kind)get_u32(reader)};
    question.number = get_u64(reader);
    question.size = get_u64(reader);
    bool named = get_u8(reader);
    CLEANUP_FREE char *name = get_new_text(reader);
    question.name = named ? name : NULL;
    uint32_t repeats = get_u32(reader);
    struct answer answer = {.errnum = (int)get_u32(reader)};
    answer.bytes = get_block(reader, &answer.size);
    if (!reader->failed && repeats)
        recording_add_times(recording, &question, &answer, repeats);
}

static void read_range(struct byte_reader *reader, struct recording *recording)
{
    size_t size;
    uint64_t address = get_u64(reader);
    const uint8_t *bytes = get_block(reader, &size);
    if (!reader->failed)
        recording_add_memory(recording, address, bytes, size);
}

/* What this version does not know is passed over: later ones may add to it. */
static void read_section(uint32_t tag, struct byte_reader *content, struct process *process)
{
    const struct question snapshot = {.kind = QUESTION_SNAPSHOT};
    switch (tag) {
    case TAG_PROCESS:
        read_process(content, process);
        break;
    case TAG_SNAPSHOT:
        recording_add(process->recording, &snapshot, 0, content->at, content->left);
        break;
    case TAG_ANSWERS:
        while (content->left && !content->failed)
            read_answer(content, process->recording);
        break;
    case TAG_MEMORY:
        while (content->left && !content->failed)
            read_range(content, process->recording);
        break;
    default:
        break;
    }
}

static struct error *read_sections(const char *path, struct byte_reader *reader,
                                   struct process *process)
{
    while (reader->left && !reader->failed) {
        uint32_t tag = get_u32(reader);
        struct byte_reader content = {0};
        content.at = get_block(reader, &content.left);
        if (reader->failed)
            break;
        read_section(tag, &content, process);
        reader->failed = content.failed;
    }
    if (!recording_is_complete(process->recording))
        return error_no_memory();
    return reader->failed || !process->executable ? damaged(path) : NULL;
}

static struct error *create_saved(struct process **ret)
{
    struct process *process = calloc(1, sizeof(*process));
    struct recording *recording = recording_create();
    if (!process || !recording) {
        free(process);
        recording_destroy(recording);
        return error_no_memory();
    }
    process->proc_fd = process->task_fd = process->pid_fd = process->program_fd = -1;
    process->saved = true;
    process->recording = recording;
    *ret = process;
    return NULL;
}

struct error *snapshot_file_read(const char *path, struct process **ret)
{
    CLEANUP_FREE uint8_t *bytes = NULL, *sections = NULL;
    CLEANUP_PROCESS struct process *process = NULL;
    size_t size = 0, sections_size = 0;
    struct error *error = read_whole(path, &bytes, &size);
    if (!error)
        error = check_head(path, bytes, size);
    if (!error)
        error = inflate_sections(path, bytes, size, &sections, &sections_size);
    if (!error)
        error = create_saved(&process);
    if (error)
        return error;
    struct byte_reader reader = {.at = sections, .left = sections_size};
    error = read_sections(path, &reader, process);
    if (error)
        return error;
    *ret = process;
    process = NULL;
    return NULL;
}
