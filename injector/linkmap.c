#include "injector/linkmap.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "injector/pages.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A list that is longer was changed while we read it, or is no list. */
#define OBJECTS_MAX 65536
#define DYNAMIC_MAX 512
/* How long a list is read again that changes meanwhile. */
#define LIST_US 500000

/*
 * Reads for the whole list, and again for each name that is looked for in it: ten times what the
 * largest programs take. Lists, names and chains that a target makes up have no end.
 */
#define READS_MAX (1 << 22)

#define VERSION_HIDDEN 0x8000 /* of DT_VERSYM: not the default version (LSB, 10.7.2) */

static bool read_exactly(const struct process *process, uint64_t address, void *buffer, size_t size)
{
    return remote_read(process, address, buffer, size) == size;
}

/* From pages that are kept. */
static bool read_kept(const void *context, uint64_t address, void *buffer, size_t size)
{
    const struct linkmap *linkmap = context;
    if (!*linkmap->reads_left)
        return false;
    --*linkmap->reads_left;
    return page_table_read(linkmap->pages, linkmap->process, address, buffer, size);
}

/* --- From the auxiliary vector to r_debug. --- */

/* What the kernel told the program (getauxval(3)). */
struct auxiliary {
    uint64_t phdr, phnum, base;
};

static struct error *just_started(const struct process *process)
{
    return error_create(ERROR_DEADLINE, 0,
                        "process %d (%s) has only just been started, its libraries are not "
                        "loaded yet: try again",
                        process->pid, process->name);
}

static struct error *read_auxiliary(const struct process *process, struct auxiliary *ret)
{
    CLEANUP_FREE char *text = NULL;
    ssize_t size = process_read_file(process, 0, "auxv", &text);
    if (size < 0)
        return process_explain_refusal(process, "reading auxv", errno);
    *ret = (struct auxiliary){0};
    for (ssize_t at = 0; at + (ssize_t)sizeof(Elf64_auxv_t) <= size; at += sizeof(Elf64_auxv_t)) {
        Elf64_auxv_t entry;
        memcpy(&entry, text + at, sizeof(entry));
        if (entry.a_type == AT_PHDR)
            ret->phdr = entry.a_un.a_val;
        else if (entry.a_type == AT_PHNUM)
            ret->phnum = entry.a_un.a_val;
        else if (entry.a_type == AT_BASE)
            ret->base = entry.a_un.a_val;
    }
    if (ret->phdr && ret->phnum && ret->phnum < 1024)
        return NULL;
    /* In the middle of an execve(2), or of its end, it has none. */
    struct error *ended = process_check_alive(process);
    return ended ? ended : just_started(process);
}

static struct error *no_loader(const struct process *process)
{
    return error_create(
        ERROR_UNSUPPORTED, 0,
        "process %d (%s) is a static program: no dynamic loader in it, so nothing can "
        "be loaded into it; --dump works",
        process->pid, process->name);
}

/* The value of one tag in a dynamic section in memory; false when it is not there. */
static bool dynamic_value(const struct linkmap *linkmap, uint64_t dynamic, int64_t tag,
                          uint64_t *ret)
{
    for (size_t i = 0; i < DYNAMIC_MAX; i++) {
        Elf64_Dyn entry;
        if (!read_kept(linkmap, dynamic + i * sizeof(entry), &entry, sizeof(entry)) ||
            entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == tag) {
            *ret = entry.d_un.d_val;
            return true;
        }
    }
    return false;
}

static struct error *find_debug(const struct linkmap *linkmap, const struct auxiliary *auxiliary,
                                uint64_t *ret)
{
    const struct process *process = linkmap->process;
    CLEANUP_FREE Elf64_Phdr *headers = calloc(auxiliary->phnum, sizeof(*headers));
    if (!headers)
        return error_no_memory();
    if (!read_exactly(process, auxiliary->phdr, headers, auxiliary->phnum * sizeof(*headers)))
        return process_explain_refusal(process, "reading the memory", EPERM);

    uint64_t bias = 0, dynamic = 0;
    bool has_dynamic = false, has_interpreter = false;
    for (size_t i = 0; i < auxiliary->phnum; i++) {
        if (headers[i].p_type == PT_PHDR)
            bias = auxiliary->phdr - headers[i].p_vaddr;
        has_interpreter |= headers[i].p_type == PT_INTERP;
        if (headers[i].p_type == PT_DYNAMIC) {
            dynamic = headers[i].p_vaddr;
            has_dynamic = true;
        }
    }
    if (!has_dynamic || !has_interpreter)
        return no_loader(process);
    if (!dynamic_value(linkmap, dynamic + bias, DT_DEBUG, ret))
        return no_loader(process);
    if (!*ret)
        return just_started(process);
    return NULL;
}

