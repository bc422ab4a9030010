#include "src/crepl/read_only.h"

#include "injector/cleanup.h"
#include "src/crepl/compile.h"
#include "src/crepl/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char calls[] = "a function would be called";
static const char unclear[] = "it is not clear that this only reads";

/* Macros that stand for macros: beyond that they are taken for a circle. */
#define DEPTH_MAX 8

/* One text that is judged: what was typed, or the body of a macro. */
struct judged {
    const char *context;
    unsigned depth; /* of macros */
    struct tokens tokens;
    size_t first; /* token that is judged; those before are the parameters of a macro */
    size_t count; /* and up to here: without semicolons at the end */
    struct error *error;
};

#define NO_TOKEN SIZE_MAX

static bool is_at(const struct judged *judged, size_t at, const char *text)
{
    return at < judged->tokens.count && token_is(&judged->tokens, &judged->tokens.tokens[at], text);
}

static bool is_any(const struct judged *judged, size_t at, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_at(judged, at, words[i]))
            return true;
    return false;
}
#define IS_ANY(judged, at, words) is_any(judged, at, words, sizeof(words) / sizeof((words)[0]))

static bool is_keyword(const struct judged *judged, size_t at)
{
    const struct token *token = &judged->tokens.tokens[at];
    return token->kind == TOKEN_NAME &&
           token_is_keyword(judged->tokens.text + token->start, token->length);
}

/* Words that only types are made of. */
static bool is_type_word(const struct judged *judged, size_t at)
{
    static const char *const words[] = {
        "_Bool",    "char",   "const",    "double",  "enum",     "float",      "int",
        "long",     "short",  "signed",   "struct",  "union",    "unsigned",   "void",
        "volatile", "typeof", "restrict", "_Atomic", "_Complex", "__typeof__", "__int128",
    };
    return IS_ANY(judged, at, words);
}

/* The macro of that name: the place in the context where its line goes on; NULL: there is none. */
static const char *find_macro(const struct judged *judged, size_t at)
{
    static const char define[] = "#define ";
    const struct token *token = &judged->tokens.tokens[at];
    for (const char *line = judged->context; line;) {
        size_t begin = strlen(define);
        if (strncmp(line, define, begin) == 0 &&
            strncmp(line + begin, judged->tokens.text + token->start, token->length) == 0 &&
            strchr(" \t\n(", line[begin + token->length]))
            return line + begin + token->length;
        line = strchr(line, '\n');
        line += line ? 1 : 0;
    }
    return NULL;
}

/* What takes a parenthesis without calling anything. */
static bool is_operator_word(const struct judged *judged, size_t at)
{
    static const char *const words[] = {"sizeof", "_Alignof", "__alignof__", "__builtin_offsetof"};
    return IS_ANY(judged, at, words) ||
           (is_at(judged, at, "offsetof") && find_macro(judged, at) != NULL);
}

/* The name of a macro with parameters: what follows are arguments. */
static bool takes_arguments(const struct judged *judged, size_t at)
{
    const struct token *token = &judged->tokens.tokens[at];
    const char *macro = token->kind == TOKEN_NAME ? find_macro(judged, at) : NULL;
    return macro && *macro == '(';
}

static bool is_parameter(const struct judged *judged, size_t at)
{
    const struct token *all = judged->tokens.tokens;
    for (size_t i = 0; i < judged->first; i++)
        if (all[i].kind == TOKEN_NAME && all[i].length == all[at].length &&
            memcmp(judged->tokens.text + all[i].start, judged->tokens.text + all[at].start,
                   all[at].length) == 0)
            return true;
    return false;
}

/* The parenthesis that the one at `at` closes. */
static size_t opening(const struct judged *judged, size_t at)
{
    size_t depth = 0;
    for (size_t i = at + 1; i-- > 0;) {
        if (is_at(judged, i, ")"))
            depth++;
        else if (is_at(judged, i, "(") && --depth == 0)
            return i;
    }
    return NO_TOKEN;
}

/* The parenthesis that is open at `at`. */
static size_t enclosing(const struct judged *judged, size_t at)
{
    size_t depth = 0;
    for (size_t i = at; i-- > 0;) {
        if (is_at(judged, i, ")"))
            depth++;
        else if (is_at(judged, i, "(") && depth-- == 0)
            return i;
    }
    return NO_TOKEN;
}

