/* The step that keeps structures from being passed as the compiler should not pass them, where only
   a header of the user's says how a function takes its arguments. */
#include "src/crepl/evaluation_private.h"

#include <string.h>

/* "struct pair (*)(struct pair *)": the first is passed by value, the second is not. */
static bool passes_structure(const char *type)
{
    static const char *const words[] = {"struct ", "union "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (const char *at = strstr(type, words[i]); at; at = strstr(at, words[i])) {
            at += strlen(words[i]);
            at += strcspn(at, " ,()[");
            at += strspn(at, " ");
            if (*at != '*')
                return true;
        }
    }
    return false;
}

/* The debug information would tell which structures libtcc gets wrong (by_value.h); a declaration
   alone does not. */
struct error *evaluation_check_passing(struct evaluation *evaluation)
{
    const struct declarations *declarations = &evaluation->declarations;
    struct error *error = NULL;
    for (size_t i = 0;
         i < declarations->binding_count && !error && !evaluation_is_refused(evaluation); i++) {
        const struct binding *binding = &declarations->bindings[i];
        struct snippet snippet;
        if (!binding->unchecked || !binding->is_function)
            continue;
        error = snippet_classify(evaluation->context, binding->name, &snippet);
        if (!error && snippet.kind == SNIPPET_EXPRESSION && passes_structure(snippet.type))
            answer_refuse(evaluation->answer,
                          "%s cannot be called from here: it passes a structure by value, and "
                          "without debug information it is not known whether the compiler used "
                          "here does that as the program's",
                          binding->name);
    }
    return error;
}
