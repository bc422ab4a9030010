#include "injector/linkmap.h"

#include "injector/cleanup.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* A list that is longer was changed while we read it, or is no list. */
#define OBJECTS_MAX 65536
#define DYNAMIC_MAX 512
#define EXPORTS_MAX (1 << 22)
#define STRINGS_MAX (256 << 20)

#define VERSION_HIDDEN 0x8000 /* of DT_VERSYM: not the default version (LSB, 10.7.2) */

/* The exported symbols of one object, copied. */
struct export_table {
    Elf64_Sym *symbols;
    size_t count;
    char *strings; /* NUL added behind the end */
    size_t strings_size;
    uint16_t *versions; /* NULL: none */
};

static bool read_exactly(const struct process *process, uint64_t address, void *buffer, size_t size)
{
    return remote_read(process, address, buffer, size) == size;
}

/* --- From the auxiliary vector to r_debug. --- */

/* What the kernel told the program (getauxval(3)). */
struct auxiliary {
    uint64_t phdr, phnum, base;
};

static bool read_auxiliary(const struct process *process, struct auxiliary *ret)
{
    CLEANUP_FREE char *text = NULL;
    ssize_t size = process_read_file(process, 0, "auxv", &text);
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
    return ret->phdr && ret->phnum && ret->phnum < 1024;
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
static bool dynamic_value(const struct process *process, uint64_t dynamic, int64_t tag,
                          uint64_t *ret)
{
    for (size_t i = 0; i < DYNAMIC_MAX; i++) {
        Elf64_Dyn entry;
        if (!read_exactly(process, dynamic + i * sizeof(entry), &entry, sizeof(entry)) ||
            entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == tag) {
            *ret = entry.d_un.d_val;
            return true;
        }
    }
    return false;
}

static struct error *find_debug(const struct process *process, const struct auxiliary *auxiliary,
                                uint64_t *ret)
{
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
    if (!dynamic_value(process, dynamic + bias, DT_DEBUG, ret))
        return no_loader(process);
    if (!*ret)
        return error_create(ERROR_DEADLINE, 0,
                            "process %d (%s) has only just been started, its libraries are not "
                            "loaded yet: try again",
                            process->pid, process->name);
    return NULL;
}

/* --- The objects. --- */

/* What a dynamic section says, as addresses; 0: not there. */
struct dynamic_tables {
    uint64_t strings, strings_size, symbols, gnu_hash, hash, versions, soname;
    bool has_soname;
};

static void read_dynamic_tables(const struct process *process, const struct loaded *object,
                                struct dynamic_tables *ret)
{
    *ret = (struct dynamic_tables){0};
    for (size_t i = 0; i < DYNAMIC_MAX; i++) {
        Elf64_Dyn entry;
        if (!read_exactly(process, object->dynamic + i * sizeof(entry), &entry, sizeof(entry)) ||
            entry.d_tag == DT_NULL)
            return;
        /* glibc writes addresses into the section where it is writable; musl, and anybody in the
           vDSO, leave offsets. */
        uint64_t value = entry.d_un.d_val;
        uint64_t address = value < object->bias ? value + object->bias : value;
        switch (entry.d_tag) {
        case DT_STRTAB:
            ret->strings = address;
            break;
        case DT_STRSZ:
            ret->strings_size = value;
            break;
        case DT_SYMTAB:
            ret->symbols = address;
            break;
        case DT_GNU_HASH:
            ret->gnu_hash = address;
            break;
        case DT_HASH:
            ret->hash = address;
            break;
        case DT_VERSYM:
            ret->versions = address;
            break;
        case DT_SONAME:
            ret->soname = value;
            ret->has_soname = true;
            break;
        }
    }
}

/* Everything mapped from the file around `address`: the mappings of one inode, and the anonymous
   one
   (.bss) that touches the last of them. */
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
static uint64_t read_tls_size(const struct process *process, const struct loaded *object)
{
    Elf64_Ehdr header;
    if (!object->start || !read_exactly(process, object->start, &header, sizeof(header)) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG))
        return 0;
    for (unsigned i = 0; i < header.e_phnum && i < 256; i++) {
        Elf64_Phdr segment;
        if (!read_exactly(process, object->start + header.e_phoff + i * sizeof(segment), &segment,
                          sizeof(segment)))
            return 0;
        if (segment.p_type == PT_TLS)
            return segment.p_memsz + segment.p_align;
    }
    return 0;
}

