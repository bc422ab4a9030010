/* What a recording keeps of a module's file. */
#include "injector/module_private.h"

#include "injector/recording.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* No larger file is kept, bytes. */
#define KEPT_FILE_MAX (UINT64_C(64) << 20)

static struct question file_question(const struct module *module, enum question_kind kind)
{
    return (struct question){.kind = kind, .number = module->start};
}

/* Found once more through the process alone: nobody will find it where the process is not. */
static bool is_gone(const struct module *module)
{
    return module->file_state == FILE_DELETED || module->file_state == FILE_REPLACED ||
           module->file_state == FILE_MEMORY;
}

void module_keep_file(const struct module *module)
{
    const struct process *process = module->priv->process;
    const struct question state = file_question(module, QUESTION_FILE_STATE);
    const struct question file = file_question(module, QUESTION_FILE_BYTES);
    if (!process->recording || process->saved)
        return;
    uint8_t byte = (uint8_t)module->file_state;
    recording_add(process->recording, &state, 0, &byte, sizeof(byte));
    if (module->fd >= 0 && is_gone(module) && module->image_size <= KEPT_FILE_MAX)
        recording_add(process->recording, &file, 0, module->image, module->image_size);
}

/* A file without a name with these bytes; a descriptor, or -1. */
static int make_file(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < size;) {
        ssize_t written = write(fd, bytes + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)written;
    }
    return fd;
}

int module_recall_file(const struct module *module)
{
    const struct process *process = module->priv->process;
    const struct question file = file_question(module, QUESTION_FILE_BYTES);
    struct answer answer;
    if (!process->saved || !recording_last(process->recording, &file, &answer))
        return -1;
    return make_file(answer.bytes, answer.size);
}

bool module_recall_state(const struct module *module, enum file_state *ret)
{
    const struct process *process = module->priv->process;
    const struct question state = file_question(module, QUESTION_FILE_STATE);
    struct answer answer;
    if (!process->saved || !recording_last(process->recording, &state, &answer) ||
        answer.size != 1 || answer.bytes[0] > FILE_MEMORY)
        return false;
    *ret = (enum file_state)answer.bytes[0];
    return true;
}