/* --- The objects. --- */

/* What its dynamic section says: where its tables are. Returns where its DT_SONAME is, or 0. */
static uint64_t read_dynamic(const struct linkmap *linkmap, struct loaded *object)
{
    uint64_t soname = 0;
    bool has_soname = false;
    for (size_t i = 0; i < DYNAMIC_MAX; i++) {
        Elf64_Dyn entry;
        if (!read_kept(linkmap, object->dynamic + i * sizeof(entry), &entry, sizeof(entry)) ||
            entry.d_tag == DT_NULL)
            break;
        /* glibc writes addresses into the section where it is writable; musl, and anybody in the
           vDSO, leave offsets. */
        uint64_t value = entry.d_un.d_val;
        uint64_t address = value < object->bias ? value + object->bias : value;
        switch (entry.d_tag) {
        case DT_STRTAB:
            object->tables.strings = address;
            break;
        case DT_STRSZ:
            object->tables.strings_size = value;
            break;
        case DT_SYMTAB:
            object->tables.symbols = address;
            break;
        case DT_GNU_HASH:
            object->tables.gnu_hash = address;
            break;
        case DT_HASH:
            object->tables.hash = address;
            break;
        case DT_VERSYM:
            object->versions = address;
            break;
        case DT_SONAME:
            soname = value;
            has_soname = true;
            break;
        }
    }
    return has_soname && object->tables.strings ? object->tables.strings + soname : 0;
}

/* Everything mapped from the file around `address`: the mappings of one inode, and the anonymous
   one (.bss) that touches the last of them. */
static void find_extent(const struct maps *maps, uint64_t address, struct loaded *object)
{
    const struct mapping *here = maps_find(maps, address);
    if (!here)
        return;
    const struct mapping *first = here, *last = here;
    const struct mapping *end = maps->mappings + maps->count;
    while (first > maps->mappings && here->inode && first[-1].inode == here->inode &&
           first[-1].device_minor == here->device_minor && first->offset > 0)
        first--;
    while (last + 1 < end && here->inode && last[1].inode == here->inode &&
           last[1].device_minor == here->device_minor && last[1].offset > 0)
        last++;
    object->start = first->start;
    object->end = last->end;
    if (last + 1 < end && !last[1].inode && !last[1].path[0] && last[1].start == last->end)
        object->end = last[1].end;
}

/* The size of PT_TLS, from the ELF header at the start of what is mapped. */
static uint64_t read_tls_size(const struct linkmap *linkmap, const struct loaded *object)
{
    Elf64_Ehdr header;
    if (!object->start || !read_kept(linkmap, object->start, &header, sizeof(header)) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG))
        return 0;
    for (unsigned i = 0; i < header.e_phnum && i < 256; i++) {
        Elf64_Phdr segment;
        if (!read_kept(linkmap, object->start + header.e_phoff + i * sizeof(segment), &segment,
                       sizeof(segment)))
            return 0;
        if (segment.p_type == PT_TLS)
            return segment.p_memsz + segment.p_align;
    }
    return 0;
}

static char *read_text(const struct linkmap *linkmap, uint64_t address)
{
    char text[PATH_MAX];
    for (size_t i = 0; address && i < sizeof(text); i++) {
        if (!read_kept(linkmap, address + i, &text[i], 1))
            break;
        if (!text[i])
            return strdup(text);
    }
    return strdup("");
}

