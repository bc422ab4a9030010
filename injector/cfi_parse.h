/* Reading CIEs and FDEs of .eh_frame and .debug_frame; every byte checked against their end. */
#ifndef INJECTOR_CFI_PARSE_H
#define INJECTOR_CFI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pointer encodings: LSB Core "DWARF Exception Header Encoding". */
enum {
    PE_ABSPTR = 0x00,
    PE_ULEB128 = 0x01,
    PE_UDATA2 = 0x02,
    PE_UDATA4 = 0x03,
    PE_UDATA8 = 0x04,
    PE_SLEB128 = 0x09,
    PE_SDATA2 = 0x0a,
    PE_SDATA4 = 0x0b,
    PE_SDATA8 = 0x0c,
    PE_FORMAT_MASK = 0x0f,
    PE_PCREL = 0x10,
    PE_DATAREL = 0x30,
    PE_BASE_MASK = 0x70,
    PE_INDIRECT = 0x80,
    PE_OMIT = 0xff,
};

struct cfi_section {
    const uint8_t *bytes;
    size_t size;
    uint64_t vaddr;      /* of bytes[0], ELF */
    bool is_debug_frame; /* else .eh_frame */
};

/* Reads forward through a section; a read past the end gives 0 and clears `ok`. */
struct cfi_reader {
    const struct cfi_section *section;
    size_t at, end;
    bool ok;
};

uint64_t cfi_read_fixed(struct cfi_reader *reader, unsigned size);
uint64_t cfi_read_uleb128(struct cfi_reader *reader);
int64_t cfi_read_sleb128(struct cfi_reader *reader);

/* An encoded pointer as an ELF vaddr; `data` is the base of PE_DATAREL. */
uint64_t cfi_read_pointer(struct cfi_reader *reader, uint8_t encoding, uint64_t data);

/* One CIE or FDE: offsets into the section. */
struct cfi_record {
    size_t start;    /* of the length field */
    size_t id;       /* of the CIE id or CIE pointer */
    size_t contents; /* behind that */
    size_t end;
    bool is_cie;
    size_t cie; /* of an FDE: the start of its CIE */
};

/*
 * The record at an offset. False: it is no record, or it reaches beyond the section. A terminator
 * (length 0) is returned with contents == end.
 */
bool cfi_parse_record(const struct cfi_section *section, size_t offset, struct cfi_record *ret);

struct cfi_cie {
    uint8_t version;
    const char *augmentation; /* in the section */
    size_t alignments;        /* offset of the code alignment factor */
    uint8_t fde_encoding;
    bool signal_frame; /* the code is a signal handler's way back */
};
bool cfi_parse_cie(const struct cfi_section *section, const struct cfi_record *record,
                   struct cfi_cie *ret);

struct cfi_fde {
    uint64_t start, end; /* ELF vaddr of the code */
    size_t instructions; /* offset behind the addresses (.debug_frame: of the program) */
};
bool cfi_parse_fde(const struct cfi_section *section, const struct cfi_record *record,
                   const struct cfi_cie *cie, struct cfi_fde *ret);

#endif
