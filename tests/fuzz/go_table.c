/* The table of functions of a program that says that it is one of Go: the bytes are its
   .gopclntab. */
#include "injector/go_table.h"

#include "tests/fuzz/module.h"

#define TABLE_AT 0x1000 /* in the file, and its address */

static const char names[] = "\0.gopclntab\0.text\0.shstrtab";
struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    Elf64_Shdr sections[4];
    char names[sizeof(names)];
};

/* An ELF file around the table; malloc'ed. */
static uint8_t *wrap(const uint8_t *data, size_t size)
{
    struct file file = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_phoff = offsetof(struct file, segment),
                   .e_shoff = offsetof(struct file, sections),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 1,
                   .e_shentsize = sizeof(Elf64_Shdr),
                   .e_shnum = 4,
                   .e_shstrndx = 3},
        .segment = {PT_LOAD, PF_R | PF_X, 0, 0, 0, TABLE_AT + size, TABLE_AT + size, 0x1000},
        .sections = {{0},
                     {1, SHT_PROGBITS, SHF_ALLOC, TABLE_AT, TABLE_AT, size, 0, 0, 1, 0},
                     {12, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0, 0, 0x1000, 0, 0, 1, 0},
                     {18, SHT_STRTAB, 0, 0, offsetof(struct file, names), sizeof(names), 0, 0, 1,
                      0}},
    };
    memcpy(file.names, names, sizeof(names));
    uint8_t *bytes = calloc(1, TABLE_AT + size);
    if (!bytes)
        abort();
    memcpy(bytes, &file, sizeof(file));
    memcpy(bytes + TABLE_AT, data, size);
    return bytes;
}

static size_t look_up(const struct go_table *table)
{
    size_t length = 0;
    for (uint64_t pc = FUZZ_BIAS; pc < FUZZ_BIAS + 0x800; pc += 7) {
        struct go_function function;
        struct go_place places[8];
        uint32_t frame;
        if (!go_table_function(table, pc, &function))
            continue;
        length += strlen(function.name);
        go_table_frame_size(table, &function, pc, &frame);
        size_t count = go_table_places(table, &function, pc, places, 8);
        for (size_t i = 0; i < count; i++)
            length += strlen(places[i].function) + (places[i].file ? strlen(places[i].file) : 0);
    }
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process process;
    fuzz_process_init(&process);
    struct modules *modules = fuzz_modules(&process, wrap(data, size), TABLE_AT + size);
    if (!modules)
        abort();
    recording_add_memory(process.recording, FUZZ_BIAS + TABLE_AT, data, size);
    struct go_table *table = module_go_table(modules->modules[0]);
    if (table)
        look_up(table);
    modules_destroy(modules);
    fuzz_process_deinit(&process);
    return 0;
}
