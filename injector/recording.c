#include "injector/recording.h"

#include <stdlib.h>
#include <string.h>

/* Without memory an entry is not added, instead of exit() inside a library. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define PAGE_BYTES 4096
/* Pages of which bytes are kept, at most (512 MiB): who has made up a file must not get more. */
#define PAGES_MAX 131072

/* One answer, `repeats` times in a row. */
struct kept {
    int errnum;
    uint32_t repeats;
    uint8_t *bytes;
    size_t size;
};

struct entry {
    struct kept *answers;
    size_t count;
    size_t given;         /* index of the answer whose turn it is */
    uint32_t given_times; /* how often it was given */
    struct question question;
    size_t key_size;
    UT_hash_handle hh;
    uint8_t key[];
};

/* Bytes of memory that are kept, of one page. */
struct page {
    uint64_t address;
    uint64_t known[PAGE_BYTES / 64]; /* bit i % 64 of word i / 64: byte i is kept */
    uint8_t bytes[PAGE_BYTES];
    UT_hash_handle hh;
};

struct recording {
    struct entry *entries;
    struct page *pages;
    bool incomplete;
};

struct recording *recording_create(void)
{
    return calloc(1, sizeof(struct recording));
}

static void entry_destroy(struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        free(entry->answers[i].bytes);
    free(entry->answers);
    free(entry);
}

void recording_clear(struct recording *recording)
{
    struct entry *entry, *next_entry;
    HASH_ITER(hh, recording->entries, entry, next_entry)
    {
        HASH_DEL(recording->entries, entry);
        entry_destroy(entry);
    }
    struct page *page, *next_page;
    HASH_ITER(hh, recording->pages, page, next_page)
    {
        HASH_DEL(recording->pages, page);
        free(page);
    }
}

void recording_destroy(struct recording *recording)
{
    if (!recording)
        return;
    recording_clear(recording);
    free(recording);
}

bool recording_is_complete(const struct recording *recording)
{
    return !recording->incomplete;
}

/* --- Questions and answers. --- */

/* The question as bytes to look up: numbers, then the name with its NUL. NULL without memory. */
static struct entry *entry_create(const struct question *question)
{
    const uint64_t numbers[] = {question->kind, question->number, question->size};
    size_t name_size = question->name ? strlen(question->name) + 1 : 0;
    struct entry *entry = calloc(1, sizeof(*entry) + sizeof(numbers) + name_size);
    if (!entry)
        return NULL;
    entry->key_size = sizeof(numbers) + name_size;
    memcpy(entry->key, numbers, sizeof(numbers));
    if (name_size)
        memcpy(entry->key + sizeof(numbers), question->name, name_size);
    entry->question = *question;
    entry->question.name = name_size ? (const char *)entry->key + sizeof(numbers) : NULL;
    return entry;
}

/* The entry of a question; NULL: there is none, or, with `add`, no memory for one. */
static struct entry *find(struct recording *recording, const struct question *question, bool add)
{
    struct entry *fresh = entry_create(question), *found = NULL;
    if (!fresh)
        return NULL;
    HASH_FIND(hh, recording->entries, fresh->key, fresh->key_size, found);
    if (!found && add) {
        HASH_ADD_KEYPTR(hh, recording->entries, fresh->key, fresh->key_size, fresh);
        if (fresh->hh.tbl)
            return fresh;
    }
    entry_destroy(fresh);
    return found;
}

static bool same_answer(const struct kept *kept, const struct answer *answer)
{
    return kept->errnum == answer->errnum && kept->size == answer->size &&
           (!answer->size || memcmp(kept->bytes, answer->bytes, answer->size) == 0);
}

static bool append(struct entry *entry, const struct answer *answer, uint32_t repeats)
{
    struct kept *last = entry->count ? &entry->answers[entry->count - 1] : NULL;
    if (last && repeats <= UINT32_MAX - last->repeats && same_answer(last, answer)) {
        last->repeats += repeats;
        return true;
    }
    struct kept *answers = reallocarray(entry->answers, entry->count + 1, sizeof(*answers));
    uint8_t *copy = malloc(answer->size ? answer->size : 1);
    if (answers)
        entry->answers = answers;
    if (!answers || !copy) {
        free(copy);
        return false;
    }
    if (answer->size)
        memcpy(copy, answer->bytes, answer->size);
    answers[entry->count++] = (struct kept){
        .errnum = answer->errnum, .repeats = repeats, .bytes = copy, .size = answer->size};
    return true;
}

void recording_add_times(struct recording *recording, const struct question *question,
                         const struct answer *answer, uint32_t repeats)
{
    struct entry *entry = find(recording, question, true);
    if (!entry || !append(entry, answer, repeats))
        recording->incomplete = true;
}

