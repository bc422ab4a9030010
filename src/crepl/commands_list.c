/* Linked lists, element by element: by reading memory alone. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/type_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Elements that are shown where no number is asked for; and so many are counted at most. */
#define SHOWN_USUALLY 1000
#define COUNTED_MAX 100000

struct visited {
    uint64_t address;
    size_t index;
    UT_hash_handle hh;
};

struct list {
    struct crepl *crepl;
    struct session_answer *answer;
    char *pointer; /* the type of a pointer to an element, as the compiler writes it */
    char *element; /* that of an element */
    uint64_t next; /* the element that follows; 0: none */
    uint64_t link; /* the place of the member in an element, bytes */
    uint64_t shown_max;
    struct visited *visited;
    size_t count;
};

static void list_deinit(struct list *list)
{
    struct visited *visited, *next;
    HASH_ITER(hh, list->visited, visited, next)
    {
        HASH_DEL(list->visited, visited);
        free(visited);
    }
    free(list->pointer);
    free(list->element);
}
#define CLEANUP_LIST __attribute__((cleanup(list_deinit)))

static bool is_refused(const struct list *list)
{
    return list->answer->outcome != MANHOLE_DONE || list->answer->ended || list->answer->left;
}

/* --- What is asked for. --- */

/* The last word is the member, what is before it the expression. */
static char *split_arguments(const char *arguments, const char **member)
{
    size_t length = strlen(arguments);
    while (length && isspace((unsigned char)arguments[length - 1]))
        length--;
    char *copy = strndup(arguments, length);
    char *blank = copy ? strrchr(copy, ' ') : NULL;
    *member = NULL;
    if (blank) {
        *blank = '\0';
        *member = blank + 1;
    }
    return copy;
}

