#include "src/profile.h"

struct error *profile_tree(const struct sampled *sampled, size_t count, struct stack_tree **ret)
{
    CLEANUP_STACK_TREE struct stack_tree *tree = NULL;
    struct error *error = stack_tree_create(&tree);
    for (size_t i = 0; i < count && !error; i++) {
        if (sampled[i].samples)
            error = stack_tree_add(tree, sampled[i].samples);
    }
    if (error)
        return error;
    *ret = tree;
    tree = NULL;
    return NULL;
}
