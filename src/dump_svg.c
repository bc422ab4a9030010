/*
 * A flame graph in one SVG file that needs nothing else: each frame a box as wide as the samples it
 * was in, the outermost at the top, where the title is, however deep the stacks are. It can be read
 * and printed as it is; src/flamegraph.js makes it zoom and search.
 */
#include "src/base_name.h"
#include "src/message.h"
#include "src/profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1200
#define MARGIN 12
#define INNER_WIDTH (WIDTH - 2 * MARGIN)
#define ROW 18
/* The title, a line per process, the legend, and what the mouse points at. */
#define TITLE_BASE 28
#define LINE 18
#define FOOT 14
/* One character of the font of the boxes, which is as wide as any other of it. */
#define CHARACTER_WIDTH 6.65
/* Narrower ones could not be seen, not even printed. */
#define THINNEST 0.005

static const char script[] =
#include "flamegraph_js.inc"
    ;
static const char style[] =
#include "flamegraph_css.inc"
    ;

/* What kind of code a box is: its colour. */
enum kind { KIND_GROUP, KIND_PROGRAM, KIND_LIBRARY, KIND_SYSTEM, KIND_RUNTIME, KIND_UNSURE };

static const struct {
    const char *name;
    unsigned hue, saturation, lightness; /* hsl() of CSS */
    unsigned hue_range;                  /* how far functions of this kind differ */
} kinds[] = {
    [KIND_GROUP] = {"process, thread", 215, 22, 80, 0},
    [KIND_PROGRAM] = {"program", 14, 84, 66, 26},
    [KIND_LIBRARY] = {"libraries", 40, 88, 66, 16},
    [KIND_SYSTEM] = {"C library, loader", 195, 48, 68, 22},
    [KIND_RUNTIME] = {"made at run time", 110, 42, 66, 26},
    [KIND_UNSURE] = {"not sure", 0, 0, 78, 0},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

struct picture {
    FILE *out;
    const struct tree_node *top; /* the outermost box: all, or the only process */
    size_t rows;
    int head; /* where the boxes begin */
    double height;
};

/*
 * At most `limit` characters as text of XML 1.0, which has no control characters, no surrogates and
 * neither U+FFFE nor U+FFFF (section 2.2), however they are written.
 */
static void print_xml(FILE *out, const char *text, size_t limit)
{
    for (size_t i = 0; *text && i < limit; i++) {
        uint32_t c;
        size_t length = message_utf8_length(text, &c);
        if (!length || c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff)
            fputs(length && c < ' ' ? "?" : "\xef\xbf\xbd", out);
        else if (strchr("&<>\"'", (int)(c & 0x7f)) && c < 0x80)
            fprintf(out, "&#%u;", (unsigned)c);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (uint32_t c; *text; count++) {
        size_t length = message_utf8_length(text, &c);
        text += length ? length : 1;
    }
    return count;
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

static bool is_system(const char *module)
{
    const char *name = base_name(module);
    return starts_with(name, "libc.") || starts_with(name, "libc-") || starts_with(name, "ld-") ||
           starts_with(name, "ld.") || starts_with(name, "libpthread") || name[0] == '[';
}

static const struct samples *process_of(const struct tree_node *node)
{
    while (!node->process)
        node = node->parent;
    return node->process;
}

static enum kind kind_of(const struct tree_node *node)
{
    const struct sample_frame *frame = node->frame;
    if (!frame)
        return KIND_GROUP;
    if (frame->flaw || frame->guess)
        return KIND_UNSURE;
    if (!frame->module)
        return frame->jit ? KIND_RUNTIME : KIND_UNSURE;
    if (is_system(frame->module))
        return KIND_SYSTEM;
    /* The link text may say " (deleted)" behind the path. */
    return starts_with(process_of(node)->executable, frame->module) ? KIND_PROGRAM : KIND_LIBRARY;
}

/* The same function has the same colour in every graph. */
static void print_colour(FILE *out, const struct tree_node *node)
{
    enum kind kind = kind_of(node);
    uint32_t hash = 2166136261; /* FNV-1a */
    for (const char *c = node->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619;
    unsigned range = kinds[kind].hue_range;
    unsigned hue = kinds[kind].hue + (range ? hash % range : 0);
    unsigned lightness = kinds[kind].lightness + (range ? (hash >> 12) % 9 : 0);
    fprintf(out, "hsl(%u,%u%%,%u%%)", hue, kinds[kind].saturation, lightness);
}

static void print_name(FILE *out, const struct tree_node *node, size_t limit)
{
    print_xml(out, node->name, limit);
    if (node->process)
        fprintf(out, " (%d)", node->process->pid);
    if (node->frame && node->frame->guess)
        fputs(PROFILE_GUESS, out);
}

/* Full name, file, and how many samples, in lines: the first is what is searched. */
static void print_title(const struct picture *picture, const struct tree_node *node)
{
    FILE *out = picture->out;
    fputs("<title>", out);
    print_name(out, node, SIZE_MAX);
    if (node->frame && node->frame->module) {
        fputs("\n", out);
        print_xml(out, node->frame->module, SIZE_MAX);
    }
    if (node->frame && node->frame->file) {
        fputs("\nin ", out);
        print_xml(out, node->frame->file, SIZE_MAX);
    }
    fprintf(out, "\n%zu sample%s, %.2f%%</title>", node->count, node->count == 1 ? "" : "s",
            100.0 * (double)node->count / (double)picture->top->count);
}

static void print_label(FILE *out, const struct tree_node *node, double width)
{
    size_t room = width < 3 * CHARACTER_WIDTH ? 0 : (size_t)((width - 6) / CHARACTER_WIDTH);
    size_t length = count_characters(node->name);
    bool whole = !node->process && !(node->frame && node->frame->guess) && length <= room;
    if (whole || length + 20 <= room)
        print_name(out, node, SIZE_MAX);
    else if (room >= 3) {
        print_xml(out, node->name, room - 2);
        fputs("..", out);
    }
}

/* `start`: samples to the left of it. */
static void print_box(const struct picture *picture, const struct tree_node *node, size_t start)
{
    FILE *out = picture->out;
    double scale = INNER_WIDTH / (double)picture->top->count;
    size_t row = node->depth - picture->top->depth;
    double x = MARGIN + (double)start * scale, width = (double)node->count * scale;
    double y = picture->head + (double)row * ROW;
    if (width < THINNEST)
        return;
    fprintf(out, "<g class=\"f\" data-s=\"%zu\" data-n=\"%zu\" data-r=\"%zu\">", start, node->count,
            row);
    print_title(picture, node);
    fprintf(out, "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" fill=\"", x, y, width,
            ROW - 1);
    print_colour(out, node);
    fprintf(out, "\"/><text x=\"%.2f\" y=\"%.0f\">", x + 3, y + ROW - 5.0);
    print_label(out, node, width);
    fputs("</text></g>\n", out);
}

/* All boxes, each before those inside it. */
static bool print_boxes(const struct picture *picture)
{
    size_t *starts = calloc(picture->rows + 1, sizeof(*starts)); /* where the next one begins */
    if (!starts)
        return false;
    for (const struct tree_node *node = picture->top; node;
         node = stack_tree_next((struct tree_node *)node)) {
        size_t row = node->depth - picture->top->depth;
        print_box(picture, node, starts[row]);
        starts[row + 1] = starts[row];
        starts[row] += node->count;
    }
    free(starts);
    return true;
}

static void print_process(FILE *out, const struct samples *samples, int y)
{
    char date[64] = "";
    struct tm tm;
    if (localtime_r(&samples->began.tv_sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &tm);
    fprintf(out, "<text class=\"about\" x=\"%d\" y=\"%d\">", MARGIN, y);
    print_xml(out, samples->executable, SIZE_MAX);
    fprintf(out, ", process %d, %s: %zu sample%s", samples->pid, date, samples->count,
            samples->count == 1 ? "" : "s");
    if (samples->count > 1)
        fprintf(out, " in %.1f s", (double)(samples->last_us - samples->first_us) / 1e6);
    fprintf(out, " of %zu thread%s, paused for %.1f ms in all</text>\n", samples->thread_count,
            samples->thread_count == 1 ? "" : "s", (double)samples->pause_us / 1000);
}

static void print_legend(FILE *out, int y)
{
    double x = MARGIN;
    fputs("<g id=\"legend\">", out);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        fprintf(out,
                "<rect x=\"%.0f\" y=\"%d\" width=\"11\" height=\"11\" fill=\"hsl(%u,%u%%,%u%%)\"/>"
                "<text x=\"%.0f\" y=\"%d\">%s</text>",
                x, y - 10, kinds[i].hue + kinds[i].hue_range / 2, kinds[i].saturation,
                kinds[i].lightness, x + 16, y, kinds[i].name);
        x += 36 + 6 * (double)strlen(kinds[i].name);
    }
    fputs("</g>\n", out);
}

static void print_head(const struct picture *picture, const struct sampled *sampled, size_t count)
{
    FILE *out = picture->out;
    fprintf(out, "<text class=\"title\" x=\"%d\" y=\"%d\">", MARGIN, TITLE_BASE);
    const char *separator = "";
    for (size_t i = 0; i < count; i++) {
        if (!sampled[i].samples)
            continue;
        fputs(separator, out);
        print_xml(out, base_name(sampled[i].samples->executable), 60);
        fprintf(out, " %d", sampled[i].samples->pid);
        separator = ", ";
    }
    fputs("</text>\n", out);
    int y = TITLE_BASE + LINE + 2;
    for (size_t i = 0; i < count; i++) {
        if (!sampled[i].samples)
            continue;
        print_process(out, sampled[i].samples, y);
        y += LINE;
    }
    print_legend(out, y + 6);
}

/* What the script fills; without it nothing is to be seen of these. */
static void print_controls(const struct picture *picture)
{
    fprintf(picture->out,
            "<foreignObject id=\"controls\" x=\"%d\" y=\"10\" width=\"%d\" height=\"34\">"
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">"
            "<button id=\"reset\" type=\"button\" disabled=\"disabled\">Reset zoom</button>"
            "<input id=\"search\" type=\"search\" placeholder=\"Search (Ctrl-F, a regular "
            "expression)\" spellcheck=\"false\" autocomplete=\"off\"/></div></foreignObject>\n"
            "<text id=\"matched\" x=\"%d\" y=\"%d\" text-anchor=\"end\"></text>\n"
            "<text id=\"details\" x=\"%d\" y=\"%d\"></text>\n",
            WIDTH - MARGIN - 440, 440, WIDTH - MARGIN, picture->head - 12 - LINE, MARGIN,
            picture->head - 9);
}

static bool print_picture(const struct picture *picture, const struct sampled *sampled,
                          size_t count)
{
    FILE *out = picture->out;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
            "viewBox=\"0 0 %d %.0f\">\n<style>%s</style>\n"
            "<rect id=\"ground\" width=\"100%%\" height=\"100%%\"/>\n",
            WIDTH, picture->height, WIDTH, picture->height, style);
    print_head(picture, sampled, count);
    print_controls(picture);
    fprintf(out, "<g id=\"frames\" data-total=\"%zu\">\n", picture->top->count);
    bool ok = print_boxes(picture);
    fprintf(out, "</g>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
    return ok;
}

struct error *dump_svg(const struct sampled *sampled, size_t count, FILE *out)
{
    CLEANUP_STACK_TREE struct stack_tree *tree = NULL;
    struct error *error = profile_tree(sampled, count, &tree);
    if (error)
        return error;
    struct tree_node *root = stack_tree_root(tree);
    struct picture picture = {.out = out, .top = root};
    if (root->child && !root->child->next)
        picture.top = root->child;
    for (struct tree_node *node = root; node; node = stack_tree_next(node)) {
        if (node->depth + 1 > picture.rows + picture.top->depth)
            picture.rows = node->depth + 1 - picture.top->depth;
    }
    size_t processes = 0;
    for (size_t i = 0; i < count; i++)
        processes += sampled[i].samples != NULL;
    picture.head = TITLE_BASE + LINE * ((int)processes + 3);
    picture.height = picture.head + (double)picture.rows * ROW + FOOT;
    return print_picture(&picture, sampled, count) ? NULL : error_no_memory();
}
