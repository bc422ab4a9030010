/*
 * A program that was started with libmanhole preloaded, or is linked with it, and has MANHOLE in
 * its environment, gets its manhole before main, as PYTHONMANHOLE gives it to Python programs.
 */
#include "payload/install.h"
#include "payload/manhole.h"
#include "payload/options.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

#define VARIABLE "MANHOLE="

extern char **environ;

static const char *find_variable(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (text_begins(*entry, VARIABLE))
            return *entry + strlen(VARIABLE);
    return NULL;
}

static void complain(const char *message)
{
    char line[640];
    size_t size =
        text_format(line, sizeof(line), "manhole: MANHOLE: %s: no manhole is installed\n", message);
    sys_write(2, line, size); /* nobody else could be told */
}

/* manhole-attach loads us on a thread of its own, and installs by its own options. */
__attribute__((constructor)) static void begin(void)
{
    if (sys_gettid() != sys_getpid())
        return;
    const char *text = find_variable();
    if (!text)
        return;
    struct manhole_options options;
    char message[512];
    if (options_parse(text, &options, message, sizeof(message)) != 0) {
        complain(message);
    } else if (install_at_start(&options) != 0) {
        manhole_last_message(message, sizeof(message));
        complain(message);
    }
}
