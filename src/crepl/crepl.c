#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/tokens.h"

#include <stdlib.h>

bool crepl_is_incomplete(const char *text)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, text, NULL, NULL);
    error_destroy(error);
    if (error)
        return false;
    bool incomplete = tokens.incomplete != TEXT_COMPLETE;
    tokens_deinit(&tokens);
    return incomplete;
}

static struct error *begin(struct crepl *crepl)
{
    const struct symbols_options options = {0};
    struct error *error = maps_read(crepl->session->process, &crepl->maps);
    if (!error)
        error = modules_create(crepl->session->process, crepl->maps, &crepl->modules);
    if (!error)
        error = symbols_create(crepl->modules, &options, &crepl->symbols);
    if (!error)
        error = names_create(crepl->modules, crepl->symbols, &crepl->names);
    if (!error)
        error = declarer_create(crepl->names, &crepl->declarer);
    return error ? error : loader_init(&crepl->loader, crepl->session);
}

struct error *crepl_create(struct session *session, struct crepl **ret)
{
    struct crepl *crepl = calloc(1, sizeof(*crepl));
    if (!crepl)
        return error_no_memory();
    crepl->session = session;
    struct error *error = begin(crepl);
    if (error)
        crepl_destroy(crepl);
    else
        *ret = crepl;
    return error;
}

void crepl_destroy(struct crepl *crepl)
{
    if (!crepl)
        return;
    code_pieces_deinit(&crepl->pieces);
    session_types_deinit(&crepl->types);
    definitions_deinit(&crepl->definitions);
    headers_deinit(&crepl->headers);
    results_deinit(&crepl->results);
    linkage_deinit(&crepl->linkage);
    declarer_destroy(crepl->declarer);
    names_destroy(crepl->names);
    symbols_destroy(crepl->symbols);
    modules_destroy(crepl->modules);
    maps_destroy(crepl->maps);
    free(crepl);
}
