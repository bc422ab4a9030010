/*
 * An index in a file: a head, the entries, the table, and all names, each once; the words of this
 * machine, since it is read by nobody else, and in the place where they are mapped.
 */
#include "src/crepl/name_index_private.h"

#include "injector/cleanup.h"
#include "src/debug_copy.h"
#include "src/lines.h"

#include <string.h>

#define KIND "names"

struct head {
    uint64_t entry_size; /* where that has changed, so has their form */
    uint64_t count, walked, shared_start;
    uint64_t heads;   /* how many */
    uint64_t strings; /* bytes */
    uint64_t has_locals;
    uint64_t copied; /* there was a copy of the debug information: both, or none */
};

static bool find_key(struct module *module, struct user_cache_key *ret)
{
    const char *path;
    int fd = module_debug_file(module, &path);
    return user_cache_key(fd, module->build_id, module->build_id_size, ret);
}

/* --- Reading. --- */

/* No chain and no line of scopes comes back to itself, and nothing points out of the file. */
static bool is_sound(const struct head *head, const struct name_entry *entries,
                     const uint32_t *heads, const char *strings)
{
    if (!head->strings || strings[head->strings - 1])
        return false;
    for (uint64_t i = 0; i < head->heads; i++) {
        if (heads[i] >= head->count && heads[i] != NO_ENTRY)
            return false;
    }
    for (uint64_t i = 0; i < head->count; i++) {
        const struct name_entry *entry = &entries[i];
        if (entry->name >= head->strings || entry->kind > NAME_NAMESPACE ||
            (entry->next != NO_ENTRY && (entry->next <= i || entry->next >= head->count)) ||
            (entry->parent != NAME_NO_PARENT && entry->parent >= i))
            return false;
    }
    return true;
}

static bool is_complete(const struct user_cache_file *file, const struct head *head)
{
    return head->entry_size == sizeof(struct name_entry) && head->count < NO_ENTRY &&
           head->walked <= head->count && head->shared_start <= head->walked && head->heads &&
           head->heads <= UINT32_MAX && !(head->heads & (head->heads - 1)) &&
           head->strings <= file->size &&
           sizeof(*head) + head->count * sizeof(struct name_entry) +
                   head->heads * sizeof(uint32_t) + head->strings ==
               file->size;
}

static bool take(struct name_index *index, const struct user_cache_key *key)
{
    struct head head;
    const uint8_t *bytes = index->file.bytes;
    if (index->file.size < sizeof(head))
        return false;
    memcpy(&head, bytes, sizeof(head));
    if (!is_complete(&index->file, &head) || (head.copied && !debug_copy_exists(key)))
        return false;
    struct name_entry *entries = (struct name_entry *)(bytes + sizeof(head));
    uint32_t *heads = (uint32_t *)(entries + head.count);
    const char *strings = (const char *)(heads + head.heads);
    if (!is_sound(&head, entries, heads, strings))
        return false;
    index->entries = entries;
    index->heads = heads;
    index->mask = (uint32_t)head.heads - 1;
    index->names = (uintptr_t)strings;
    index->count = index->walked = (uint32_t)head.walked;
    index->kept_count = (uint32_t)head.count;
    index->shared_start = (uint32_t)head.shared_start;
    index->kept_locals = head.has_locals;
    index->is_kept = true;
    return true;
}

bool name_kept_exists(struct module *module)
{
    struct user_cache_key key;
    return find_key(module, &key) && user_cache_has(&key, KIND);
}

bool name_kept_load(struct name_index *index)
{
    struct user_cache_key key;
    if (!find_key(index->module, &key) || !user_cache_open(&key, KIND, &index->file))
        return false;
    if (take(index, &key))
        return true;
    user_cache_close(&index->file);
    return false;
}

bool name_kept_detach(struct name_index *index)
{
    if (!index->is_kept)
        return true;
    struct name_entry *entries = calloc(index->count + 1, sizeof(*entries));
    if (!entries)
        return false;
    memcpy(entries, index->entries, index->count * sizeof(*entries));
    index->entries = entries;
    index->capacity = index->count + 1;
    index->heads = NULL;
    index->is_kept = false;
    return true;
}

/* --- Writing. --- */

/* The first entry of that name. */
static uint32_t first_of(const struct name_index *index, const struct name_entry *entry)
{
    const struct name_entry *first = name_index_find(index, name_index_name(index, entry), NULL);
    return (uint32_t)(first - index->entries);
}

/* Copies the entries, with the places that their names have among the strings. */
static bool write_names(const struct name_index *index, struct name_entry *entries, FILE *strings)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < index->count; i++) {
        const char *name = name_index_name(index, &index->entries[i]);
        uint32_t first = first_of(index, &index->entries[i]);
        entries[i] = index->entries[i];
        entries[i].name = first < i ? entries[first].name : size;
        if (first < i)
            continue;
        size_t length = strlen(name) + 1;
        if (fwrite(name, 1, length, strings) != length)
            return false;
        size += length;
    }
    return true;
}

static void save(const struct name_index *index, const struct user_cache_key *key,
                 struct name_entry *entries)
{
    CLEANUP_FREE char *strings = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&strings, &size);
    bool written = stream && write_names(index, entries, stream);
    if (!stream || fclose(stream) != 0 || !written)
        return;
    const struct head head = {
        .entry_size = sizeof(*entries),
        .count = index->count,
        .walked = index->walked,
        .shared_start = index->shared_start,
        .heads = (uint64_t)index->mask + 1,
        .strings = size,
        .has_locals = index->has_locals,
        .copied = debug_copy_exists(key),
    };
    const struct iovec parts[] = {
        {(void *)&head, sizeof(head)},
        {entries, index->count * sizeof(*entries)},
        {index->heads, (size_t)head.heads * sizeof(*index->heads)},
        {strings, size},
    };
    user_cache_save(key, KIND, parts, sizeof(parts) / sizeof(parts[0]));
}

void name_kept_save(const struct name_index *index)
{
    struct user_cache_key key;
    struct lines *lines = symbols_lines(index->symbols, index->module);
    /* What is not whole now may be so when it is read. */
    if (!lines || index->full || !lines_are_complete(lines) || !find_key(index->module, &key))
        return;
    CLEANUP_FREE struct name_entry *entries = calloc(index->count + 1, sizeof(*entries));
    if (!entries)
        return;
    lines_keep(lines);
    save(index, &key, entries);
}
