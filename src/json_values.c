#include "src/json_values.h"

#include "src/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 8192

void json_cleanup(json_object **object)
{
    json_object_put(*object);
}

void json_put(json_object *object, const char *key, json_object *value)
{
    json_object_object_add_ex(object, key, value,
                              JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
}

/* As many characters as surely fit; returns the bytes written. */
static size_t make_valid(const char *bytes, size_t size, char *valid, size_t room)
{
    static const char replacement[] = {'\xef', '\xbf', '\xbd'};
    const char *end = bytes + size;
    size_t used = 0;
    while (bytes < end && used + 4 < room) {
        uint32_t c;
        size_t length = message_utf8_length(bytes, &c);
        if (length > 0) {
            memcpy(valid + used, bytes, length);
            used += length;
        } else {
            memcpy(valid + used, replacement, sizeof(replacement));
            used += sizeof(replacement);
        }
        bytes += length ? length : 1;
    }
    return used;
}

void json_print(FILE *out, const char *json, size_t size)
{
    const char *end = json + size, *plain = json; /* what is before `at` and not yet printed */
    for (const char *at = json; at < end;) {
        uint32_t c = (unsigned char)*at;
        size_t length = c < 0x7f ? 1 : message_utf8_length(at, &c);
        if (c >= 0x7f && length && message_is_control(c)) {
            fwrite(plain, 1, (size_t)(at - plain), out);
            fprintf(out, "\\u%04x", c);
            plain = at + length;
        }
        at += length ? length : 1;
    }
    fwrite(plain, 1, (size_t)(end - plain), out);
}

json_object *json_text(const char *bytes)
{
    if (!bytes)
        return NULL;
    char valid[TEXT_MAX];
    size_t used = make_valid(bytes, strlen(bytes), valid, sizeof(valid));
    return json_object_new_string_len(valid, (int)used);
}

json_object *json_bytes(const char *bytes, size_t size)
{
    size_t room = 3 * size + 5;
    char *valid = malloc(room);
    if (!valid)
        return NULL;
    json_object *object =
        json_object_new_string_len(valid, (int)make_valid(bytes, size, valid, room));
    free(valid);
    return object;
}

json_object *json_time(const struct timespec *time)
{
    struct tm tm;
    char date[32], whole[48];
    if (!gmtime_r(&time->tv_sec, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
        return NULL;
    snprintf(whole, sizeof(whole), "%s.%03dZ", date, (int)(time->tv_nsec / 1000000));
    return json_object_new_string(whole);
}
