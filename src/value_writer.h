/* What the files that write values share: values.c (structures and arrays), value_strings.c and
   value_scalars.c (everything else that has no parts). */
#ifndef SRC_VALUE_WRITER_H
#define SRC_VALUE_WRITER_H

#include "src/values.h"

#include <stdbool.h>
#include <stdint.h>

/* Elements of an array and characters of a string that are shown, as gdb does by default. */
#define ELEMENTS_MAX 200
/* Equal elements and characters beyond this are counted instead. */
#define REPEATS_SHOWN 10

struct writer {
    const struct value_frame *frame;
    struct symbols *symbols;
    char *text;
    size_t size, used;
    bool full;        /* the text is cut */
    bool nested;      /* VALUE_NESTED */
    char format;      /* the letter of a format (value_formats.c); 0: by the type */
    bool copied;      /* what follows a structure in the program does not follow it here */
    unsigned indent;  /* of the line that is being written, in levels */
    size_t work_left; /* values within this one that may still be looked at */
};

/* What is written goes to a buffer of `size` bytes (at least 4); the end says so if it is cut, and
   gives the length. */
void writer_init(struct writer *writer, const struct value_frame *frame, struct symbols *symbols,
                 enum value_layout layout, char *buffer, size_t size);
size_t writer_end(struct writer *writer);

void writer_add(struct writer *writer, const char *text);
void writer_format(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where the layout is nested: the next line, at its indent. */
void writer_next_line(struct writer *writer);

/* Why a value cannot be had, in angle brackets. */
void writer_add_problem(struct writer *writer, enum place place);

/* A value of any type, at `offset` bytes of what is in `storage`. */
void writer_add_value(struct writer *writer, const Dwarf_Die *type, const struct storage *storage,
                      uint64_t offset);

/* The elements of an array, equal neighbours counted. */
struct elements {
    uint64_t count;
    void (*add)(struct writer *writer, const struct elements *elements, uint64_t index);
};
void writer_add_elements(struct writer *writer, const struct elements *elements);

/* --- Strings. --- */

/* Characters: of how many bytes (1, 2 or 4), and what stands before their quotes. */
struct encoding {
    unsigned width;
    const char *prefix;
};
extern const struct encoding encoding_char;

/* True for the types of characters: char and its kinds, wchar_t, char16_t, char32_t. */
bool encoding_of_type(const Dwarf_Die *type, struct encoding *ret);

/* `size` bytes in double quotes, escaped; of what is repeated more than REPEATS_SHOWN times the
   count. */
void writer_add_string(struct writer *writer, const struct encoding *encoding, const uint8_t *bytes,
                       size_t size);

/* The characters at an address in the target, up to a NUL. Returns the bytes that are shown, with
   the NUL; 0: they cannot be read. */
uint64_t writer_add_string_at(struct writer *writer, const struct encoding *encoding,
                              uint64_t address);

/* An array of `count` characters, at `offset` bytes of what is in `storage`. */
void writer_add_char_array(struct writer *writer, const struct encoding *encoding,
                           const struct storage *storage, uint64_t offset, uint64_t count);

/* "65 'A'". */
void writer_add_char(struct writer *writer, const struct encoding *encoding, uint64_t value,
                     bool is_signed);

/* --- Numbers and pointers. --- */

/* A float, double or (16 bytes) long double, with the fewest digits that give it again. */
void writer_add_float(struct writer *writer, const uint8_t *bytes, size_t size);

/* What the bytes of a float, double or long double are. */
long double float_value(const uint8_t *bytes, size_t size);

/* 16 bytes. */
void writer_add_wide_integer(struct writer *writer, const uint8_t *bytes, bool is_signed);

/* " <name+4>" of an address that has a symbol. */
void writer_add_symbol(struct writer *writer, uint64_t address);

/* An address, its symbol, and the string there if it is one of characters (NULL: it is none). */
void writer_add_address(struct writer *writer, const struct encoding *encoding, uint64_t address);

/* A number of a base type or enumeration, extended to 64 bits according to its type. */
void writer_add_number(struct writer *writer, Dwarf_Die *type, uint64_t value);

/* --- By a format (value_formats.c). --- */

/* The letters there are. */
#define FORMAT_LETTERS "xduotacfsz"

/* A format that says how numbers are written: any but that of strings, which is how they are
 * anyway. */
bool writer_has_format(const struct writer *writer);

/* A number of at most 16 bytes, little endian. */
struct formatted {
    const uint8_t *bytes;
    size_t size;
    bool is_signed, is_float;
    bool is_padded; /* hexadecimal and binary: with the zeroes in front */
};
void writer_add_formatted(struct writer *writer, const struct formatted *formatted);

/* --- All that has no parts. --- */

/*
 * A value without parts: base types, enumerations, pointers. False: the type is none of these.
 */
bool writer_add_scalar(struct writer *writer, const Dwarf_Die *declared,
                       const struct storage *storage, uint64_t offset);

#endif
