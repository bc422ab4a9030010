#include "src/crepl/faults.h"

#include "injector/cleanup.h"
#include "src/base_name.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/snippet.h"
#include "src/message.h"
#include "src/signal_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Lines of stabs have 16 bits. */
#define LINES_MAX 0xffff

/* --- Pieces. --- */

static void piece_deinit(struct code_piece *piece)
{
    for (size_t i = 0; i < piece->symbol_count; i++)
        free((char *)piece->symbols[i].name);
    free(piece->symbols);
    code_lines_deinit(&piece->lines);
}

void code_pieces_deinit(struct code_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++)
        piece_deinit(&pieces->pieces[i]);
    free(pieces->pieces);
    *pieces = (struct code_pieces){0};
}

static int count_lines(const char *text)
{
    int count = 1;
    for (; *text && count < LINES_MAX; text++)
        count += *text == '\n';
    return count;
}

/* A text of one line needs no debug information for it. */
static struct error *read_lines(const char *source, const char *text, const struct compiled *code,
                                uint64_t start, struct code_lines *ret)
{
    int count = count_lines(text);
    *ret = (struct code_lines){0};
    if (count >= LINES_MAX)
        return NULL;
    if (count > 1)
        return code_lines_read(source, code, ret);
    ret->lines = malloc(sizeof(*ret->lines));
    if (!ret->lines)
        return error_no_memory();
    ret->lines[ret->count++] = (struct code_line){start, 1};
    return NULL;
}

struct error *code_pieces_add(struct code_pieces *pieces, struct compiled *code, uint64_t start,
                              const char *source, const char *text)
{
    struct code_piece *larger =
        reallocarray(pieces->pieces, pieces->count + 1, sizeof(*pieces->pieces));
    if (!larger)
        return error_no_memory();
    pieces->pieces = larger;
    struct code_piece *piece = &larger[pieces->count];
    *piece = (struct code_piece){.start = start, .end = start + code->code_size};
    struct error *error = read_lines(source, text, code, start, &piece->lines);
    if (error)
        return error;
    piece->is_foreign = code->is_foreign;
    piece->symbols = code->symbols;
    piece->symbol_count = code->symbol_count;
    code->symbols = NULL;
    code->symbol_count = 0;
    pieces->count++;
    return NULL;
}

bool code_pieces_is_foreign(const struct code_pieces *pieces, uint64_t address)
{
    for (size_t i = 0; i < pieces->count; i++)
        for (size_t j = 0; j < pieces->pieces[i].symbol_count; j++)
            if (pieces->pieces[i].symbols[j].address == address)
                return pieces->pieces[i].is_foreign;
    return false;
}

static bool holds(const struct code_piece *piece, uint64_t address)
{
    return address >= piece->start && address < piece->end;
}

static const char *function_at(const struct code_piece *piece, uint64_t address)
{
    const struct code_symbol *best = NULL;
    for (size_t i = 0; i < piece->symbol_count; i++) {
        const struct code_symbol *symbol = &piece->symbols[i];
        if (symbol->address <= address && (!best || symbol->address > best->address))
            best = symbol;
    }
    return best ? best->name : "code of the session";
}

/* --- Frames. --- */

struct explained {
    struct crepl *crepl;
    const struct code_piece *typed; /* the text that was evaluated */
    const struct session_fault *fault;
    struct text_place *place;
    struct code_stack *stack;
    bool whole;  /* the frame of the text was reached */
    bool called; /* and functions of the program on the way */
};

void code_stack_deinit(struct code_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        free(stack->frames[i]);
    free(stack->frames);
    *stack = (struct code_stack){0};
}

/* Takes the text; NULL: there was no memory for it. */
static struct error *add_frame(struct code_stack *stack, char *text)
{
    char **larger = text ? reallocarray(stack->frames, stack->count + 1, sizeof(*larger)) : NULL;
    if (!larger) {
        free(text);
        return error_no_memory();
    }
    stack->frames = larger;
    larger[stack->count++] = text;
    return NULL;
}

static const struct code_piece *find_piece(const struct explained *explained, uint64_t address)
{
    const struct code_pieces *pieces = &explained->crepl->pieces;
    if (holds(explained->typed, address))
        return explained->typed;
    for (size_t i = 0; i < pieces->count; i++)
        if (holds(&pieces->pieces[i], address))
            return &pieces->pieces[i];
    return NULL;
}

