/*
 * The stacks of samples as a call tree, outermost functions first: the root, below it one node per
 * process, below that the threads by name (those of one name are one), below those what they
 * called. What the folded form and the flame graph print.
 */
#ifndef SRC_STACK_TREE_H
#define SRC_STACK_TREE_H

#include "src/samples.h"

struct tree_node {
    const char *name;                 /* as the target has it, without the note that guesses get */
    const struct sample_frame *frame; /* NULL: the root, a process or a thread */
    const struct samples *process;    /* of a process; NULL: of all others */
    size_t count;                     /* samples of threads that were here or further in */
    size_t own;                       /* ... that were here and no further */
    size_t depth;                     /* 0: the root */
    struct tree_node *parent, *child, *next; /* children by name, in byte order */
};

struct stack_tree;

struct error *stack_tree_create(struct stack_tree **ret) MUST_CHECK;
void stack_tree_destroy(struct stack_tree *tree);
void stack_tree_cleanup(struct stack_tree **tree);
#define CLEANUP_STACK_TREE __attribute__((cleanup(stack_tree_cleanup)))

/* Adds all stacks of a process; `samples` is borrowed, and its strings. */
struct error *stack_tree_add(struct stack_tree *tree, const struct samples *samples) MUST_CHECK;

/* Brings children into their order and returns the root; no stack_tree_add after it. */
struct tree_node *stack_tree_root(struct stack_tree *tree);

/* The node after `node`, each before its children (stacks may be too deep for recursion); NULL:
 * none.
 */
struct tree_node *stack_tree_next(struct tree_node *node);

#endif
