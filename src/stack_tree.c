#include "src/stack_tree.h"

#include "src/base_name.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A node and how it is found: by its parent and what tells it from its siblings. */
struct entry {
    struct tree_node node;
    char *key;
    UT_hash_handle hh;
};

struct stack_tree {
    struct tree_node root;
    struct entry *entries;
    struct tree_node **scratch; /* room for all of them, to sort siblings */
};

struct error *stack_tree_create(struct stack_tree **ret)
{
    struct stack_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return error_no_memory();
    tree->root.name = "all";
    *ret = tree;
    return NULL;
}

void stack_tree_destroy(struct stack_tree *tree)
{
    if (!tree)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, tree->entries, entry, next)
    {
        HASH_DEL(tree->entries, entry);
        free(entry->key);
        free(entry);
    }
    free(tree->scratch);
    free(tree);
}

void stack_tree_cleanup(struct stack_tree **tree)
{
    stack_tree_destroy(*tree);
}

/* malloc'ed; NULL without memory. Functions of one name in two files are two. */
static char *make_key(const struct tree_node *parent, const struct tree_node *child)
{
    const struct sample_frame *frame = child->frame;
    char *key;
    if (asprintf(&key, "%p\n%p\n%s\n%d%d\n%s", (const void *)parent, (const void *)child->process,
                 child->name, frame ? 1 + frame->guess : 0, frame && frame->flaw,
                 frame && frame->module ? frame->module : "") < 0)
        return NULL;
    return key;
}

/* The child of `parent` that is like `like`, made if there is none. NULL without memory. */
static struct tree_node *get_child(struct stack_tree *tree, struct tree_node *parent,
                                   const struct tree_node *like)
{
    char *key = make_key(parent, like);
    if (!key)
        return NULL;
    struct entry *entry;
    HASH_FIND_STR(tree->entries, key, entry);
    if (entry) {
        free(key);
        return &entry->node;
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry) {
        free(key);
        return NULL;
    }
    entry->key = key;
    entry->node = *like;
    HASH_ADD_KEYPTR(hh, tree->entries, entry->key, strlen(entry->key), entry);
    if (!entry->hh.tbl) {
        free(key);
        free(entry);
        return NULL;
    }
    entry->node.parent = parent;
    entry->node.depth = parent->depth + 1;
    entry->node.next = parent->child;
    parent->child = &entry->node;
    return &entry->node;
}

/* One step in, for `count` samples; *node becomes the child. */
static struct error *descend(struct stack_tree *tree, struct tree_node **node,
                             const struct tree_node *like, size_t count)
{
    *node = get_child(tree, *node, like);
    if (!*node)
        return error_no_memory();
    (*node)->count += count;
    return NULL;
}

static struct error *add_stack(struct stack_tree *tree, struct tree_node *node,
                               const struct sample_stack *stack)
{
    struct error *error = NULL;
    if (stack->flaw) {
        const struct tree_node like = {.name = stack->flaw->name, .frame = stack->flaw};
        error = descend(tree, &node, &like, stack->count);
    }
    for (size_t i = stack->depth; i > 0 && !error; i--) {
        const struct sample_frame *frame = stack->frames[i - 1];
        const struct tree_node like = {.name = frame->name, .frame = frame};
        error = descend(tree, &node, &like, stack->count);
    }
    if (!error)
        node->own += stack->count;
    return error;
}

struct error *stack_tree_add(struct stack_tree *tree, const struct samples *samples)
{
    const struct tree_node process = {.name = base_name(samples->executable), .process = samples};
    for (size_t i = 0; i < samples->thread_count; i++) {
        const struct sample_thread *thread = &samples->threads[i];
        const struct tree_node like = {.name = thread->name};
        struct tree_node *node = &tree->root;
        node->count += thread->seen;
        struct error *error = descend(tree, &node, &process, thread->seen);
        if (!error)
            error = descend(tree, &node, &like, thread->seen);
        for (size_t j = 0; j < thread->stack_count && !error; j++)
            error = add_stack(tree, node, &thread->stacks[j]);
        if (error)
            return error;
    }
    return NULL;
}

static int compare_nodes(const void *left, const void *right)
{
    const struct tree_node *a = *(struct tree_node *const *)left;
    const struct tree_node *b = *(struct tree_node *const *)right;
    int order = strcmp(a->name, b->name);
    if (!order && a->process)
        order = a->process->pid < b->process->pid ? -1 : a->process->pid > b->process->pid;
    if (!order && a->frame && a->frame->module && b->frame && b->frame->module)
        order = strcmp(a->frame->module, b->frame->module);
    return order;
}

static void sort_children(struct stack_tree *tree, struct tree_node *node)
{
    size_t count = 0;
    for (struct tree_node *child = node->child; child; child = child->next)
        tree->scratch[count++] = child;
    qsort(tree->scratch, count, sizeof(tree->scratch[0]), compare_nodes);
    for (size_t i = 0; i < count; i++)
        tree->scratch[i]->next = i + 1 < count ? tree->scratch[i + 1] : NULL;
    node->child = count ? tree->scratch[0] : NULL;
}

struct tree_node *stack_tree_next(struct tree_node *node)
{
    if (node->child)
        return node->child;
    while (node && !node->next)
        node = node->parent;
    return node ? node->next : NULL;
}

struct tree_node *stack_tree_root(struct stack_tree *tree)
{
    if (!tree->scratch) {
        tree->scratch = calloc(HASH_COUNT(tree->entries) + 1, sizeof(tree->scratch[0]));
        struct tree_node *node = tree->scratch ? &tree->root : NULL;
        /* Without memory they stay in the order of their discovery. */
        for (; node; node = stack_tree_next(node))
            sort_children(tree, node);
    }
    return &tree->root;
}
