/*
 * A C program with a Python interpreter in it, as a plug-in would bring it along.
 *
 * Awkward: libpython was loaded with RTLD_LOCAL, so that dlsym(RTLD_DEFAULT) finds nothing of it;
 * no thread runs Python code, and the main thread has given the GIL back. With "off" as an argument
 * the interpreter is loaded and not started.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    void *library = dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 77;
    if (count < 2 || strcmp(arguments[1], "off") != 0) {
        ((void (*)(int))dlsym(library, "Py_InitializeEx"))(0);
        ((int (*)(const char *))dlsym(library, "PyRun_SimpleString"))("value = 'embedded'");
        ((void *(*)(void))dlsym(library, "PyEval_SaveThread"))();
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
