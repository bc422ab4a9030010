/* What is typed into the C console, before the compiler sees it; or a script that somebody else
   wrote. */
// PARTS: src/crepl/tokens.c src/crepl/token_uses.c src/crepl/definitions.c src/crepl/initialisers.c
#include "src/crepl/tokens.h"

#include "src/crepl/definitions.h"
#include "src/crepl/initialisers.h"
#include "tests/fuzz/fuzz.h"

static bool is_type(void *context, const char *name, size_t length)
{
    (void)context, (void)name;
    return length == 1;
}

/* No code is made of it. */
uint64_t compiled_find(const struct compiled *compiled, const char *name)
{
    (void)compiled, (void)name;
    return 0;
}

/* Defined twice, so that the first ones are forgotten, then declared for itself. */
static void define(const char *text, const struct tokens *tokens)
{
    struct definitions definitions = {0};
    const struct type_names types = {is_type, NULL};
    const struct compiled code = {0};
    char *declarations = NULL;
    for (int i = 0; i < 2; i++)
        error_destroy(definitions_add(&definitions, text, &types, &code));
    error_destroy(definitions_declare(&definitions, tokens, &declarations));
    free(declarations);
    definitions_deinit(&definitions);
    free(definitions_make_global(text));
}

static void split(const char *text)
{
    struct initialisers initialisers = {0};
    const struct type_names types = {is_type, NULL};
    error_destroy(initialisers_split(text, &types, &initialisers));
    initialisers_deinit(&initialisers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct tokens tokens;
    error_destroy(tokens_read(&tokens, text, is_type, NULL));
    size_t end = 0;
    for (size_t i = 0; i < tokens.count; i++) {
        const struct token *token = &tokens.tokens[i];
        if (token->start < end || !token->length || token->start + token->length > size)
            abort();
        end = token->start + token->length;
        token_depth_change(&tokens, token);
        token_is_keyword(text + token->start, token->length);
    }
    define(text, &tokens);
    split(text);
    tokens_deinit(&tokens);
    free(text);
    return 0;
}
