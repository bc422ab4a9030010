#include "src/crepl/compile.h"

#include "injector/cleanup.h"
#include "src/crepl/libtcc_repair.h"

#include <errno.h>
#include <libtcc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The name of what we have put behind the user's text. */
#define BEHIND_FILE "manhole"

const char compile_runtime[] = {
#include "crepl_runtime.inc"
};

/* The first variable of the data, which moves all of it to pages of its own (libtcc lays out code
   first, and keeps the alignment of a section). */
#define DATA_START "__manhole_data"
static const char data_start[] = "char " DATA_START "[16] __attribute__((aligned(4096))) = {1};\n";

static void destroy_state(TCCState **state)
{
    if (*state)
        tcc_delete(*state);
}
#define CLEANUP_STATE __attribute__((cleanup(destroy_state)))

/* "input:3: error: text", "<string>:538: warning: text", "tcc: error: text". */
static void take_message(void *context, const char *message)
{
    struct complaint *complaint = context;
    const char *text = strstr(message, ": error: ");
    bool failed = text != NULL;
    if (!text)
        text = strstr(message, ": warning: ");
    /* Its result would be cut to an int, and its address be unknown. */
    failed = failed || strstr(message, "implicit declaration of function");
    if (!text || complaint->failed || (!failed && *complaint->text))
        return;
    complaint->failed = failed;
    complaint->line = 0;
    complaint->at_end = strncmp(message, BEHIND_FILE ":", strlen(BEHIND_FILE ":")) == 0;
    const char *user = strstr(message, COMPILE_USER_FILE ":");
    if (user && user < text)
        complaint->line = atoi(user + strlen(COMPILE_USER_FILE ":"));
    text = strchr(text + 2, ':') + 2;
    snprintf(complaint->text, sizeof(complaint->text), "%s", text);
}

static struct error *create_state(struct complaint *complaint, TCCState **ret)
{
    *complaint = (struct complaint){0};
    *ret = tcc_new();
    if (!*ret)
        return error_no_memory();
    tcc_set_error_func(*ret, complaint, take_message);
    tcc_set_options(*ret, "-nostdinc -nostdlib -Wimplicit-function-declaration");
    tcc_set_output_type(*ret, TCC_OUTPUT_MEMORY);
    return NULL;
}

static void compile(TCCState *state, const char *source, struct complaint *complaint)
{
    libtcc_repair_labels();
    if (tcc_compile_string(state, source) < 0 && !complaint->failed) {
        complaint->failed = true;
        snprintf(complaint->text, sizeof(complaint->text), "it does not compile");
    }
}

struct error *compile_try(const char *source, struct complaint *ret)
{
    CLEANUP_STATE TCCState *state = NULL;
    struct error *error = create_state(ret, &state);
    if (!error)
        compile(state, source, ret);
    return error;
}

/* --- Symbols. --- */

struct collection {
    struct compiled *compiled;
    uint64_t first, last;
    bool no_memory;
};

static void collect_symbol(void *context, const char *name, const void *value)
{
    struct collection *collection = context;
    struct compiled *compiled = collection->compiled;
    uint64_t address = (uintptr_t)value;
    if (address < collection->first || address >= collection->last)
        return;
    struct code_symbol *larger =
        reallocarray(compiled->symbols, compiled->symbol_count + 1, sizeof(*compiled->symbols));
    if (larger) {
        compiled->symbols = larger;
        larger[compiled->symbol_count].name = strdup(name);
        larger[compiled->symbol_count].address = address;
    }
    if (larger && larger[compiled->symbol_count].name)
        compiled->symbol_count++;
    else
        collection->no_memory = true;
}

uint64_t compiled_find(const struct compiled *compiled, const char *name)
{
    for (size_t i = 0; i < compiled->symbol_count; i++)
        if (strcmp(compiled->symbols[i].name, name) == 0)
            return compiled->symbols[i].address;
    return 0;
}

