/*
 * Folded stacks: "thread;outermost;...;innermost COUNT", one line per stack, as the stackcollapse
 * scripts of FlameGraph write them and flame graph tools read them
 * (github.com/brendangregg/FlameGraph).
 */
#include "injector/cleanup.h"
#include "src/message.h"
#include "src/profile.h"

#include <stdlib.h>

#define TEXT_MAX 8192

/* A semicolon separates, so that one in a name becomes a colon, as there. */
static void print_name(FILE *out, const struct tree_node *node)
{
    char clean[TEXT_MAX];
    message_sanitize(node->name, clean, sizeof(clean));
    for (char *c = clean; *c; c++) {
        if (*c == ';')
            *c = ':';
    }
    fputs(clean, out);
    if (node->process)
        fprintf(out, " %d", node->process->pid);
    if (node->frame && node->frame->guess)
        fputs(PROFILE_GUESS, out);
}

/* The line of a node; `path` has room for its ancestors. */
static void print_line(FILE *out, const struct tree_node *node, size_t first_depth,
                       const struct tree_node **path)
{
    for (const struct tree_node *n = node; n->depth >= first_depth; n = n->parent)
        path[n->depth] = n;
    for (size_t depth = first_depth; depth <= node->depth; depth++) {
        if (depth > first_depth)
            fputc(';', out);
        print_name(out, path[depth]);
    }
    fprintf(out, " %zu\n", node->own);
}

struct error *dump_folded(const struct sampled *sampled, size_t count, FILE *out)
{
    CLEANUP_STACK_TREE struct stack_tree *tree = NULL;
    struct error *error = profile_tree(sampled, count, &tree);
    if (error)
        return error;
    struct tree_node *root = stack_tree_root(tree);
    size_t deepest = 0;
    for (struct tree_node *node = root; node; node = stack_tree_next(node))
        deepest = node->depth > deepest ? node->depth : deepest;
    CLEANUP_FREE const struct tree_node **path = calloc(deepest + 1, sizeof(*path));
    if (!path)
        return error_no_memory();
    /* A process stands in the line only where there are several. */
    size_t first_depth = root->child && root->child->next ? 1 : 2;
    for (struct tree_node *node = root; node; node = stack_tree_next(node)) {
        if (node->own && node->depth >= first_depth)
            print_line(out, node, first_depth, path);
    }
    return NULL;
}
