/* The verbs besides dump, one file each, named as the user types them. Each returns the exit
 * status. */
#ifndef SRC_VERBS_H
#define SRC_VERBS_H

#include "src/options.h"

int attach_run(const struct options *options);    /* attach, --eval, --file: src/attach.c */
int install_run(const struct options *options);   /* src/install.c */
int uninstall_run(const struct options *options); /* src/uninstall.c */
int check_run(const struct options *options);     /* src/check.c */
int list_run(const struct options *options);      /* src/list.c */

#endif