void compiled_deinit(struct compiled *compiled)
{
    for (size_t i = 0; i < compiled->symbol_count; i++)
        free((char *)compiled->symbols[i].name);
    free(compiled->symbols);
    free(compiled->image);
    *compiled = (struct compiled){0};
}

/* --- Code. --- */

static size_t round_to_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

/* Copies what was laid out in our own memory, without the zeroes at its end. */
static struct error *copy_image(const uint8_t *memory, struct compiled *ret)
{
    ret->image_size = ret->size;
    while (ret->image_size && !memory[ret->image_size - 1])
        ret->image_size--;
    ret->image = malloc(ret->image_size + 1);
    if (!ret->image)
        return error_no_memory();
    memcpy(ret->image, memory, ret->image_size);
    return NULL;
}

static struct error *link_at(TCCState *state, uint8_t *memory, struct complaint *complaint,
                             struct compiled *ret)
{
    if (tcc_relocate(state, memory) < 0) {
        complaint->failed = true;
        return NULL;
    }
    struct collection collection = {ret, (uintptr_t)memory, (uintptr_t)memory + ret->size, false};
    tcc_list_symbols(state, &collection, collect_symbol);
    if (collection.no_memory)
        return error_no_memory();
    ret->code_size = compiled_find(ret, DATA_START) - (uintptr_t)memory;
    return copy_image(memory, ret);
}

static struct error *lay_out(TCCState *state, uint64_t address, struct complaint *complaint,
                             struct compiled *ret)
{
    int size = tcc_relocate(state, NULL);
    if (size < 0) {
        complaint->failed = true;
        return NULL;
    }
    ret->size = round_to_pages((size_t)size);
    void *memory = mmap((void *)(uintptr_t)address, ret->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED)
        return error_create(ERROR_PARTIAL, errno, "no room for code at the address 0x%lx: %s",
                            (unsigned long)address, strerror(errno));
    struct error *error = NULL;
    /* Kernels before 4.17 take the flag for a mere wish (mmap(2)). */
    if (memory != (void *)(uintptr_t)address)
        error =
            error_create(ERROR_PARTIAL, 0, "the address 0x%lx is taken", (unsigned long)address);
    else
        error = link_at(state, memory, complaint, ret);
    munmap(memory, ret->size);
    return error;
}

static struct error *compile_whole(TCCState *state, const char *source, struct complaint *complaint)
{
    CLEANUP_FREE char *whole = NULL;
    if (asprintf(&whole, "%s%s\n#line 1 \"manhole\"\n%s", data_start, source, compile_runtime) <
        0) {
        whole = NULL;
        return error_no_memory();
    }
    compile(state, whole, complaint);
    return NULL;
}

struct error *compile_at(const char *source, const struct code_symbol *given, size_t count,
                         uint64_t address, struct complaint *complaint, struct compiled *ret)
{
    *ret = (struct compiled){0};
    CLEANUP_STATE TCCState *state = NULL;
    struct error *error = create_state(complaint, &state);
    if (error)
        return error;
    for (size_t i = 0; i < count; i++)
        tcc_add_symbol(state, given[i].name, (void *)(uintptr_t)given[i].address);
    error = compile_whole(state, source, complaint);
    if (!error && !complaint->failed)
        error = lay_out(state, address, complaint, ret);
    if (error || complaint->failed)
        compiled_deinit(ret);
    return error;
}

struct error *compile_object(const char *source, int fd, bool *ret)
{
    struct complaint complaint;
    CLEANUP_STATE TCCState *state = NULL;
    struct error *error = create_state(&complaint, &state);
    *ret = false;
    if (error)
        return error;
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    tcc_set_options(state, "-g");
    tcc_set_output_type(state, TCC_OUTPUT_OBJ);
    error = compile_whole(state, source, &complaint);
    *ret = !error && !complaint.failed && tcc_output_file(state, path) == 0;
    return error;
}
