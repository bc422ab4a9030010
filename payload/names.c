#include "payload/names.h"

#include "payload/places.h"
#include "payload/text.h"

#include <string.h>

struct name {
    struct name *next;
    uintptr_t pc;
    bool exact;
    char text[];
};

_Static_assert(UNWIND_MAX_FRAMES <= PLACES_MAX, "a stack is looked up in one go");

bool names_init(struct names *names)
{
    memset(names, 0, sizeof(*names));
    names->places = memory_map(PLACES_MAX * sizeof(struct place));
    return names->places != NULL;
}

void names_deinit(struct names *names)
{
    memory_unmap(names->places, PLACES_MAX * sizeof(struct place));
    arena_deinit(&names->arena);
    memset(names, 0, sizeof(*names));
}

static size_t bucket_of(uintptr_t pc)
{
    return (pc ^ pc >> 9) % NAMES_BUCKETS;
}

const char *names_get(const struct names *names, uintptr_t pc, bool exact)
{
    for (const struct name *name = names->buckets[bucket_of(pc)]; name; name = name->next)
        if (name->pc == pc && name->exact == exact)
            return name->text;
    return NULL;
}

static void keep(struct names *names, uintptr_t pc, bool exact, const struct place *place)
{
    char text[512];
    size_t length = place_describe(place, pc, text, sizeof(text));
    struct name *name = arena_alloc(&names->arena, sizeof(*name) + length + 1);
    if (!name)
        return;
    name->pc = pc;
    name->exact = exact;
    text_copy(name->text, length + 1, text);
    name->next = names->buckets[bucket_of(pc)];
    names->buckets[bucket_of(pc)] = name;
}

void names_learn(struct names *names, struct unwinder *unwinder, const struct trace *trace)
{
    uintptr_t addresses[UNWIND_MAX_FRAMES];
    uint16_t frames[UNWIND_MAX_FRAMES];
    size_t count = 0;
    for (size_t i = 0; i < trace->count; i++) {
        if (names_get(names, trace->pcs[i], trace->exact[i]))
            continue;
        /* A return address belongs to the call before it. */
        addresses[count] = trace->pcs[i] - !trace->exact[i];
        frames[count++] = (uint16_t)i;
    }
    if (!count)
        return;
    places_find(&unwinder->modules, &unwinder->code, addresses, count, names->places);
    for (size_t i = 0; i < count; i++)
        if (!names_get(names, trace->pcs[frames[i]], trace->exact[frames[i]]))
            keep(names, trace->pcs[frames[i]], trace->exact[frames[i]], &names->places[i]);
}
