#include "injector/bytes.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void put_bytes(struct byte_writer *writer, const void *bytes, size_t size)
{
    if (writer->failed || !size)
        return;
    if (size > writer->capacity - writer->size) {
        size_t capacity = writer->capacity ? writer->capacity : 256;
        while (capacity - writer->size < size && capacity <= SIZE_MAX / 2)
            capacity *= 2;
        uint8_t *larger = capacity - writer->size < size ? NULL : realloc(writer->bytes, capacity);
        if (!larger) {
            writer->failed = true;
            return;
        }
        writer->bytes = larger;
        writer->capacity = capacity;
    }
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

void put_u8(struct byte_writer *writer, uint8_t value)
{
    put_bytes(writer, &value, sizeof(value));
}

void put_u32(struct byte_writer *writer, uint32_t value)
{
    value = htole32(value);
    put_bytes(writer, &value, sizeof(value));
}

void put_u64(struct byte_writer *writer, uint64_t value)
{
    value = htole64(value);
    put_bytes(writer, &value, sizeof(value));
}

void put_block(struct byte_writer *writer, const void *bytes, size_t size)
{
    put_u64(writer, size);
    put_bytes(writer, bytes, size);
}

void put_text(struct byte_writer *writer, const char *text)
{
    put_block(writer, text, text ? strlen(text) : 0);
}

void byte_writer_deinit(struct byte_writer *writer)
{
    free(writer->bytes);
    *writer = (struct byte_writer){0};
}

/* The next `size` bytes, or NULL. */
static const uint8_t *get(struct byte_reader *reader, size_t size)
{
    if (reader->failed || size > reader->left) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    reader->left -= size;
    return bytes;
}

uint8_t get_u8(struct byte_reader *reader)
{
    const uint8_t *bytes = get(reader, 1);
    return bytes ? *bytes : 0;
}

uint32_t get_u32(struct byte_reader *reader)
{
    uint32_t value = 0;
    const uint8_t *bytes = get(reader, sizeof(value));
    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return le32toh(value);
}

uint64_t get_u64(struct byte_reader *reader)
{
    uint64_t value = 0;
    const uint8_t *bytes = get(reader, sizeof(value));
    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return le64toh(value);
}

const uint8_t *get_block(struct byte_reader *reader, size_t *size)
{
    uint64_t length = get_u64(reader);
    const uint8_t *bytes = get(reader, length);
    *size = bytes ? length : 0;
    return bytes;
}

void get_text(struct byte_reader *reader, char *buffer, size_t size)
{
    size_t length;
    const uint8_t *bytes = get_block(reader, &length);
    if (!bytes || length >= size || memchr(bytes, '\0', length)) {
        reader->failed = true;
        length = 0;
    }
    if (length)
        memcpy(buffer, bytes, length);
    buffer[length] = '\0';
}

char *get_new_text(struct byte_reader *reader)
{
    size_t length;
    const uint8_t *bytes = get_block(reader, &length);
    char *text = bytes && !memchr(bytes, '\0', length) ? malloc(length + 1) : NULL;
    if (!text) {
        reader->failed = true;
        return NULL;
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

size_t get_count(struct byte_reader *reader, size_t smallest)
{
    size_t count = get_u32(reader);
    if (!reader->failed && count <= reader->left / smallest)
        return count;
    reader->failed = true;
    return 0;
}
