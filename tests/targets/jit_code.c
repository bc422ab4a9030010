/*
 * Waits below code that it made itself, in anonymous memory: no file, no name, no frame pointer.
 * With the argument "registered" it tells debuggers of it as gdb's documentation says ("JIT
 * Interface"): an ELF file in memory with a symbol and an unwind table; with "endless" or "broken"
 * so that it cannot be read to its end. With "thread" it is registered, and a thread waits there.
 * Prints where the code is.
 */
#include <elf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

/* Not static, as the documentation wants it: whoever looks from outside finds it by this name. */
struct jit_descriptor __jit_debug_descriptor = {1, 0, 0, 0};

/* push %rbx; xor %ebx,%ebx; sub $0x110,%rsp; call *%rdi; add $0x110,%rsp; pop %rbx; ret */
static const uint8_t code[] = {0x53, 0x31, 0xdb, 0x48, 0x81, 0xec, 0x10, 0x01, 0,    0,   0xff,
                               0xd7, 0x48, 0x81, 0xc4, 0x10, 0x01, 0,    0,    0x5b, 0xc3};

/* CIE: version 1, "", factors 1 and -8, return address 16; CFA = rsp + 8. FDE: absolute addresses.
 */
static uint8_t unwind_table[] = {
    20,           0,    0,    0,        0,  0, 0, 0, 1, 0, 1, 0x78, 16, 0x0c, 7, 8,
    0x80 | 16,    1,    0,    0,        0,  0, 0, 0, /**/
    36,           0,    0,    0,        28, 0, 0, 0, 0, 0, 0, 0,    0,  0,    0, 0,
    sizeof(code), 0,    0,    0,        0,  0, 0, 0, /**/
    0x40 | 1,     0x0e, 16,   0x80 | 3, 2, /* behind the push: CFA = rsp + 16, rbx at CFA - 16 */
    0x40 | 9,     0x0e, 0xa0, 0x02,        /* behind the sub: CFA = rsp + 288 */
    0x40 | 9,     0x0e, 16,   0,        0,  0, 0, 0, 0, 0, 0};

static const char section_names[] = "\0.text\0.eh_frame\0.symtab\0.strtab\0.shstrtab";
static const char symbol_names[] = "\0made_at_run_time";

static struct image {
    Elf64_Ehdr header;
    Elf64_Shdr sections[6];
    Elf64_Sym symbols[2];
    uint8_t unwind_table[sizeof(unwind_table)];
    char section_names[sizeof(section_names)], symbol_names[sizeof(symbol_names)];
} image;

#define AT(member) .sh_offset = offsetof(struct image, member), .sh_size = sizeof(image.member)

static void fill_image(uint64_t start)
{
    memcpy(unwind_table + 32, &start, sizeof(start));
    memcpy(image.unwind_table, unwind_table, sizeof(unwind_table));
    memcpy(image.section_names, section_names, sizeof(section_names));
    memcpy(image.symbol_names, symbol_names, sizeof(symbol_names));
    image.header = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = offsetof(struct image, sections),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = 6,
        .e_shstrndx = 5,
    };
    image.sections[1] = (Elf64_Shdr){.sh_name = 1,
                                     .sh_type = SHT_NOBITS,
                                     .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                                     .sh_addr = start,
                                     .sh_size = sizeof(code)};
    image.sections[2] = (Elf64_Shdr){
        .sh_name = 7, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, AT(unwind_table)};
    image.sections[3] = (Elf64_Shdr){.sh_name = 17,
                                     .sh_type = SHT_SYMTAB,
                                     AT(symbols),
                                     .sh_link = 4,
                                     .sh_info = 1,
                                     .sh_entsize = sizeof(Elf64_Sym)};
    image.sections[4] = (Elf64_Shdr){.sh_name = 25, .sh_type = SHT_STRTAB, AT(symbol_names)};
    image.sections[5] = (Elf64_Shdr){.sh_name = 33, .sh_type = SHT_STRTAB, AT(section_names)};
    image.symbols[1] = (Elf64_Sym){1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0, sizeof(code)};
}

static void wait_below(void)
{
    for (;;)
        pause();
}

static void *wait_in(void *memory)
{
    ((void (*)(void (*)(void)))memory)(wait_below);
    return NULL;
}

int main(int argc, char **argv)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(memory, code, sizeof(code));
    mprotect(memory, 4096, PROT_READ | PROT_EXEC);
    fill_image((uint64_t)memory);
    static struct jit_code_entry entry = {.symfile_addr = (char *)&image,
                                          .symfile_size = sizeof(image)};
    static struct jit_code_entry other = {.next_entry = &entry, .symfile_size = UINT64_MAX};
    const char *how = argc > 1 ? argv[1] : "";
    bool threaded = !strcmp(how, "thread");
    if (!strcmp(how, "registered") || !strcmp(how, "endless") || threaded)
        __jit_debug_descriptor.first_entry = &entry;
    if (!strcmp(how, "endless")) /* and with a file that is none */
        entry.next_entry = &other;
    if (!strcmp(how, "broken")) { /* the last section's header is cut off, and the list too */
        entry.next_entry = (void *)8;
        entry.symfile_size -= 8;
        memset(image.unwind_table, 0xff, sizeof(unwind_table));
        image.sections[3].sh_size = UINT64_MAX / 2;
        __jit_debug_descriptor.first_entry = &entry;
    }
    pthread_t thread;
    if (threaded && pthread_create(&thread, NULL, wait_in, memory))
        return 1;
    printf("ready %lx %zx\n", (unsigned long)memory, sizeof(code));
    fflush(stdout);
    if (threaded)
        pthread_join(thread, NULL);
    wait_in(memory);
    return 0;
}