void recording_add(struct recording *recording, const struct question *question, int errnum,
                   const void *bytes, size_t size)
{
    const struct answer answer = {.errnum = errnum, .bytes = bytes, .size = size};
    recording_add_times(recording, question, &answer, 1);
}

static struct answer give(const struct kept *kept)
{
    return (struct answer){.errnum = kept->errnum, .bytes = kept->bytes, .size = kept->size};
}

bool recording_next(struct recording *recording, const struct question *question,
                    struct answer *ret)
{
    struct entry *entry = find(recording, question, false);
    if (!entry || !entry->count)
        return false;
    if (entry->given_times == entry->answers[entry->given].repeats &&
        entry->given + 1 < entry->count) {
        entry->given++;
        entry->given_times = 0;
    }
    if (entry->given_times < entry->answers[entry->given].repeats)
        entry->given_times++;
    *ret = give(&entry->answers[entry->given]);
    return true;
}

bool recording_last(struct recording *recording, const struct question *question,
                    struct answer *ret)
{
    const struct entry *entry = find(recording, question, false);
    if (!entry || !entry->count)
        return false;
    *ret = give(&entry->answers[entry->count - 1]);
    return true;
}

void recording_each_answer(const struct recording *recording,
                           void (*visit)(const struct question *, const struct answer *,
                                         uint32_t repeats, void *context),
                           void *context)
{
    /* uthash goes through its entries in the order in which they were added. */
    for (const struct entry *entry = recording->entries; entry; entry = entry->hh.next) {
        for (size_t i = 0; i < entry->count; i++) {
            const struct answer answer = give(&entry->answers[i]);
            visit(&entry->question, &answer, entry->answers[i].repeats, context);
        }
    }
}

/* --- Memory by address. --- */

static struct page *find_page(const struct recording *recording, uint64_t address)
{
    struct page *page;
    uint64_t start = address - address % PAGE_BYTES;
    HASH_FIND(hh, recording->pages, &start, sizeof(start), page);
    return page;
}

static struct page *get_page(struct recording *recording, uint64_t address)
{
    struct page *page = find_page(recording, address);
    if (page)
        return page;
    page = HASH_COUNT(recording->pages) < PAGES_MAX ? calloc(1, sizeof(*page)) : NULL;
    if (!page)
        return NULL;
    page->address = address - address % PAGE_BYTES;
    HASH_ADD(hh, recording->pages, address, sizeof(page->address), page);
    if (page->hh.tbl)
        return page;
    free(page);
    return NULL;
}

static bool is_known(const struct page *page, size_t offset)
{
    return page->known[offset / 64] >> offset % 64 & 1;
}

void recording_add_memory(struct recording *recording, uint64_t address, const void *bytes,
                          size_t size)
{
    const uint8_t *from = bytes;
    for (size_t done = 0; done < size;) {
        struct page *page = get_page(recording, address + done);
        size_t offset = (address + done) % PAGE_BYTES, chunk = PAGE_BYTES - offset;
        if (!page) {
            recording->incomplete = true;
            return;
        }
        if (chunk > size - done)
            chunk = size - done;
        memcpy(page->bytes + offset, from + done, chunk);
        for (size_t i = offset; i < offset + chunk; i++)
            page->known[i / 64] |= UINT64_C(1) << i % 64;
        done += chunk;
    }
}

size_t recording_read_memory(const struct recording *recording, uint64_t address, void *buffer,
                             size_t size)
{
    size_t done = 0;
    while (done < size) {
        const struct page *page = find_page(recording, address + done);
        size_t offset = (address + done) % PAGE_BYTES, i = offset;
        if (!page)
            break;
        while (i < PAGE_BYTES && done < size && is_known(page, i))
            ((uint8_t *)buffer)[done++] = page->bytes[i++];
        if (i < PAGE_BYTES)
            break;
    }
    return done;
}

static int compare_pages(const struct page *a, const struct page *b)
{
    return (a->address > b->address) - (a->address < b->address);
}

void recording_each_range(struct recording *recording,
                          void (*visit)(uint64_t address, const uint8_t *bytes, size_t size,
                                        void *context),
                          void *context)
{
    HASH_SORT(recording->pages, compare_pages);
    for (const struct page *page = recording->pages; page; page = page->hh.next) {
        for (size_t i = 0; i < PAGE_BYTES;) {
            size_t end = i;
            while (end < PAGE_BYTES && is_known(page, end))
                end++;
            if (end > i)
                visit(page->address + i, page->bytes + i, end - i, context);
            i = end + (end < PAGE_BYTES);
        }
    }
}
