#include "payload/code.h"

#include "payload/guard.h"
#include "payload/memory.h"
#include "payload/redirect.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>
#include <sys/mman.h>

/* Pieces at a time: a session that defines a thousand functions is long. */
#define PIECES_MAX 1024

static struct piece {
    _Atomic uintptr_t start; /* 0: unused */
    uintptr_t code_end, end;
    bool keep;
} pieces[PIECES_MAX];

static bool is_page_multiple(uint64_t value)
{
    return value % MEMORY_PAGE == 0;
}

bool code_holds(uintptr_t address)
{
    for (size_t i = 0; i < PIECES_MAX; i++)
        if (pieces[i].start && address >= pieces[i].start && address < pieces[i].code_end)
            return true;
    return false;
}

static struct piece *find_piece(uintptr_t start)
{
    for (size_t i = 0; i < PIECES_MAX; i++)
        if (pieces[i].start == start)
            return &pieces[i];
    return NULL;
}

static void unmap(struct piece *piece)
{
    uintptr_t start = piece->start;
    piece->start = 0;
    memory_unmap((void *)start, piece->end - start);
}

/* Where memory that was written may not become executable: the code from a file in memory. */
static long map_from_file(const struct manhole_load *load, const char *image, size_t size)
{
    long fd = sys_move_high(SYS_CALL(SYS_memfd_create, "manhole-code", MFD_CLOEXEC, 0, 0, 0, 0));
    if (fd < 0)
        return fd;
    long result = SYS_CALL(SYS_ftruncate, fd, load->code_size, 0, 0, 0, 0);
    if (!sys_is_error(result))
        result = SYS_CALL(SYS_pwrite64, fd, image, size, 0, 0, 0);
    if (!sys_is_error(result))
        result = SYS_CALL(SYS_mmap, load->address, load->code_size, PROT_READ | PROT_EXEC,
                          MAP_PRIVATE | MAP_FIXED, fd, 0);
    sys_close((int)fd);
    return result;
}

static long protect(const struct manhole_load *load, const char *image, size_t size)
{
    long result =
        SYS_CALL(SYS_mprotect, load->address, load->code_size, PROT_READ | PROT_EXEC, 0, 0, 0);
    if (result == -EACCES || result == -EPERM)
        result = map_from_file(load, image, size < load->code_size ? size : load->code_size);
    return result;
}

static bool is_sound(const struct manhole_load *load, size_t image_size)
{
    return load->size && is_page_multiple(load->address | load->size | load->code_size) &&
           load->code_size <= load->size && image_size <= load->size &&
           load->address + load->size > load->address;
}

static void fail(struct request *request, const char *what, const struct manhole_load *load,
                 long error)
{
    char name[16];
    request_fail(request, "%s at 0x%lx: %s", what, load->address, text_errno((int)-error, name));
}

void code_load(struct request *request)
{
    struct manhole_load load;
    if (request->job->size < sizeof(load)) {
        request_fail(request, "a piece of code is cut short");
        return;
    }
    memcpy(&load, request->job->data, sizeof(load));
    const char *image = request->job->data + sizeof(load);
    size_t size = request->job->size - sizeof(load);
    struct piece *piece = find_piece(0);
    if (!is_sound(&load, size) || !piece) {
        request_fail(request, piece ? "a piece of code whose sizes contradict each other"
                                    : "there are too many pieces of code");
        return;
    }
    long start = SYS_CALL(SYS_mmap, load.address, load.size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    /* Kernels before 4.17 take the flag for a mere wish (mmap(2)). */
    if (!sys_is_error(start) && (uintptr_t)start != load.address) {
        memory_unmap((void *)start, load.size);
        start = -EEXIST;
    }
    if (sys_is_error(start)) {
        fail(request, "no room for code", &load, start);
        return;
    }
    memcpy((void *)start, image, size);
    long result = load.code_size ? protect(&load, image, size) : 0;
    if (sys_is_error(result)) {
        memory_unmap((void *)start, load.size);
        fail(request, "this process may not make memory executable", &load, result);
        return;
    }
    piece->code_end = load.address + load.code_size;
    piece->end = load.address + load.size;
    piece->keep = load.flags & MANHOLE_KEEP;
    piece->start = load.address;
}

void code_unload(struct request *request)
{
    struct manhole_range range;
    struct piece *piece = NULL;
    if (request->job->size == sizeof(range)) {
        memcpy(&range, request->job->data, sizeof(range));
        piece = range.address ? find_piece(range.address) : NULL;
    }
    if (piece)
        unmap(piece);
    else
        request_fail(request, "no code was loaded there");
}

/* For clients that have better names than we. */
static void tell_fault(struct request *request, const struct guard_report *report)
{
    bool has_address = report->code > 0 && (report->signal == SIGSEGV || report->signal == SIGBUS);
    const struct manhole_fault fault = {.address = has_address ? report->address : 0,
                                        .has_address = has_address,
                                        .count = (uint32_t)report->count};
    if (request->output->form == OUTPUT_FRAMES)
        output_frame(request->output, MANHOLE_FAULT, &fault, sizeof(fault), report->stack,
                     report->count * sizeof(report->stack[0]));
}

void code_execute(struct request *request)
{
    uint64_t address, ignored, arguments[ARCH_ARGUMENTS] = {0};
    struct guard_report report;
    if (request->job->size != sizeof(address)) {
        request_fail(request, "an address is %zu bytes", sizeof(address));
        return;
    }
    memcpy(&address, request->job->data, sizeof(address));
    if (!code_holds(address)) {
        request_fail(request, "0x%lx: no code was loaded there", address);
        return;
    }
    redirect_begin(request->output);
    enum guard_outcome outcome =
        guard_run(GUARD_CUT_OWN_CODE, address, arguments, &ignored, &report);
    redirect_end(request->output);
    if (outcome != GUARD_RETURNED)
        tell_fault(request, &report);
    request_explain(request, outcome, &report, "the code");
}

void code_write(struct request *request)
{
    struct manhole_range range;
    size_t size = request->job->size - sizeof(range);
    if (request->job->size < sizeof(range)) {
        request_fail(request, "a range is %zu bytes", sizeof(range));
        return;
    }
    memcpy(&range, request->job->data, sizeof(range));
    struct iovec local = {(char *)request->job->data + sizeof(range), size};
    struct iovec remote = {(void *)range.address, size};
    long done = SYS_CALL(SYS_process_vm_writev, sys_getpid(), &local, 1, &remote, 1, 0);
    if (done != (long)size)
        request_fail(request, "0x%lx: not writable", range.address);
}

void code_end_session(void)
{
    for (size_t i = 0; i < PIECES_MAX; i++)
        if (pieces[i].start && !pieces[i].keep)
            unmap(&pieces[i]);
}

void code_forget(void)
{
    for (size_t i = 0; i < PIECES_MAX; i++)
        pieces[i].start = 0;
}
