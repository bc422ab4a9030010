/*
 * .gnu_debugdata: an ELF file with the symbols that a stripped one lost, compressed by xz and put
 * into it as a section (gdb manual, "MiniDebugInfo"). Fedora's and Red Hat's programs have it.
 */
#include "injector/module_private.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

/* Symbols of the largest programs take some tens of MiB: no more is unpacked, bytes. */
#define UNPACKED_MAX (UINT64_C(128) << 20)
/* What xz -9 needs to unpack is 65 MiB (xz(1)), bytes. */
#define DECODER_MEMORY_MAX (UINT64_C(128) << 20)
#define FIRST_SIZE (64 * 1024)

/* Makes room for more output. False: enough, or no memory. */
static bool grow(struct file_bytes *bytes, lzma_stream *stream)
{
    size_t size = bytes->size ? bytes->size * 2 : FIRST_SIZE;
    uint8_t *larger = size <= UNPACKED_MAX ? realloc(bytes->bytes, size) : NULL;
    if (!larger)
        return false;
    stream->next_out = larger + bytes->size;
    stream->avail_out = size - bytes->size;
    bytes->bytes = larger;
    bytes->size = size;
    return true;
}

/* What the xz stream holds, malloc'ed. False: broken, cut off, or too much. */
static bool unpack(const uint8_t *packed, size_t size, struct file_bytes *ret)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    struct file_bytes bytes = {0};
    if (lzma_stream_decoder(&stream, DECODER_MEMORY_MAX, 0) != LZMA_OK)
        return false;
    stream.next_in = packed;
    stream.avail_in = size;
    lzma_ret result = LZMA_OK;
    while (result == LZMA_OK && (stream.avail_out || grow(&bytes, &stream)))
        result = lzma_code(&stream, LZMA_FINISH);
    bytes.size = stream.total_out;
    lzma_end(&stream);
    if (result != LZMA_STREAM_END) {
        file_bytes_deinit(&bytes);
        return false;
    }
    *ret = bytes;
    return true;
}

void mini_debug_find(struct module *module)
{
    struct module_private *priv = module->priv;
    if (priv->mini_sought)
        return;
    priv->mini_sought = true;
    const Elf64_Shdr *section = elf_image_find_section(&priv->elf, ".gnu_debugdata");
    const uint8_t *packed =
        section ? elf_image_at(&priv->elf, section->sh_offset, section->sh_size) : NULL;
    if (!packed || !unpack(packed, section->sh_size, &priv->mini_bytes))
        return;
    if (!elf_image_init(&priv->mini_elf, priv->mini_bytes.bytes, priv->mini_bytes.size))
        file_bytes_deinit(&priv->mini_bytes);
}

void mini_debug_close(struct module *module)
{
    elf_image_deinit(&module->priv->mini_elf);
    file_bytes_deinit(&module->priv->mini_bytes);
}
