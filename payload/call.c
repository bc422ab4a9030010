/* The commands `sym` and `call`. */
#include "payload/console.h"
#include "payload/locals.h"
#include "payload/memory.h"
#include "payload/places.h"
#include "payload/redirect.h"
#include "payload/symbols.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

/* Values below are no pointers (vm.mmap_min_addr is at most that). */
#define LOWEST_POINTER 0x10000
#define SHOWN_STRING 200
#define NAME_BYTES 256

/* --- Names. --- */

/* How many definitions, or SIZE_MAX with the request failed. */
static size_t find_symbols(struct request *request, const char *name,
                           struct symbol hits[SYMBOLS_MAX_HITS])
{
    uint64_t arguments[ARCH_ARGUMENTS] = {(uintptr_t)name, (uintptr_t)hits};
    uint64_t count = 0;
    struct guard_report report;
    enum guard_outcome outcome =
        guard_run(GUARD_CUT_WAITING, (uintptr_t)symbols_by_name, arguments, &count, &report);
    if (outcome == GUARD_RETURNED)
        return count;
    request_explain(request, outcome, &report, "the search for the symbol");
    return SIZE_MAX;
}

/* An ifunc's resolver says which function it is (it takes no arguments on this platform). */
static bool resolve(struct request *request, struct symbol *symbol)
{
    if (symbol->kind == SYMBOL_TLS) {
        request_fail(request, "%s: is thread-local: every thread has its own", symbol->name);
        return false;
    }
    if (symbol->kind != SYMBOL_IFUNC)
        return true;
    uint64_t arguments[ARCH_ARGUMENTS] = {0}, address;
    struct guard_report report;
    enum guard_outcome outcome =
        guard_run(GUARD_CUT_ANYWHERE, symbol->address, arguments, &address, &report);
    if (outcome != GUARD_RETURNED) {
        request_explain(request, outcome, &report, symbol->name);
        return false;
    }
    symbol->address = address;
    return true;
}

static bool is_name_character(char c)
{
    return c == '_' || c == '$' || c == '.' || c == '@' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80;
}

/* A name at `text`; returns what follows it, or NULL. */
static const char *take_name(const char *text, char name[NAME_BYTES])
{
    size_t length = 0;
    while (is_name_character(text[length]))
        length++;
    if (!length || length >= NAME_BYTES || (text[0] >= '0' && text[0] <= '9'))
        return NULL;
    text_format(name, NAME_BYTES, "%.*s", (int)length, text);
    return text + length;
}

bool request_look_up(struct request *request, const char *name, uint64_t *ret)
{
    if (locals_find(name, ret))
        return true;
    struct symbol hits[SYMBOLS_MAX_HITS];
    size_t count = find_symbols(request, name, hits);
    if (count == SIZE_MAX)
        return false;
    if (!count) {
        request_fail(request, "%s: no such symbol in the dynamic symbol tables of what is loaded",
                     name);
        return false;
    }
    if (!resolve(request, &hits[0]))
        return false;
    *ret = hits[0].address;
    return true;
}

static void show_symbol(struct output *output, const struct symbol *symbol)
{
    static const char kinds[][24] = {
        [SYMBOL_FUNCTION] = "function",      [SYMBOL_OBJECT] = "object",
        [SYMBOL_IFUNC] = "function (ifunc)", [SYMBOL_TLS] = "thread-local",
        [SYMBOL_OTHER] = "symbol",
    };
    if (symbol->kind == SYMBOL_TLS)
        output_format(output, "%s: %s, in %s\n", symbol->name, kinds[symbol->kind], symbol->module);
    else
        output_format(output, "%s = 0x%lx, %s of %lu bytes in %s\n", symbol->name, symbol->address,
                      kinds[symbol->kind], symbol->size, symbol->module);
}

