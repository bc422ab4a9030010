#include "injector/code_name.h"

#include "injector/bytes.h"
#include "injector/recording.h"

#include <string.h>

void code_name_keep(const struct process *process, uint64_t address, const struct code_name *name)
{
    const struct question question = {.kind = QUESTION_CODE_NAME, .number = address};
    if (!process->recording || process->saved)
        return;
    struct byte_writer writer = {0};
    put_u64(&writer, name->start);
    put_u64(&writer, name->size);
    put_block(&writer, name->name, strlen(name->name) + 1);
    if (!writer.failed)
        recording_add(process->recording, &question, 0, writer.bytes, writer.size);
    byte_writer_deinit(&writer);
}

bool code_name_recall(const struct process *process, uint64_t address, struct code_name *ret)
{
    const struct question question = {.kind = QUESTION_CODE_NAME, .number = address};
    struct answer answer;
    if (!process->saved || !recording_last(process->recording, &question, &answer))
        return false;
    struct byte_reader reader = {.at = answer.bytes, .left = answer.size};
    size_t size;
    ret->start = get_u64(&reader);
    ret->size = get_u64(&reader);
    ret->name = (const char *)get_block(&reader, &size);
    return ret->name && size && !ret->name[size - 1];
}