static char *read_text(const struct process *process, uint64_t address)
{
    char text[PATH_MAX];
    if (!address || !remote_read_string(process, address, text, sizeof(text)))
        text[0] = '\0';
    return strdup(text);
}

static struct error *read_object(const struct process *process, const struct maps *maps,
                                 uint64_t entry, const struct link_map *raw, struct loaded *ret)
{
    *ret = (struct loaded){
        .entry = entry,
        .bias = raw->l_addr,
        .dynamic = (uint64_t)(uintptr_t)raw->l_ld,
    };
    ret->name = read_text(process, (uint64_t)(uintptr_t)raw->l_name);
    find_extent(maps, ret->dynamic, ret);
    ret->tls_size = read_tls_size(process, ret);
    struct dynamic_tables tables;
    read_dynamic_tables(process, ret, &tables);
    ret->soname =
        tables.has_soname ? read_text(process, tables.strings + tables.soname) : strdup("");
    return ret->name && ret->soname ? NULL : error_no_memory();
}

static struct error *append_object(struct linkmap *linkmap, const struct maps *maps, uint64_t entry,
                                   const struct link_map *raw)
{
    if (linkmap->count % 64 == 0) {
        struct loaded *larger =
            reallocarray(linkmap->objects, linkmap->count + 64, sizeof(*larger));
        if (!larger)
            return error_no_memory();
        linkmap->objects = larger;
    }
    return read_object(linkmap->process, maps, entry, raw, &linkmap->objects[linkmap->count++]);
}