void command_sym(struct request *request, const char *arguments)
{
    uint64_t address;
    bool overflow;
    char name[NAME_BYTES], where[512];
    const char *rest = text_number(arguments, &address, &overflow);
    if (rest && !*text_skip_blanks(rest)) {
        places_describe_address(address, where, sizeof(where));
        output_format(request->output, "0x%lx = %s\n", address, where);
        return;
    }
    rest = take_name(arguments, name);
    if (!rest || *text_skip_blanks(rest)) {
        request_fail(request, overflow ? "sym: a number that does not fit into 64 bits"
                                       : "sym: takes one name or address: sym malloc");
        return;
    }
    if (locals_find(name, &address)) {
        places_describe_address(address, where, sizeof(where));
        output_format(request->output, "%s = 0x%lx, a local: %s\n", name, address, where);
        return;
    }
    struct symbol hits[SYMBOLS_MAX_HITS];
    size_t count = find_symbols(request, name, hits);
    if (count == SIZE_MAX)
        return;
    if (!count)
        request_fail(request, "%s: no such symbol in the dynamic symbol tables of what is loaded",
                     name);
    for (size_t i = 0; i < count; i++)
        if (hits[i].kind == SYMBOL_TLS || resolve(request, &hits[i]))
            show_symbol(request->output, &hits[i]);
}

/* --- Arguments. --- */

struct call {
    struct request *request;
    uint64_t values[ARCH_ARGUMENTS];
    size_t count;
};

/* The character after a backslash; returns what follows it, or NULL. */
static const char *take_escape(const char *text, char *ret)
{
    static const char plain[] = "n\nt\tr\ra\ab\bf\fv\ve\033\\\\'\'\"\"?\?";
    if (*text == 'x' || (*text >= '0' && *text <= '7')) {
        unsigned base = *text == 'x' ? 16 : 8, value = 0, digits = 0;
        for (text += base == 16; digits < (base == 16 ? 2u : 3u); digits++, text++) {
            char c = *text;
            unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                             : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                                 ? (unsigned)((c | 0x20) - 'a') + 10
                                 : 99;
            if (digit >= base)
                break;
            value = value * base + digit;
        }
        *ret = (char)value;
        return digits && value <= 255 ? text : NULL;
    }
    for (size_t i = 0; i + 1 < sizeof(plain); i += 2) {
        if (plain[i] == *text) {
            *ret = plain[i + 1];
            return text + 1;
        }
    }
    return NULL;
}

static const char *take_character(struct call *call, const char *text, uint64_t *ret)
{
    char c = text[1];
    const char *rest = c == '\\' ? take_escape(text + 2, &c) : c && c != '\'' ? text + 2 : NULL;
    if (!rest || *rest != '\'') {
        request_fail(call->request, "call: a character is one between quotes: 'a', '\\n', '\\x41'");
        return NULL;
    }
    *ret = (uint64_t)(int64_t)c;
    return rest + 1;
}

/* "...", in memory of the session. */
static const char *take_string(struct call *call, const char *text, uint64_t *ret)
{
    char *string = arena_alloc(call->request->job->arena, strlen(text) + 1);
    if (!string) {
        request_fail(call->request, "call: no memory for a string");
        return NULL;
    }
    size_t length = 0;
    for (text++; *text && *text != '"'; length++) {
        string[length] = *text++;
        if (string[length] == '\\')
            text = take_escape(text, &string[length]);
        if (!text) {
            request_fail(call->request, "call: an unknown escape in a string");
            return NULL;
        }
    }
    if (!*text) {
        request_fail(call->request, "call: a string without its closing quote");
        return NULL;
    }
    *ret = (uintptr_t)string;
    return text + 1;
}

static const char *take_integer(struct call *call, const char *text, uint64_t *ret)
{
    bool overflow;
    const char *rest = text_number(text, ret, &overflow);
    if (overflow) {
        request_fail(call->request, "call: a number that does not fit into 64 bits");
        return NULL;
    }
    while (rest && ((*rest | 0x20) == 'u' || (*rest | 0x20) == 'l'))
        rest++;
    if (rest && (*rest == '.' || (*rest | 0x20) == 'e' || (*rest | 0x20) == 'f')) {
        request_fail(call->request, "call: floating-point arguments cannot be passed");
        return NULL;
    }
    if (!rest || is_name_character(*rest)) {
        request_fail(call->request, "call: a malformed number at '%.20s'", text);
        return NULL;
    }
    return rest;
}

static const char *take_symbol(struct call *call, const char *text, uint64_t *ret)
{
    char name[NAME_BYTES];
    const char *rest = take_name(text + (*text == '&'), name);
    if (!rest) {
        request_fail(call->request,
                     "call: '%.20s' is no argument: integers, characters, strings and symbols are",
                     text);
        return NULL;
    }
    return request_look_up(call->request, name, ret) ? rest : NULL;
}

