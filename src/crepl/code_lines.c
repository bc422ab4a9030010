#include "src/crepl/code_lines.h"

#include "injector/cleanup.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An entry of .stab (the "stabs" debug format, section Stab Section Basics), and the kinds that
   tell lines. */
struct stab {
    uint32_t name; /* offset in .stabstr */
    uint8_t kind, other;
    uint16_t line;
    uint32_t value;
};
#define STAB_FUNCTION 0x24 /* N_FUN: "add:F1" */
#define STAB_LINE 0x44     /* N_SLINE: `value` counts from the start of the function */
#define STAB_SOURCE 0x84   /* N_SOL: from here on another file */

/* The object file's parts; data belongs to the Elf. */
struct object {
    Elf *elf;
    Elf_Data *text, *relocations, *stabs, *names;
};

static void find_sections(struct object *object)
{
    size_t strings;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(object->elf, &strings) != 0)
        return;
    const struct {
        const char *name;
        Elf_Data **data;
    } wanted[] = {{".text", &object->text},
                  {".rela.text", &object->relocations},
                  {".stab", &object->stabs},
                  {".stabstr", &object->names}};
    while ((section = elf_nextscn(object->elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header))
            continue;
        const char *name = elf_strptr(object->elf, strings, header.sh_name);
        for (size_t i = 0; name && i < sizeof(wanted) / sizeof(wanted[0]); i++)
            if (strcmp(name, wanted[i].name) == 0)
                *wanted[i].data = elf_getdata(section, NULL);
    }
}

/* What the linker fills in is left out: 8 bytes at most. */
static bool is_relocated(const struct object *object, size_t offset)
{
    GElf_Rela rela;
    for (int i = 0; object->relocations && gelf_getrela(object->relocations, i, &rela); i++)
        if (offset >= rela.r_offset && offset - rela.r_offset < 8)
            return true;
    return false;
}

static bool is_same_code(const struct object *object, const struct compiled *code)
{
    const uint8_t *text = object->text->d_buf;
    if (object->text->d_size > code->image_size)
        return false;
    for (size_t i = 0; i < object->text->d_size; i++)
        if (text[i] != code->image[i] && !is_relocated(object, i))
            return false;
    return true;
}

static const char *name_of(const struct object *object, const struct stab *stab)
{
    const char *names = object->names->d_buf;
    size_t size = object->names->d_size;
    return stab->name < size && memchr(names + stab->name, '\0', size - stab->name)
               ? names + stab->name
               : "";
}

/* Where the function "add:F1" is; 0: it is none of the code's. */
static uint64_t function_start(const struct compiled *code, const char *name)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(name, ":"), name);
    return compiled_find(code, copy);
}

static struct error *add(struct code_lines *lines, uint64_t start, int line)
{
    struct code_line *larger = reallocarray(lines->lines, lines->count + 1, sizeof(*lines->lines));
    if (!larger)
        return error_no_memory();
    lines->lines = larger;
    larger[lines->count++] = (struct code_line){start, line};
    return NULL;
}

/* The head of each function has a line too. */
static struct error *take_stabs(const struct object *object, const struct compiled *code,
                                struct code_lines *ret)
{
    const struct stab *stabs = object->stabs->d_buf;
    bool is_users = false;
    uint64_t function = 0;
    struct error *error = NULL;
    for (size_t i = 0; !error && i < object->stabs->d_size / sizeof(*stabs); i++) {
        const struct stab *stab = &stabs[i];
        const char *name = name_of(object, stab);
        if (stab->kind == STAB_SOURCE)
            is_users = strcmp(name, COMPILE_USER_FILE) == 0;
        if (stab->kind == STAB_FUNCTION && *name)
            function = function_start(code, name);
        if (stab->kind == STAB_LINE && function)
            error = add(ret, function + stab->value, is_users ? stab->line : 0);
    }
    return error;
}

static int compare(const void *one, const void *other)
{
    const struct code_line *a = one, *b = other;
    return a->start < b->start ? -1 : a->start > b->start;
}

static struct error *read_object(int fd, const struct compiled *code, struct code_lines *ret)
{
    struct object object = {.elf = elf_begin(fd, ELF_C_READ, NULL)};
    struct error *error = NULL;
    if (object.elf)
        find_sections(&object);
    if (object.text && object.stabs && object.names && is_same_code(&object, code))
        error = take_stabs(&object, code, ret);
    elf_end(object.elf);
    return error;
}

struct error *code_lines_read(const char *source, const struct compiled *code,
                              struct code_lines *ret)
{
    *ret = (struct code_lines){0};
    if (code->is_foreign)
        return NULL;
    CLEANUP_CLOSE int fd = memfd_create("manhole-lines", MFD_CLOEXEC);
    if (fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
        return NULL;
    bool made;
    struct error *error = compile_object(source, fd, &made);
    if (!error && made)
        error = read_object(fd, code, ret);
    if (error)
        code_lines_deinit(ret);
    else
        qsort(ret->lines, ret->count, sizeof(*ret->lines), compare);
    return error;
}

void code_lines_deinit(struct code_lines *lines)
{
    free(lines->lines);
    *lines = (struct code_lines){0};
}

int code_lines_find(const struct code_lines *lines, uint64_t address)
{
    int line = 0;
    for (size_t i = 0; i < lines->count && lines->lines[i].start <= address; i++)
        line = lines->lines[i].line;
    return line;
}
