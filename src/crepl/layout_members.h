/* The members of a structure, with those of its base classes. Of layout.c. */
#ifndef SRC_CREPL_LAYOUT_MEMBERS_H
#define SRC_CREPL_LAYOUT_MEMBERS_H

#include "src/crepl/layout.h"

/*
 * Fills members and count of a layout whose size and is_union are set; what has no certain place,
 * lies outside or upon another member is left out. False: no memory, or too many.
 */
bool layout_members_read(struct layouts *layouts, struct module *module, Dwarf_Die *type,
                         struct layout *layout);

#endif
