#include "payload/python_api.h"

#include "payload/memory.h"
#include "payload/symbols.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

/* Of CPython, PEP 768: who sets it wants no debugger to run code in the process. */
#define OPT_OUT "PYTHON_DISABLE_REMOTE_DEBUG="
#define OLDEST_MINOR 8
#define ENVIRONMENT_MAX (4u << 20)

struct python_api python_api;

static struct {
    struct python_api api; /* being filled */
    struct modules modules;
    const struct module *module; /* all functions are of the same one */
} search;

/* 0: the module has no such symbol. */
static uintptr_t look_up(const char *name)
{
    return symbols_in_module(search.module, name);
}

/* A process may have several in it: Debian's program has its own, and may load an extension that
   brings libpython along. The one that runs counts. */
static bool find_running(bool *there)
{
    *there = false;
    for (size_t i = 0; i < search.modules.count; i++) {
        search.module = &search.modules.list[i];
        uintptr_t is_initialized = look_up("Py_IsInitialized");
        *there |= is_initialized != 0;
        if (is_initialized && ((int (*)(void))is_initialized)())
            return true;
    }
    return false;
}

static bool take_functions(void)
{
    bool all = true;
#define TAKE(name, result, parameters)                      \
    search.api.name = (result(*) parameters)look_up(#name); \
    all &= search.api.name != NULL;
    PYTHON_FUNCTIONS(TAKE)
#undef TAKE
    search.api.is_finalizing = (int (*)(void))look_up("_Py_IsFinalizing");
    if (!search.api.is_finalizing)
        search.api.is_finalizing = (int (*)(void))look_up("Py_IsFinalizing");
    search.api.keyboard_interrupt = (struct python_object **)look_up("PyExc_KeyboardInterrupt");
    return all && search.api.is_finalizing && search.api.keyboard_interrupt;
}

enum finding { NOTHING, NOT_RUNNING, INCOMPLETE, ALL };

static uint64_t find_all(void)
{
    bool there;
    if (!find_running(&there))
        return there ? NOT_RUNNING : NOTHING;
    return take_functions() ? ALL : INCOMPLETE;
}

/* --- Whether it may be used. --- */

static bool contains(const char *text, const char *part)
{
    while (*text && !text_begins(text, part))
        text++;
    return *text;
}

/* "3.11.2 (main, ...": the version as Python prints it. */
static bool is_supported(const char *version, char *why, size_t size)
{
    uint64_t major = 0, minor = 0;
    bool overflow;
    const char *rest = text_number(version, &major, &overflow);
    if (rest && *rest == '.')
        text_number(rest + 1, &minor, &overflow);
    char shown[64];
    text_format(shown, sizeof(shown), "%.40s", version);
    if (major != 3 || minor < OLDEST_MINOR)
        text_format(why, size, "Python %s: the console takes 3.%d and later", shown, OLDEST_MINOR);
    else if (contains(version, "free-threading"))
        text_format(why, size, "Python %s: the console is not made for builds without a GIL",
                    shown);
    else
        return true;
    return false;
}

/* In the environment that the program was started with. */
static bool is_opted_out(void)
{
    bool found = false;
    char *text = memory_map(ENVIRONMENT_MAX);
    long fd = sys_move_high(sys_open("/proc/self/environ", O_RDONLY, 0));
    size_t used = 0;
    long got = 1;
    while (text && fd >= 0 && got > 0 && used < ENVIRONMENT_MAX - 1) {
        got = sys_read((int)fd, text + used, ENVIRONMENT_MAX - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    for (size_t at = 0; text && at < used; at += strlen(text + at) + 1)
        found |= text_begins(text + at, OPT_OUT) && text[at + strlen(OPT_OUT)];
    if (fd >= 0)
        sys_close((int)fd);
    memory_unmap(text, ENVIRONMENT_MAX);
    return found;
}

static enum python_presence judge(enum finding finding, char *why, size_t size)
{
    switch (finding) {
    case NOTHING:
        text_copy(why, size, "there is no Python interpreter in this process");
        return PYTHON_NONE;
    case NOT_RUNNING:
        text_copy(why, size, "the Python interpreter of this process is not running");
        return PYTHON_NONE;
    case INCOMPLETE:
        text_copy(why, size, "the Python interpreter of this process lacks functions of its API");
        return PYTHON_REFUSED;
    case ALL:
        break;
    }
    if (!is_supported(search.api.Py_GetVersion(), why, size))
        return PYTHON_REFUSED;
    if (is_opted_out()) {
        text_copy(why, size,
                  "the program was started with PYTHON_DISABLE_REMOTE_DEBUG: no Python console");
        return PYTHON_REFUSED;
    }
    python_api = search.api;
    if (!python_api_alive()) {
        text_copy(why, size, "the Python interpreter of this process is about to end");
        return PYTHON_REFUSED;
    }
    return PYTHON_FOUND;
}

enum python_presence python_api_find(char *why, size_t size)
{
    uint64_t arguments[ARCH_ARGUMENTS] = {0}, finding = NOTHING;
    struct guard_report report;
    memset(&search, 0, sizeof(search));
    bool done = modules_read(&search.modules) == 0 &&
                guard_run(GUARD_CUT_WAITING, (uintptr_t)find_all, arguments, &finding, &report) ==
                    GUARD_RETURNED;
    modules_deinit(&search.modules);
    if (done)
        return judge((enum finding)finding, why, size);
    text_copy(why, size, "what is loaded in this process cannot be searched for an interpreter");
    return PYTHON_NONE;
}

bool python_api_alive(void)
{
    return python_api.Py_IsInitialized() && !python_api.is_finalizing();
}
