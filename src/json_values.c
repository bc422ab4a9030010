#include "src/json_values.h"

#include "src/message.h"

#include <stdio.h>
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

json_object *json_text(const char *bytes)
{
    if (!bytes)
        return NULL;
    static const char replacement[] = {'\xef', '\xbf', '\xbd'};
    char valid[TEXT_MAX];
    size_t used = 0;
    while (*bytes && used + 4 < sizeof(valid)) {
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
    return json_object_new_string_len(valid, (int)used);
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