static struct error *read_object(const struct linkmap *linkmap, const struct maps *maps,
                                 uint64_t entry, const struct link_map *raw, struct loaded *ret)
{
    *ret = (struct loaded){
        .entry = entry,
        .bias = raw->l_addr,
        .dynamic = (uint64_t)(uintptr_t)raw->l_ld,
    };
    ret->name = read_text(linkmap, (uint64_t)(uintptr_t)raw->l_name);
    find_extent(maps, ret->dynamic, ret);
    ret->tls_size = read_tls_size(linkmap, ret);
    ret->soname = read_text(linkmap, read_dynamic(linkmap, ret));
    return ret->name && ret->soname ? NULL : error_no_memory();
}

static struct error *append_object(struct linkmap *linkmap, const struct maps *maps, uint64_t entry,
                                   const struct link_map *raw)
{
    size_t count = linkmap->count;
    /* There is room for 64, then for each power of 2. */
    if (!count || (count >= 64 && !(count & (count - 1)))) {
        struct loaded *larger =
            reallocarray(linkmap->objects, count ? 2 * count : 64, sizeof(*larger));
        if (!larger)
            return error_no_memory();
        linkmap->objects = larger;
    }
    return read_object(linkmap, maps, entry, raw, &linkmap->objects[linkmap->count++]);
}

static struct error *read_objects(struct linkmap *linkmap, const struct maps *maps)
{
    struct r_debug debug;
    if (!read_exactly(linkmap->process, linkmap->debug, &debug, sizeof(debug)))
        return error_create(ERROR_PARTIAL, 0, "the loader's list of process %d cannot be read",
                            linkmap->process->pid);
    /* Each entry points back to the one before: in no circle, and in no list that changed. */
    uint64_t entry = (uint64_t)(uintptr_t)debug.r_map, before = 0;
    while (entry) {
        struct link_map raw;
        if (linkmap->count == OBJECTS_MAX || !read_kept(linkmap, entry, &raw, sizeof(raw)) ||
            (uint64_t)(uintptr_t)raw.l_prev != before)
            return error_create(ERROR_PARTIAL, EAGAIN,
                                "the loader's list of process %d changed while it was read: try "
                                "again",
                                linkmap->process->pid);
        struct error *error = append_object(linkmap, maps, entry, &raw);
        if (error)
            return error;
        before = entry;
        entry = (uint64_t)(uintptr_t)raw.l_next;
    }
    return NULL;
}

/* The C library is who defines a function that no preload and no sanitizer interposes; both C
   libraries have it. */
static void find_libc(struct linkmap *linkmap)
{
    struct export export;
    linkmap->libc = linkmap->count;
    if (linkmap_function(linkmap, "__libc_start_main", &export))
        linkmap->libc = (size_t)(export.object - linkmap->objects);
}

static const struct loaded *find_loader(const struct linkmap *linkmap, uint64_t base)
{
    return base ? linkmap_find(linkmap, base) : NULL;
}

static struct error *read_once(const struct process *process, const struct maps *maps,
                               const struct auxiliary *auxiliary, struct linkmap **ret)
{
    CLEANUP_LINKMAP struct linkmap *linkmap = calloc(1, sizeof(*linkmap));
    if (!linkmap)
        return error_no_memory();
    linkmap->process = process;
    linkmap->pages = page_table_create();
    linkmap->reads_left = malloc(sizeof(*linkmap->reads_left));
    if (!linkmap->pages || !linkmap->reads_left)
        return error_no_memory();
    *linkmap->reads_left = READS_MAX;
    struct error *error = find_debug(linkmap, auxiliary, &linkmap->debug);
    if (!error)
        error = read_objects(linkmap, maps);
    if (error)
        return error;

    find_libc(linkmap);
    linkmap->permanent = linkmap->count;
    const struct loaded *loader = find_loader(linkmap, auxiliary->base);
    if (loader) {
        linkmap->loader_start = loader->start;
        linkmap->loader_end = loader->end;
        size_t index = (size_t)(loader - linkmap->objects);
        linkmap->is_musl = index == linkmap->libc;
        /* glibc puts itself behind what the program was started with; musl never unloads. */
        if (!linkmap->is_musl)
            linkmap->permanent = index + 1;
    }
    *ret = linkmap;
    linkmap = NULL;
    return NULL;
}