/* "(*)", "(* const *)": of a type that has no name. */
static bool is_abstract(const struct judged *judged, size_t open, size_t close)
{
    static const char *const words[] = {"*", "const", "volatile", "restrict"};
    bool any = false;
    for (size_t i = open + 1; i < close; i++, any = true)
        if (!IS_ANY(judged, i, words))
            return false;
    return any;
}

/* The compiler tells a type from a variable. */
static bool is_type_name(struct judged *judged, size_t at)
{
    const struct token *token = &judged->tokens.tokens[at];
    struct complaint complaint = {.failed = true};
    CLEANUP_FREE char *source = NULL;
    if (token->kind != TOKEN_NAME || judged->error)
        return false;
    if (asprintf(&source, "%s\nextern %.*s *__manhole_doubt;\n", judged->context,
                 (int)token->length, judged->tokens.text + token->start) < 0) {
        source = NULL;
        judged->error = error_no_memory();
        return false;
    }
    judged->error = compile_try(source, &complaint);
    return !judged->error && !complaint.failed;
}

/* "(T)", "(T *)": what follows is converted, not called. */
static bool is_cast(struct judged *judged, size_t open, size_t close)
{
    if (is_abstract(judged, open, close) || is_type_word(judged, open + 1))
        return true;
    if (close < open + 2 || judged->tokens.tokens[open + 1].kind != TOKEN_NAME ||
        is_keyword(judged, open + 1) || is_parameter(judged, open + 1))
        return false;
    return close == open + 2 ? is_type_name(judged, open + 1)
                             : is_abstract(judged, open + 1, close);
}

/* What stands before a parenthesis, or before a macro that may stand for one. */
static const char *judge_before(struct judged *judged, size_t at)
{
    if (at <= judged->first)
        return NULL;
    size_t before = at - 1;
    const struct token *token = &judged->tokens.tokens[before];
    if (is_at(judged, before, ")")) {
        size_t open = opening(judged, before);
        bool measures = open != NO_TOKEN && open && is_operator_word(judged, open - 1);
        return open != NO_TOKEN && !measures && is_cast(judged, open, before) ? NULL : calls;
    }
    if (is_at(judged, before, "]"))
        return calls;
    if (token->kind == TOKEN_PUNCTUATION || is_operator_word(judged, before) ||
        is_type_word(judged, before) || token->use == USE_TAG ||
        (is_at(judged, at, "(") && takes_arguments(judged, before)))
        return NULL;
    return calls;
}

/* Between types of parameters, and in offsetof. */
static const char *judge_comma(const struct judged *judged, size_t at)
{
    size_t open = enclosing(judged, at);
    if (open == NO_TOKEN || !open)
        return "several expressions: only the last would be shown";
    if (is_operator_word(judged, open - 1) || takes_arguments(judged, open - 1))
        return NULL;
    size_t inner = is_at(judged, open - 1, ")") ? opening(judged, open - 1) : NO_TOKEN;
    return inner != NO_TOKEN && is_abstract(judged, inner, open - 1)
               ? NULL
               : "several expressions: only the last would be shown";
}

/* Brackets and braces have other spellings (C17 6.4.6), which our tokens do not know. */
static bool is_digraph(const struct judged *judged, size_t at)
{
    const struct token *token = &judged->tokens.tokens[at];
    const char *text = judged->tokens.text + token->start;
    return strncmp(text, "<:", 2) == 0 || strncmp(text, ":>", 2) == 0 ||
           strncmp(text, "<%", 2) == 0 || strncmp(text, "%>", 2) == 0 ||
           strncmp(text, "%:", 2) == 0;
}

static const char *judge_operator(struct judged *judged, size_t at)
{
    static const char *const reading[] = {
        ")", "[",  "]",  ".",  "->", "&",  "*",  "+", "-", "~",  "!",  "/", "%", "<",
        ">", "<<", ">>", "<=", ">=", "==", "!=", "^", "|", "&&", "||", "?", ":",
    };
    if (is_at(judged, at, "("))
        return judge_before(judged, at);
    if (is_at(judged, at, ","))
        return judge_comma(judged, at);
    if (is_digraph(judged, at))
        return unclear;
    if (IS_ANY(judged, at, reading))
        return NULL;
    const struct token *token = &judged->tokens.tokens[at];
    if (judged->tokens.text[token->start + token->length - 1] == '=')
        return "an assignment would write";
    if (is_at(judged, at, "++") || is_at(judged, at, "--"))
        return "it would write";
    return is_at(judged, at, "{") || is_at(judged, at, "}") ? "only expressions are evaluated"
                                                            : unclear;
}