/* "next", "links.next", "links[0].next": a place within an element. */
static bool is_member(const char *text)
{
    return *text && !strstr(text, "->") &&
           text[strspn(
               text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.[]")] == '\0';
}

/* Evaluates a number or pointer: its value, and its type if that is asked for. */
static struct error *find_number(struct list *list, const char *expression, uint64_t *number,
                                 char **type)
{
    struct expression_value value;
    struct error *error = crepl_find_value(list->crepl, expression, &value, list->answer);
    bool found = !error && !is_refused(list) && value.type;
    if (found && remote_read(list->crepl->session->process, value.address, number,
                             sizeof(*number)) != sizeof(*number))
        answer_refuse(list->answer, "the value cannot be read: is the process still there?");
    if (type)
        *type = value.type;
    else
        free(value.type);
    return error;
}

static bool is_pointer_to_structure(struct list *list)
{
    struct type_text *type;
    if (!type_text_parse(list->pointer, list->crepl->declarer, &type))
        return false;
    const struct type_text *target = type->target;
    bool good =
        type->kind == TYPE_TEXT_POINTER && target->kind == TYPE_TEXT_BASE &&
        (strncmp(target->name, "struct ", 7) == 0 || strncmp(target->name, "union ", 6) == 0);
    type_text_destroy(type);
    return good;
}

static struct error *find_head(struct list *list, const char *expression)
{
    CLEANUP_FREE char *element = NULL;
    struct error *error = find_number(list, expression, &list->next, &list->pointer);
    if (error || is_refused(list))
        return error;
    if (!is_pointer_to_structure(list)) {
        answer_refuse(list->answer, "%s is '%s', no pointer to a structure", expression,
                      list->pointer);
        return NULL;
    }
    if (asprintf(&element, "*(%s)0", list->pointer) < 0) {
        element = NULL;
        return error_no_memory();
    }
    return crepl_find_type(list->crepl, element, true, &list->element, list->answer);
}

/* The member has to be a pointer to the next element. */
static struct error *check_member(struct list *list, const char *member)
{
    CLEANUP_FREE char *expression = NULL, *type = NULL;
    if (asprintf(&expression, "((%s)0)->%s", list->pointer, member) < 0) {
        expression = NULL;
        return error_no_memory();
    }
    struct error *error = crepl_find_type(list->crepl, expression, true, &type, list->answer);
    if (!error && !is_refused(list) && strcmp(type, list->pointer) != 0 &&
        strcmp(type, "void *") != 0)
        answer_refuse(list->answer, "%s is '%s': the next element would be behind a '%s'", member,
                      type, list->pointer);
    return error;
}

static struct error *find_link(struct list *list, const char *member)
{
    CLEANUP_FREE char *expression = NULL;
    struct error *error = check_member(list, member);
    if (error || is_refused(list))
        return error;
    if (asprintf(&expression, "(unsigned long)&((%s)0)->%s", list->pointer, member) < 0) {
        expression = NULL;
        return error_no_memory();
    }
    return find_number(list, expression, &list->link, NULL);
}

/* --- Its elements. --- */

/* The same address twice is a cycle. False without memory. */
static bool remember(struct list *list, const struct visited **before)
{
    struct visited *visited;
    HASH_FIND(hh, list->visited, &list->next, sizeof(list->next), visited);
    *before = visited;
    if (visited)
        return true;
    visited = calloc(1, sizeof(*visited));
    if (!visited)
        return false;
    *visited = (struct visited){.address = list->next, .index = list->count};
    HASH_ADD(hh, list->visited, address, sizeof(visited->address), visited);
    if (visited->hh.tbl)
        return true;
    free(visited);
    return false;
}

static struct error *show_element(struct list *list)
{
    CLEANUP_FREE char *text = NULL, *place = NULL, *line = NULL;
    struct shown shown = crepl_shown(list->crepl, list->element, list->next);
    struct error *error = show_value(&shown, &text);
    if (!error)
        error = show_address(&shown, &place);
    if (error)
        return error;
    if (asprintf(&line, "[%zu] %s = %s", list->count, place, text) < 0) {
        line = NULL;
        return error_no_memory();
    }
    crepl_write_line(list->crepl, line);
    return NULL;
}

/* How it ended, in one line. */
static void conclude(struct list *list, const struct visited *again)
{
    char line[128];
    uint64_t shown = list->count < list->shown_max ? list->count : list->shown_max;
    if (again)
        snprintf(line, sizeof(line), "%zu elements, then [%zu] again: a cycle", list->count,
                 again->index);
    else if (list->next)
        snprintf(line, sizeof(line), "more than %u elements, the first %" PRIu64 " are shown",
                 COUNTED_MAX, shown);
    else if (shown < list->count)
        snprintf(line, sizeof(line), "%zu elements, the first %" PRIu64 " are shown", list->count,
                 shown);
    else
        snprintf(line, sizeof(line), "%zu element%s", list->count, list->count == 1 ? "" : "s");
    crepl_write_line(list->crepl, line);
}

static struct error *walk(struct list *list)
{
    const struct visited *again = NULL;
    while (list->next && list->count < COUNTED_MAX) {
        uint64_t next;
        if (!remember(list, &again))
            return error_no_memory();
        if (again)
            break;
        if (remote_read(list->crepl->session->process, list->next + list->link, &next,
                        sizeof(next)) != sizeof(next)) {
            answer_refuse(list->answer, "[%zu] at 0x%" PRIx64 " cannot be read", list->count,
                          list->next);
            return NULL;
        }
        struct error *error = list->count < list->shown_max ? show_element(list) : NULL;
        if (error)
            return error;
        list->count++;
        list->next = next;
    }
    conclude(list, again);
    return NULL;
}

struct error *command_list(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret)
{
    CLEANUP_LIST struct list list = {.crepl = crepl, .answer = ret, .shown_max = SHOWN_USUALLY};
    const char *member;
    CLEANUP_FREE char *expression = split_arguments(arguments, &member);
    if (!expression)
        return error_no_memory();
    if (*format && format[strspn(format, "0123456789")]) {
        answer_refuse(ret, "'%s' is no number of elements", format);
        return NULL;
    }
    if (*format)
        list.shown_max = strtoull(format, NULL, 10);
    if (!member || !is_member(member)) {
        answer_refuse(ret, "give a pointer to the first element, and the member that goes on");
        return NULL;
    }
    struct error *error = find_head(&list, expression);
    if (!error && !is_refused(&list))
        error = find_link(&list, member);
    return error || is_refused(&list) ? error : walk(&list);
}