static struct error *read_objects(struct linkmap *linkmap, const struct maps *maps)
{
    struct r_debug debug;
    if (!read_exactly(linkmap->process, linkmap->debug, &debug, sizeof(debug)))
        return error_create(ERROR_PARTIAL, 0, "the loader's list of process %d cannot be read",
                            linkmap->process->pid);
    uint64_t entry = (uint64_t)(uintptr_t)debug.r_map;
    while (entry) {
        struct link_map raw;
        if (linkmap->count == OBJECTS_MAX ||
            !read_exactly(linkmap->process, entry, &raw, sizeof(raw)))
            return error_create(ERROR_PARTIAL, 0,
                                "the loader's list of process %d changed while it was read: try "
                                "again",
                                linkmap->process->pid);
        struct error *error = append_object(linkmap, maps, entry, &raw);
        if (error)
            return error;
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

struct error *linkmap_read(const struct process *process, const struct maps *maps,
                           struct linkmap **ret)
{
    struct auxiliary auxiliary;
    if (!read_auxiliary(process, &auxiliary)) {
        struct error *error = process_check_alive(process);
        return error ? error : process_explain_refusal(process, "reading auxv", EACCES);
    }
    CLEANUP_LINKMAP struct linkmap *linkmap = calloc(1, sizeof(*linkmap));
    if (!linkmap)
        return error_no_memory();
    linkmap->process = process;
    struct error *error = find_debug(process, &auxiliary, &linkmap->debug);
    if (!error)
        error = read_objects(linkmap, maps);
    if (error)
        return error;

    find_libc(linkmap);
    linkmap->permanent = linkmap->count;
    const struct loaded *loader = find_loader(linkmap, auxiliary.base);
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

static void export_table_destroy(struct export_table *table)
{
    if (!table)
        return;
    free(table->symbols);
    free(table->strings);
    free(table->versions);
    free(table);
}

void linkmap_destroy(struct linkmap *linkmap)
{
    if (!linkmap)
        return;
    for (size_t i = 0; i < linkmap->count; i++) {
        free(linkmap->objects[i].name);
        free(linkmap->objects[i].soname);
        export_table_destroy(linkmap->objects[i].exports);
    }
    free(linkmap->objects);
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

/* How many symbols DT_GNU_HASH covers: the end of the chain of the highest bucket. */
static size_t count_by_gnu_hash(const struct process *process, uint64_t address)
{
    struct {
        uint32_t bucket_count, first_symbol, bloom_words, bloom_shift;
    } header;
    if (!read_exactly(process, address, &header, sizeof(header)) || !header.bucket_count ||
        header.bucket_count > EXPORTS_MAX || header.bloom_words > EXPORTS_MAX)
        return 0;
    uint64_t buckets = address + sizeof(header) + (uint64_t)header.bloom_words * 8;
    uint64_t chains = buckets + (uint64_t)header.bucket_count * 4;
    CLEANUP_FREE uint32_t *table = calloc(header.bucket_count, sizeof(*table));
    if (!table || !read_exactly(process, buckets, table, header.bucket_count * sizeof(*table)))
        return 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < header.bucket_count; i++)
        if (table[i] > last)
            last = table[i];
    if (last < header.first_symbol)
        return header.first_symbol;
    for (; last < EXPORTS_MAX; last++) {
        uint32_t hash;
        if (!read_exactly(process, chains + (uint64_t)(last - header.first_symbol) * 4, &hash,
                          sizeof(hash)))
            return 0;
        if (hash & 1)
            return last + 1;
    }
    return 0;
}

static size_t count_exports(const struct process *process, const struct dynamic_tables *tables)
{
    uint32_t counts[2]; /* nbucket, nchain: the latter is the number of symbols */
    if (tables->hash && read_exactly(process, tables->hash, counts, sizeof(counts)) &&
        counts[1] < EXPORTS_MAX)
        return counts[1];
    return tables->gnu_hash ? count_by_gnu_hash(process, tables->gnu_hash) : 0;
}

/* Copies the tables; an object without them gets an empty one. NULL: no memory. */
static struct export_table *read_exports(const struct process *process, const struct loaded *object)
{
    struct dynamic_tables tables;
    struct export_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    read_dynamic_tables(process, object, &tables);
    size_t count = tables.symbols && tables.strings ? count_exports(process, &tables) : 0;
    if (!count || tables.strings_size > STRINGS_MAX)
        return table;

    table->symbols = calloc(count, sizeof(*table->symbols));
    table->strings = calloc(1, tables.strings_size + 1);
    if (!table->symbols || !table->strings ||
        !read_exactly(process, tables.symbols, table->symbols, count * sizeof(*table->symbols)) ||
        !read_exactly(process, tables.strings, table->strings, tables.strings_size))
        return table;
    table->strings_size = tables.strings_size;
    if (tables.versions) {
        table->versions = calloc(count, sizeof(*table->versions));
        if (!table->versions || !read_exactly(process, tables.versions, table->versions,
                                              count * sizeof(*table->versions)))
            return table;
    }
    table->count = count;
    return table;
}

static const struct export_table *exports_of(const struct linkmap *linkmap, struct loaded *object)
{
    if (!object->exports)
        object->exports = read_exports(linkmap->process, object);
    return object->exports;
}

static bool is_function(const struct export_table *table, size_t i, const char *name)
{
    const Elf64_Sym *symbol = &table->symbols[i];
    unsigned type = ELF64_ST_TYPE(symbol->st_info), binding = ELF64_ST_BIND(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value && binding != STB_LOCAL &&
           (type == STT_FUNC || type == STT_NOTYPE) && symbol->st_name < table->strings_size &&
           !strcmp(table->strings + symbol->st_name, name);
}

static void fill_export(const struct loaded *object, const Elf64_Sym *symbol, struct export *ret)
{
    *ret = (struct export){object->bias + symbol->st_value, symbol->st_size, object};
}

bool linkmap_function(const struct linkmap *linkmap, const char *name, struct export *ret)
{
    for (size_t n = 0; n < linkmap->count; n++) {
        struct loaded *object = &linkmap->objects[n];
        const struct export_table *table = exports_of(linkmap, object);
        for (size_t i = 0; table && i < table->count; i++)
            if (is_function(table, i, name) &&
                !(table->versions && table->versions[i] & VERSION_HIDDEN)) {
                fill_export(object, &table->symbols[i], ret);
                return true;
            }
    }
    return false;
}

void linkmap_each_definition(const struct linkmap *linkmap, struct loaded *object, const char *name,
                             void (*visit)(const struct export *, void *), void *context)
{
    const struct export_table *table = exports_of(linkmap, object);
    for (size_t i = 0; table && i < table->count; i++)
        if (is_function(table, i, name)) {
            struct export export;
            fill_export(object, &table->symbols[i], &export);
            visit(&export, context);
        }
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
