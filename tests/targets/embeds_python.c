// BUILD: -ldl
/*
 * A C program that loads Python when it is told to, privately (RTLD_LOCAL), ends it, and begins it
 * again: no symbol of Python's is to be found in the scope of the program, and what was true of the
 * interpreter once is not for ever.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;
static void *thread_state;

static void *find(const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        exit(2);
    return found;
}

static void run(const char *code)
{
    ((int (*)(const char *))find("PyRun_SimpleString"))(code);
}
static void give_gil(void)
{
    thread_state = ((void *(*)(void))find("PyEval_SaveThread"))();
}
static void take_gil(void)
{
    ((void (*)(void *))find("PyEval_RestoreThread"))(thread_state);
}

int main(void)
{
    char word[64];
    setbuf(stdout, NULL);
    puts("ready");
    while (fgets(word, sizeof(word), stdin)) {
        word[strcspn(word, "\n")] = '\0';
        if (!strcmp(word, "begin")) {
            library = dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_LOCAL);
            if (!library)
                return 1;
            ((void (*)(int))find("Py_InitializeEx"))(0);
            run("import threading\nvalue = 41\n");
            give_gil();
        } else if (!strcmp(word, "take")) {
            take_gil();
        } else if (!strcmp(word, "give")) {
            run("value += 1");
            give_gil();
        } else if (!strcmp(word, "end")) {
            take_gil();
            ((int (*)(void))find("Py_FinalizeEx"))();
        }
        puts(word);
    }
    return 0;
}
