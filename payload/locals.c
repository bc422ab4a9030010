#include "payload/locals.h"

#include "payload/manhole.h"
#include "payload/places.h"
#include "payload/symbols.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

#define LOCALS_MAX 64
#define NAME_BYTES 64

struct table {
    size_t count;
    struct local {
        char name[NAME_BYTES];
        uint64_t value;
    } locals[LOCALS_MAX];
};

static struct {
    struct table table;
    char text[sizeof(((struct manhole_options *)NULL)->locals)]; /* what it was made from */
} state;

/* --- Expressions. --- */

static int fail(int status, char *message, size_t size, const char *what, const char *text)
{
    char clean[128];
    size_t length = strlen(text);
    clean[text_sanitize(clean, sizeof(clean) - 1, text, length < 64 ? length : 64, NULL)] = '\0';
    text_format(message, size, "locals: '%s': %s", clean, what);
    return status;
}

/* An ifunc's resolver says which function it is, as the loader would ask it. */
static int resolve(const char *name, uint64_t *ret, char *message, size_t size)
{
    struct symbol hits[SYMBOLS_MAX_HITS];
    if (!symbols_by_name(name, hits))
        return fail(EINVAL, message, size, "no such symbol in what is loaded", name);
    if (hits[0].kind == SYMBOL_TLS)
        return fail(EINVAL, message, size, "is thread-local: every thread has its own", name);
    *ret = hits[0].address;
    if (hits[0].kind == SYMBOL_IFUNC)
        *ret = ((uintptr_t(*)(void))hits[0].address)();
    return 0;
}

/* A number or a symbol; *text is what follows it. */
static int take_term(const char **text, uint64_t *ret, char *message, size_t size)
{
    char name[256];
    bool overflow;
    const char *rest = text_number(*text, ret, &overflow);
    if (rest) {
        *text = rest;
        return 0;
    }
    size_t length = 0;
    while ((*text)[length] && !text_find("+-, \t", (*text)[length]))
        length++;
    if (!length || length >= sizeof(name) || overflow)
        return fail(EINVAL, message, size, "no number and no symbol", *text);
    text_format(name, sizeof(name), "%.*s", (int)length, *text);
    *text += length;
    return resolve(name, ret, message, size);
}

static int take_expression(const char **text, uint64_t *ret, char *message, size_t size)
{
    const char *begin = *text;
    int status = take_term(text, ret, message, size);
    while (!status && **text && **text != ',') {
        uint64_t term;
        char sign = *(*text = text_skip_blanks(*text));
        if (sign != '+' && sign != '-')
            return fail(EINVAL, message, size, "'+' or '-' and a term must follow", begin);
        *text = text_skip_blanks(*text + 1);
        status = take_term(text, &term, message, size);
        *ret += sign == '+' ? term : 0 - term;
    }
    return status;
}

static bool is_name_character(char c, bool first)
{
    return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (!first && c >= '0' && c <= '9');
}

static int take_local(const char **text, struct local *local, char *message, size_t size)
{
    const char *begin = *text;
    size_t length = 0;
    while (is_name_character(begin[length], length == 0))
        length++;
    const char *equals = text_skip_blanks(begin + length);
    if (!length || length >= sizeof(local->name) || *equals != '=')
        return fail(EINVAL, message, size, "NAME=EXPRESSION is what it takes", begin);
    text_format(local->name, sizeof(local->name), "%.*s", (int)length, begin);
    *text = text_skip_blanks(equals + 1);
    return take_expression(text, &local->value, message, size);
}

int locals_open(const char *text, char *message, size_t message_size)
{
    if (text_equal(text, state.text))
        return 0;
    struct table table = {.count = 0};
    int status = 0;
    for (const char *rest = text_skip_blanks(text); *rest && !status;
         rest = text_skip_blanks(*rest ? rest + 1 : rest)) {
        if (table.count == LOCALS_MAX)
            return fail(EINVAL, message, message_size, "more names than there may be", rest);
        status = take_local(&rest, &table.locals[table.count++], message, message_size);
        if (!status && *(rest = text_skip_blanks(rest)) && *rest != ',')
            status = fail(EINVAL, message, message_size, "a comma must follow", rest);
    }
    if (status)
        return status;
    state.table = table;
    text_copy(state.text, sizeof(state.text), text);
    return 0;
}

void locals_close(void)
{
    state.table.count = 0;
    state.text[0] = '\0';
}

/* --- Use. --- */

bool locals_find(const char *name, uint64_t *ret)
{
    for (size_t i = state.table.count; i-- > 0;) { /* the last one wins */
        if (text_equal(state.table.locals[i].name, name)) {
            *ret = state.table.locals[i].value;
            return true;
        }
    }
    return false;
}

bool locals_at(size_t at, const char **name, uint64_t *value)
{
    if (at >= state.table.count)
        return false;
    *name = state.table.locals[at].name;
    *value = state.table.locals[at].value;
    return true;
}

void command_locals(struct request *request, const char *arguments)
{
    (void)arguments;
    if (!state.table.count)
        output_text(request->output, "there are none: they are given when the manhole is installed"
                                     " (--local NAME=EXPRESSION)\n");
    for (size_t i = 0; i < state.table.count; i++) {
        const struct local *local = &state.table.locals[i];
        char where[512];
        places_describe_address(local->value, where, sizeof(where));
        bool named = !text_begins(where, "0x");
        output_format(request->output, "%s = 0x%lx%s%s\n", local->name, local->value,
                      named ? ", " : "", named ? where : "");
    }
}
