/*
 * Names for addresses, from the dynamic symbol tables of what is loaded. They are read as memory of
 * the program is read here: no lock is taken, a broken table gives no name, and nothing faults.
 */
#ifndef PAYLOAD_PLACES_H
#define PAYLOAD_PLACES_H

#include "payload/modules.h"
#include "payload/view.h"

struct place {
    const char *module; /* base name of the file; NULL: no file. Lives as long as the modules */
    uintptr_t module_base;
    char symbol[256]; /* whose extent holds the address; cut if longer; "": none is known */
    uintptr_t symbol_address;
};

#define PLACES_MAX 256 /* in one call */

/* Where each of the addresses is; `view` reads the tables. */
void places_find(const struct modules *modules, struct view *view, const uintptr_t *addresses,
                 size_t count, struct place *places);

/* "name+0x12 (module)", "module+0x1234", or "0x1234", for an address at the place or just after it
   (a return address). Returns the bytes written. */
size_t place_describe(const struct place *place, uintptr_t address, char *buffer, size_t size);

/* One address; just the number when there is no memory for more. */
size_t places_describe_address(uintptr_t address, char *buffer, size_t size);

#endif
