#include "src/crepl/headers.h"

#include "injector/cleanup.h"
#include "src/crepl/compile.h"
#include "src/crepl/preprocess.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void free_header(struct header *header)
{
    tokens_deinit(&header->tokens);
    free(header->text);
    free(header->path);
}

void headers_deinit(struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++)
        free_header(&headers->headers[i]);
    free(headers->headers);
    *headers = (struct headers){0};
}

/* --- Names. --- */

static bool declares(const struct token *token, const char *text, const char *name, size_t length,
                     bool tag)
{
    return token->at_file_level && (token->use == USE_TAG) == tag && token->length == length &&
           memcmp(text + token->start, name, length) == 0;
}

static const struct token *find(const struct tokens *tokens, const char *name, size_t length,
                                bool tag)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (declares(&tokens->tokens[i], tokens->text, name, length, tag))
            return &tokens->tokens[i];
    return NULL;
}

bool headers_have(const struct headers *headers, const char *name, size_t length, bool tag)
{
    for (size_t i = 0; i < headers->count; i++)
        if (find(&headers->headers[i].tokens, name, length, tag))
            return true;
    return false;
}

/* The declaration that the token is in begins so. */
static bool is_typedef(const struct tokens *tokens, const struct token *token)
{
    int depth = 0;
    for (; token >= tokens->tokens; token--) {
        depth -= token_depth_change(tokens, token);
        if (depth == 0 && token_is(tokens, token, "typedef"))
            return true;
        if (depth == 0 && token_is(tokens, token, ";"))
            return false;
    }
    return false;
}

bool headers_have_type(const struct headers *headers, const char *name, size_t length)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct tokens *tokens = &headers->headers[i].tokens;
        const struct token *token = find(tokens, name, length, false);
        if (token && is_typedef(tokens, token))
            return true;
    }
    return false;
}

/* While they are being read: what was declared further up. */
static bool is_type(void *context, const char *name, size_t length)
{
    return find(context, name, length, false) != NULL;
}

/* --- Text. --- */

void headers_write(const struct headers *headers, FILE *out)
{
    for (size_t i = 0; i < headers->count; i++)
        fprintf(out, "%s\n", headers->headers[i].text);
}

static struct error *read_header(const char *path, struct header *ret, char **problem)
{
    struct stat status;
    ret->path = realpath(path, NULL);
    if (!ret->path || stat(ret->path, &status) < 0 || !S_ISREG(status.st_mode)) {
        int errnum = ret->path ? 0 : errno;
        return asprintf(problem, "%s: %s", path, errnum ? strerror(errnum) : "is no file") < 0
                   ? error_no_memory()
                   : NULL;
    }
    struct error *error = header_preprocess(ret->path, &ret->text, problem);
    return error || *problem ? error : tokens_read(&ret->tokens, ret->text, is_type, &ret->tokens);
}

static struct header *find_header(const struct headers *headers, const char *path)
{
    for (size_t i = 0; i < headers->count; i++)
        if (strcmp(headers->headers[i].path, path) == 0)
            return &headers->headers[i];
    return NULL;
}

/* It may contradict another one. */
static struct error *check_together(const struct headers *headers, const struct header *header,
                                    char **problem)
{
    CLEANUP_FREE char *source = NULL;
    size_t size;
    struct complaint complaint;
    FILE *out = open_memstream(&source, &size);
    if (!out)
        return error_no_memory();
    for (size_t i = 0; i < headers->count; i++)
        if (strcmp(headers->headers[i].path, header->path) != 0)
            fprintf(out, "%s\n", headers->headers[i].text);
    fprintf(out, "%s\n", header->text);
    if (fclose(out) != 0)
        return error_no_memory();
    struct error *error = compile_try(source, &complaint);
    if (!error && complaint.failed && asprintf(problem, "%s", complaint.text) < 0)
        error = error_no_memory();
    return error;
}

static struct error *keep(struct headers *headers, struct header *header)
{
    struct header *place = find_header(headers, header->path);
    if (!place) {
        struct header *larger =
            reallocarray(headers->headers, headers->count + 1, sizeof(*headers->headers));
        if (!larger)
            return error_no_memory();
        headers->headers = larger;
        place = &larger[headers->count++];
        *place = (struct header){0};
    }
    free_header(place);
    *place = *header;
    *header = (struct header){0};
    return NULL;
}

struct error *headers_load(struct headers *headers, const char *path, char **problem)
{
    struct header header = {0};
    *problem = NULL;
    struct error *error = read_header(path, &header, problem);
    if (!error && !*problem)
        error = check_together(headers, &header, problem);
    if (!error && !*problem)
        error = keep(headers, &header);
    free_header(&header);
    return error;
}
