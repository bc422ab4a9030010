/* What all JSON that we print has in common, over json-c. Values are owned by who gets them, until
   they are put into an object. */
#ifndef SRC_JSON_VALUES_H
#define SRC_JSON_VALUES_H

#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

struct samples;
struct sample_thread;

/* Puts a member with a constant name that the object does not have yet. */
void json_put(json_object *object, const char *key, json_object *value);

/* Bytes that are no UTF-8 become U+FFFD: a JSON text is UTF-8 (RFC 8259, 8.1). NULL gives null. */
json_object *json_text(const char *bytes);
/* The same for any number of bytes, which a NUL follows; json_text cuts after 8 KB. */
json_object *json_bytes(const char *bytes, size_t size);

/* Prints a part of a JSON text, which json-c made: what would steer a terminal and stands there as
   it is (DEL, C1, turns of direction) is escaped, since only strings can hold it. */
void json_print(FILE *out, const char *json, size_t size);

/* RFC 3339 in UTC with milliseconds. */
json_object *json_time(const struct timespec *time);

/* What the samples say of one thread, and of the process with the threads that have ended. */
json_object *json_thread_samples(const struct sample_thread *thread);
json_object *json_process_samples(const struct samples *samples);

void json_cleanup(json_object **object);
#define CLEANUP_JSON __attribute__((cleanup(json_cleanup)))

#endif