static const char *take_argument(struct call *call, const char *text, uint64_t *ret)
{
    if (*text == '\'')
        return take_character(call, text, ret);
    if (*text == '"')
        return take_string(call, text, ret);
    if ((*text >= '0' && *text <= '9') || *text == '-' || *text == '+')
        return take_integer(call, text, ret);
    return take_symbol(call, text, ret);
}

/* Blanks, and the commas and parentheses of those who write f(1, 2). */
static const char *skip_separators(const char *text)
{
    while (text_is_blank(*text) || *text == ',' || *text == '(' || *text == ')' || *text == ';')
        text++;
    return text;
}

static bool parse_arguments(struct call *call, const char *text)
{
    for (text = skip_separators(text); *text; text = skip_separators(text)) {
        if (call->count == ARCH_ARGUMENTS) {
            request_fail(call->request, "call: at most %d arguments", ARCH_ARGUMENTS);
            return false;
        }
        const char *rest = take_argument(call, text, &call->values[call->count]);
        if (!rest)
            return false;
        if (*rest && skip_separators(rest) == rest) {
            request_fail(call->request, "call: something follows an argument directly: '%.20s'",
                         rest);
            return false;
        }
        call->count++;
        text = rest;
    }
    return true;
}

/* --- Results. --- */

/* A NUL-terminated text of printable characters, at least one. */
static bool looks_like_string(uintptr_t address, char *text, size_t size)
{
    bool whole;
    if (address < LOWEST_POINTER || !memory_read_string(address, text, size, &whole))
        return false;
    size_t length = strlen(text);
    if (!length || (!whole && length < size - 1))
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static void show_result(struct request *request, uint64_t value, int errnum)
{
    struct output *output = request->output;
    char text[SHOWN_STRING], where[512], name[16];
    output_format(output, "= %ld (0x%lx)", (long)value, value);
    /* A function that returns int leaves the upper half as it likes. */
    if (value >> 32 == 0 && value & 0x80000000)
        output_format(output, ", as an int %d", (int)value);
    if (looks_like_string(value, text, sizeof(text))) {
        output_text(output, " \"");
        output_clean(output, text, strlen(text));
        output_text(output, strlen(text) == sizeof(text) - 1 ? "\"..." : "\"");
    }
    if (value >= LOWEST_POINTER) {
        places_describe_address(value, where, sizeof(where));
        if (!text_begins(where, "0x"))
            output_format(output, " %s", where);
    }
    if ((value == UINT64_MAX || value == UINT32_MAX) && errnum)
        output_format(output, ", errno %s", text_errno(errnum, name));
    output_text(output, "\n");
}

/* Functions that do not come back to us, or come back twice. */
static bool refuse(struct request *request, const char *name)
{
    static const char *const ends[] = {"exit", "_exit", "_Exit", "quick_exit"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (text_equal(ends[i], name)) {
            request_fail(request, "%s would end the process; if that is meant: call kill %d 15",
                         name, sys_getpid());
            return true;
        }
    }
    if (!text_equal(name, "vfork") && !text_equal(name, "__vfork"))
        return false;
    request_fail(request, "%s would return twice on one stack", name);
    return true;
}

static const char *take_function(struct request *request, const char *text, uint64_t *function,
                                 char name[NAME_BYTES])
{
    bool overflow;
    const char *rest = text_number(text, function, &overflow);
    if (rest && !is_name_character(*rest)) {
        text_format(name, NAME_BYTES, "0x%lx", *function);
        return rest;
    }
    rest = take_name(text, name);
    if (!rest) {
        request_fail(request, "call: takes a function and its arguments: call puts \"hello\"");
        return NULL;
    }
    return !refuse(request, name) && request_look_up(request, name, function) ? rest : NULL;
}

void command_call(struct request *request, const char *arguments)
{
    struct call call = {.request = request};
    uint64_t function, result;
    char name[NAME_BYTES];
    const char *rest = take_function(request, arguments, &function, name);
    if (!rest || !parse_arguments(&call, rest))
        return;
    struct guard_report report;
    int *errnum = __errno_location();
    redirect_begin(request->output);
    *errnum = 0;
    enum guard_outcome outcome =
        guard_run(GUARD_CUT_ANYWHERE, function, call.values, &result, &report);
    int kept = *errnum;
    redirect_end(request->output);
    if (outcome == GUARD_RETURNED)
        show_result(request, result, kept);
    else
        request_explain(request, outcome, &report, name);
}