static const char *judge_macro(struct judged *judged, const char *rest);

static const char *judge_name(struct judged *judged, size_t at)
{
    if (is_type_word(judged, at) || is_operator_word(judged, at))
        return NULL;
    if (is_keyword(judged, at))
        return "only expressions are evaluated";
    /* What is put there may begin with a parenthesis. */
    if (is_parameter(judged, at))
        return judge_before(judged, at);
    const char *macro = find_macro(judged, at);
    const char *why = macro ? judge_before(judged, at) : NULL;
    return why || !macro ? why : judge_macro(judged, macro);
}

/* What looks like a string need not be one: R"(...)" of GNU C. */
static const char *judge_string(const struct judged *judged, size_t at)
{
    static const char *const prefixes[] = {"L", "u", "U", "u8"};
    const struct token *token = &judged->tokens.tokens[at];
    if (!at || token[-1].kind != TOKEN_NAME || token[-1].start + token[-1].length != token->start)
        return NULL;
    return IS_ANY(judged, at - 1, prefixes) ? NULL : unclear;
}

static const char *judge(struct judged *judged, size_t at)
{
    switch (judged->tokens.tokens[at].kind) {
    case TOKEN_PUNCTUATION:
        return judge_operator(judged, at);
    case TOKEN_NAME:
        return judge_name(judged, at);
    case TOKEN_STRING:
    case TOKEN_CHARACTER:
        return judge_string(judged, at);
    default:
        return NULL;
    }
}

/* Between two tokens the compiler might see other ones than we do: lines of the preprocessor, and
   lines that are joined. */
static bool is_plain_gap(const struct judged *judged, size_t from, size_t to)
{
    for (; from < to; from++)
        if (judged->tokens.text[from] == '#' || judged->tokens.text[from] == '\\')
            return false;
    return true;
}

/* The first thing that is not known to read only. */
static void judge_all(struct judged *judged, struct read_only_finding *ret)
{
    const struct tokens *tokens = &judged->tokens;
    size_t end =
        judged->first && judged->first < tokens->count ? tokens->tokens[judged->first].start : 0;
    *ret = (struct read_only_finding){0};
    for (size_t i = judged->first; i <= tokens->count && !ret->why && !judged->error; i++) {
        bool is_token = i < tokens->count;
        ret->start = is_token ? tokens->tokens[i].start : strlen(tokens->text);
        ret->length = is_token ? tokens->tokens[i].length : 0;
        if (!is_plain_gap(judged, end, ret->start))
            ret->why = unclear;
        else if (i < judged->count)
            ret->why = judge(judged, i);
        end = ret->start + ret->length;
    }
}

/* Each bracket that is open is closed: what stands around it stays as it is. */
static bool is_balanced(const struct judged *judged)
{
    long depth = 0;
    for (size_t i = 0; i < judged->tokens.count && depth >= 0; i++) {
        depth += is_at(judged, i, "(") || is_at(judged, i, "[");
        depth -= is_at(judged, i, ")") || is_at(judged, i, "]");
    }
    return depth == 0;
}

/* `rest` is what follows the name in the line that defines it. */
static const char *judge_macro(struct judged *judged, const char *rest)
{
    struct read_only_finding finding = {.why = unclear};
    struct judged body = {.context = judged->context, .depth = judged->depth + 1};
    CLEANUP_FREE char *text = strndup(rest, strcspn(rest, "\n"));
    if (body.depth > DEPTH_MAX)
        return unclear;
    body.error = text ? tokens_read(&body.tokens, text, NULL, NULL) : error_no_memory();
    body.count = body.tokens.count;
    if (*rest == '(')
        while (body.first < body.count && !is_at(&body, body.first++, ")"))
            continue;
    if (!body.error && is_balanced(&body))
        judge_all(&body, &finding);
    tokens_deinit(&body.tokens);
    if (body.error && !judged->error)
        judged->error = body.error;
    return finding.why;
}

struct error *read_only_check(const char *text, const char *context, struct read_only_finding *ret)
{
    struct judged judged = {.context = context};
    *ret = (struct read_only_finding){0};
    struct error *error = tokens_read(&judged.tokens, text, NULL, NULL);
    if (error)
        return error;
    judged.count = judged.tokens.count;
    while (judged.count && is_at(&judged, judged.count - 1, ";"))
        judged.count--;
    judge_all(&judged, ret);
    tokens_deinit(&judged.tokens);
    return judged.error;
}