/* A frame of the session's own code: "twofold, line 2 of its text"; that of the text itself is the
   place. */
static struct error *add_own_frame(struct explained *explained, const struct code_piece *piece,
                                   uint64_t address)
{
    const char *name = function_at(piece, address);
    int line = code_lines_find(&piece->lines, address);
    bool is_typed = piece == explained->typed && strcmp(name, SNIPPET_RUN) == 0;
    char *text = NULL;
    explained->whole = is_typed;
    if (is_typed)
        *explained->place = (struct text_place){.line = line};
    int length = is_typed ? asprintf(&text, "what was typed itself")
                 : line && piece->lines.count > 1
                     ? asprintf(&text, "%s, line %d of its text", name, line)
                     : asprintf(&text, "%s", name);
    return add_frame(explained->stack, length < 0 ? NULL : text);
}

/* Frames of the program, inlined functions too: "add_up at sums.c:40 (program)". */
static struct error *add_program_frames(struct explained *explained, uint64_t pc, uint64_t lookup)
{
    size_t count;
    struct error *error = NULL;
    explained->called = true;
    const struct location *locations =
        symbols_resolve(explained->crepl->symbols, pc, lookup, &count);
    for (size_t i = 0; !error && i < count; i++) {
        const struct location *location = &locations[i];
        char *text = NULL, offset[32] = "", place[128] = "", file[128] = "";
        if (location->function && location->offset && !location->inlined)
            snprintf(offset, sizeof(offset), "+0x%" PRIx64, location->offset);
        if (location->file && location->line)
            snprintf(place, sizeof(place), " at %s:%d", base_name(location->file), location->line);
        if (location->module)
            snprintf(file, sizeof(file), " (%s)", base_name(location->module->path));
        int length = location->function
                         ? asprintf(&text, "%s%s%s%s", location->function, offset, place, file)
                         : asprintf(&text, "0x%" PRIx64 "%s", pc, file);
        error = add_frame(explained->stack, length < 0 ? NULL : text);
    }
    return error;
}

static struct error *add_frames(struct explained *explained)
{
    const struct session_fault *fault = explained->fault;
    struct error *error = NULL;
    for (size_t i = 0; !error && !explained->whole && i < fault->count; i++) {
        uint64_t pc = fault->stack[i], lookup = pc - (i > 0);
        const struct code_piece *piece = find_piece(explained, lookup);
        error = piece ? add_own_frame(explained, piece, lookup)
                      : add_program_frames(explained, pc, lookup);
    }
    if (!error && !explained->whole)
        error = add_frame(explained->stack, strdup("... the stack goes on"));
    return error;
}

/* --- The answer. --- */

static void write_answer(const struct explained *explained, struct session_answer *answer)
{
    bool may_hold = explained->called || !explained->whole;
    char raw[sizeof(answer->text)], where[32] = "";
    if (answer->fault.has_address)
        snprintf(where, sizeof(where), " at address 0x%" PRIx64 ",", answer->fault.address);
    snprintf(raw, sizeof(raw), "ended by SIG%s%s in %.512s%s", signal_name(answer->signal), where,
             explained->stack->frames[0],
             may_hold ? "; what it held, a lock say, it may have left held" : "");
    message_sanitize(raw, answer->text, sizeof(answer->text));
}

struct error *fault_explain(struct crepl *crepl, const struct executed *executed,
                            struct session_answer *answer, struct text_place *place,
                            struct code_stack *stack)
{
    const struct compiled *code = executed->code;
    /* Borrowed but for the lines. */
    struct code_piece typed = {.start = executed->start,
                               .end = executed->start + code->code_size,
                               .symbols = code->symbols,
                               .symbol_count = code->symbol_count};
    struct explained explained = {
        .crepl = crepl, .typed = &typed, .fault = &answer->fault, .place = place, .stack = stack};
    if ((answer->outcome != MANHOLE_FAULTED && answer->outcome != MANHOLE_INTERRUPTED) ||
        !answer->fault.count)
        return NULL;
    struct error *error =
        read_lines(executed->source, executed->text, code, executed->start, &typed.lines);
    if (!error)
        error = add_frames(&explained);
    if (!error && answer->outcome == MANHOLE_FAULTED)
        write_answer(&explained, answer);
    code_lines_deinit(&typed.lines);
    return error;
}
