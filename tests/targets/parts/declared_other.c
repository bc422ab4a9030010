#include <stddef.h>

/* Another type of the same name, and statics of the same names. */
struct item {
    char *text;
    struct item *next;
};
static struct item hidden = {"other", NULL};
static struct item *other_list = &hidden;
static int __attribute__((noinline)) helper(int x)
{
    return x + 200;
}

#line 1000
struct holder {
    struct item *held;
};
#line 1
__attribute__((used)) struct holder other_holder = {&hidden};

int other_sum(int x)
{
    return helper(x) + (other_list->text != NULL) + (hidden.next != NULL);
}