/* A program that loads and unloads all the time changes its list while we read it. */
struct error *linkmap_read(const struct process *process, const struct maps *maps,
                           struct linkmap **ret)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    struct auxiliary auxiliary = {0};
    struct error *error = read_auxiliary(process, &auxiliary);
    if (error)
        return error;
    deadline_t deadline = deadline_after_us(LIST_US);
    error = read_once(process, maps, &auxiliary, ret);
    while (error && error->errnum == EAGAIN && !deadline_passed(deadline)) {
        error_destroy(error);
        nanosleep(&pause, NULL); /* woken early or not, it is read again */
        error = read_once(process, maps, &auxiliary, ret);
    }
    return error;
}

void linkmap_destroy(struct linkmap *linkmap)
{
    if (!linkmap)
        return;
    for (size_t i = 0; i < linkmap->count; i++) {
        free(linkmap->objects[i].name);
        free(linkmap->objects[i].soname);
    }
    free(linkmap->objects);
    page_table_destroy(linkmap->pages);
    free(linkmap->reads_left);
    free(linkmap);
}

void linkmap_cleanup(struct linkmap **linkmap)
{
    linkmap_destroy(*linkmap);
}

bool linkmap_is_consistent(const struct linkmap *linkmap)
{
    struct r_debug debug;
    return read_exactly(linkmap->process, linkmap->debug, &debug, sizeof(debug)) && debug.r_map &&
           debug.r_state == RT_CONSISTENT;
}

/* --- Exported symbols. --- */

/* Definitions of one name in one object, on their way to who asked for them. */
struct definitions {
    const struct linkmap *linkmap;
    const struct loaded *object;
    struct export export; /* the last one */
    void (*visit)(const struct export *, void *);
    void *context;
};

static bool take_function(struct definitions *definitions, const Elf64_Sym *symbol)
{
    const struct loaded *object = definitions->object;
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    definitions->export = (struct export){object->bias + symbol->st_value, symbol->st_size, object};
    return symbol->st_value && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
           (type == STT_FUNC || type == STT_NOTYPE);
}

static bool is_default(const struct definitions *definitions, uint64_t number)
{
    uint16_t version;
    uint64_t versions = definitions->object->versions;
    return !versions || (read_kept(definitions->linkmap, versions + number * sizeof(version),
                                   &version, sizeof(version)) &&
                         !(version & VERSION_HIDDEN));
}

static bool stop_at_default(const Elf64_Sym *symbol, uint64_t number, void *context)
{
    return take_function(context, symbol) && is_default(context, number);
}

static bool show_each(const Elf64_Sym *symbol, uint64_t number, void *context)
{
    struct definitions *definitions = context;
    (void)number;
    if (take_function(definitions, symbol))
        definitions->visit(&definitions->export, definitions->context);
    return false;
}

static bool find_definitions(struct definitions *definitions, const char *name, symbol_visit *visit)
{
    const struct symbol_reader reader = {read_kept, definitions->linkmap};
    return symbol_hash_find(&definitions->object->tables, &reader, name, visit, definitions);
}

bool linkmap_function(const struct linkmap *linkmap, const char *name, struct export *ret)
{
    *linkmap->reads_left = READS_MAX;
    for (size_t i = 0; i < linkmap->count; i++) {
        struct definitions definitions = {.linkmap = linkmap, .object = &linkmap->objects[i]};
        if (find_definitions(&definitions, name, stop_at_default)) {
            *ret = definitions.export;
            return true;
        }
    }
    return false;
}

void linkmap_each_definition(const struct linkmap *linkmap, const struct loaded *object,
                             const char *name, void (*visit)(const struct export *, void *),
                             void *context)
{
    struct definitions definitions = {
        .linkmap = linkmap, .object = object, .visit = visit, .context = context};
    *linkmap->reads_left = READS_MAX;
    find_definitions(&definitions, name, show_each);
}

const struct loaded *linkmap_find(const struct linkmap *linkmap, uint64_t address)
{
    for (size_t i = 0; i < linkmap->count; i++)
        if (address >= linkmap->objects[i].start && address < linkmap->objects[i].end)
            return &linkmap->objects[i];
    return NULL;
}

const struct loaded *linkmap_find_soname(const struct linkmap *linkmap, const char *soname)
{
    for (size_t i = 0; i < linkmap->count; i++)
        if (!strcmp(linkmap->objects[i].soname, soname))
            return &linkmap->objects[i];
    return NULL;
}
