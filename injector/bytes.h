/*
 * Fields of fixed width, little-endian, one after another: written to memory that grows, and read
 * from bytes that somebody else may have made up.
 */
#ifndef INJECTOR_BYTES_H
#define INJECTOR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct byte_writer {
    uint8_t *bytes; /* malloc'ed */
    size_t size, capacity;
    bool failed; /* memory was short: what is there is not all */
};

void put_u8(struct byte_writer *writer, uint8_t value);
void put_u32(struct byte_writer *writer, uint32_t value);
void put_u64(struct byte_writer *writer, uint64_t value);
void put_bytes(struct byte_writer *writer, const void *bytes, size_t size);
/* The size (64 bits), then the bytes. */
void put_block(struct byte_writer *writer, const void *bytes, size_t size);
/* As put_block, without the NUL; NULL is written like "". */
void put_text(struct byte_writer *writer, const char *text);
void byte_writer_deinit(struct byte_writer *writer);

/* Borrows the bytes. Reading behind their end gives zeros and sets `failed`. */
struct byte_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

uint8_t get_u8(struct byte_reader *reader);
uint32_t get_u32(struct byte_reader *reader);
uint64_t get_u64(struct byte_reader *reader);
/* The bytes of a block, within those of the reader; *size is 0 where it failed. */
const uint8_t *get_block(struct byte_reader *reader, size_t *size);
/* A text into a buffer. Too long a one, or one with a NUL in it, is a failure. */
void get_text(struct byte_reader *reader, char *buffer, size_t size);
/* The same, malloc'ed and never NULL but for a failure; "" stays "". */
char *get_new_text(struct byte_reader *reader);
/*
 * How many records follow (32 bits), each of at least `smallest` bytes: more than there can be is a
 * failure and 0, so that nobody allocates by a made-up number.
 */
size_t get_count(struct byte_reader *reader, size_t smallest);

#endif
