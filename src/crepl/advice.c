#include "src/crepl/advice.h"

#include "injector/debug_server.h"
#include "src/base_name.h"
#include "src/message.h"

#include <stdio.h>

void advise_debug_information(struct names *names)
{
    struct module *module;
    struct name_index *index;
    char id[2 * BUILD_ID_MAX + 1] = "", name[256], text[512];
    if (!names_module(names, 0, &module, &index) || index)
        return;
    for (size_t i = 0; i < module->build_id_size; i++)
        snprintf(id + 2 * i, 3, "%02x", module->build_id[i]);
    message_sanitize(base_name(module->path), name, sizeof(name));
    if (!*id)
        snprintf(text, sizeof(text), "it has no build-id: a build with -g helps");
    else if (debug_server_wanted())
        snprintf(text, sizeof(text),
                 "the servers of DEBUGINFOD_URLS do not have it (build-id %s); its package's "
                 "-dbgsym helps",
                 id);
    else
        snprintf(text, sizeof(text),
                 "set DEBUGINFOD_URLS, or install its package's -dbgsym (debuginfod-find debuginfo "
                 "%s)",
                 id);
    message_note("%s has no debug information: functions return long, variables are bytes, "
                 ".load FILE.h brings types; %s",
                 name, text);
}
