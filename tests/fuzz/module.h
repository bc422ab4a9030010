/* A target with one module, whose file is bytes that somebody hostile made. */
#ifndef TESTS_FUZZ_MODULE_H
#define TESTS_FUZZ_MODULE_H

#include "injector/jit.h"
#include "injector/module_private.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_BIAS UINT64_C(0x10000)

/*
 * Takes the bytes, malloc'ed; modules_destroy releases them. NULL, and they are freed: this is no
 * ELF file.
 */
static inline struct modules *fuzz_modules(struct process *process, uint8_t *bytes, size_t size)
{
    struct modules *modules = calloc(1, sizeof(*modules));
    struct module *module = calloc(1, sizeof(*module));
    struct module_private *priv = calloc(1, sizeof(*priv));
    if (!modules || !module || !priv)
        abort();
    if (!elf_image_init(&priv->elf, bytes, size)) {
        free(priv);
        free(module);
        free(modules);
        free(bytes);
        return NULL;
    }
    priv->process = process;
    priv->opened = true;
    priv->bytes = (struct file_bytes){.bytes = bytes, .size = size};
    priv->debug.fd = priv->shared.fd = -1;
    *module = (struct module){.path = strdup("/fuzz"),
                              .start = FUZZ_BIAS,
                              .end = FUZZ_BIAS + (UINT64_C(1) << 30),
                              .bias = FUZZ_BIAS,
                              .image = bytes,
                              .image_size = size,
                              .fd = fuzz_file(bytes, size),
                              .priv = priv};
    module->build_id_size = elf_image_build_id(&priv->elf, module->build_id, BUILD_ID_MAX);
    modules->modules = calloc(1, sizeof(module));
    modules->modules[0] = module;
    modules->count = 1;
    modules->process = process;
    modules->jit = jit_create(process, modules);
    return modules;
}

#endif
