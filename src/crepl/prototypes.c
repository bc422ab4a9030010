#include "src/crepl/prototypes.h"

#include <stdlib.h>
#include <string.h>

struct text {
    const char *name;
    const char *text;
    bool is_type;
};

/*
 * Sorted. In the words of C alone, as the x86-64 and arm64 Linux ABIs have them (size_t is unsigned
 * long, FILE and the structures of the kernel are void): each program has its own names for these.
 */
static const struct text prototypes[] = {
    {"__errno_location", "int *__errno_location(void);", false},
    {"_exit", "void _exit(int);", false},
    {"abort", "void abort(void);", false},
    {"abs", "int abs(int);", false},
    {"access", "int access(const char *, int);", false},
    {"atexit", "int atexit(void (*)(void));", false},
    {"atof", "double atof(const char *);", false},
    {"atoi", "int atoi(const char *);", false},
    {"atol", "long atol(const char *);", false},
    {"bsearch",
     "void *bsearch(const void *, const void *, unsigned long, unsigned long, int (*)(const void "
     "*, const void *));",
     false},
    {"calloc", "void *calloc(unsigned long, unsigned long);", false},
    {"ceil", "double ceil(double);", false},
    {"chdir", "int chdir(const char *);", false},
    {"clock_gettime", "int clock_gettime(int, void *);", false},
    {"close", "int close(int);", false},
    {"cos", "double cos(double);", false},
    {"ctime", "char *ctime(const long *);", false},
    {"dup", "int dup(int);", false},
    {"dup2", "int dup2(int, int);", false},
    {"environ", "extern char **environ;", false},
    {"exit", "void exit(int);", false},
    {"exp", "double exp(double);", false},
    {"fabs", "double fabs(double);", false},
    {"fclose", "int fclose(void *);", false},
    {"fcntl", "int fcntl(int, int, ...);", false},
    {"fflush", "int fflush(void *);", false},
    {"fgets", "char *fgets(char *, int, void *);", false},
    {"fileno", "int fileno(void *);", false},
    {"floor", "double floor(double);", false},
    {"fmod", "double fmod(double, double);", false},
    {"fopen", "void *fopen(const char *, const char *);", false},
    {"fprintf", "int fprintf(void *, const char *, ...);", false},
    {"fputc", "int fputc(int, void *);", false},
    {"fputs", "int fputs(const char *, void *);", false},
    {"fread", "unsigned long fread(void *, unsigned long, unsigned long, void *);", false},
    {"free", "void free(void *);", false},
    {"fwrite", "unsigned long fwrite(const void *, unsigned long, unsigned long, void *);", false},
    {"getcwd", "char *getcwd(char *, unsigned long);", false},
    {"getegid", "int getegid(void);", false},
    {"getenv", "char *getenv(const char *);", false},
    {"geteuid", "int geteuid(void);", false},
    {"getgid", "int getgid(void);", false},
    {"getpid", "int getpid(void);", false},
    {"getppid", "int getppid(void);", false},
    {"gettid", "int gettid(void);", false},
    {"gettimeofday", "int gettimeofday(void *, void *);", false},
    {"getuid", "int getuid(void);", false},
    {"gmtime", "void *gmtime(const long *);", false},
    {"ioctl", "int ioctl(int, unsigned long, ...);", false},
    {"isalnum", "int isalnum(int);", false},
    {"isalpha", "int isalpha(int);", false},
    {"isatty", "int isatty(int);", false},
    {"isdigit", "int isdigit(int);", false},
    {"islower", "int islower(int);", false},
    {"isprint", "int isprint(int);", false},
    {"isspace", "int isspace(int);", false},
    {"isupper", "int isupper(int);", false},
    {"isxdigit", "int isxdigit(int);", false},
    {"kill", "int kill(int, int);", false},
    {"labs", "long labs(long);", false},
    {"localtime", "void *localtime(const long *);", false},
    {"log", "double log(double);", false},
    {"log10", "double log10(double);", false},
    {"log2", "double log2(double);", false},
    {"lseek", "long lseek(int, long, int);", false},
    {"malloc", "void *malloc(unsigned long);", false},
    {"malloc_trim", "int malloc_trim(unsigned long);", false},
    {"malloc_usable_size", "unsigned long malloc_usable_size(void *);", false},
    {"memchr", "void *memchr(const void *, int, unsigned long);", false},
    {"memcmp", "int memcmp(const void *, const void *, unsigned long);", false},
    {"memcpy", "void *memcpy(void *, const void *, unsigned long);", false},
    {"memmem", "void *memmem(const void *, unsigned long, const void *, unsigned long);", false},
    {"memmove", "void *memmove(void *, const void *, unsigned long);", false},
    {"memset", "void *memset(void *, int, unsigned long);", false},
    {"mmap", "void *mmap(void *, unsigned long, int, int, int, long);", false},
    {"munmap", "int munmap(void *, unsigned long);", false},
    {"nanosleep", "int nanosleep(const void *, void *);", false},
    {"open", "int open(const char *, int, ...);", false},
    {"perror", "void perror(const char *);", false},
    {"pipe", "int pipe(int *);", false},
    {"poll", "int poll(void *, unsigned long, int);", false},
    {"pow", "double pow(double, double);", false},
    {"pread", "long pread(int, void *, unsigned long, long);", false},
    {"printf", "int printf(const char *, ...);", false},
    {"pthread_mutex_lock", "int pthread_mutex_lock(void *);", false},
    {"pthread_mutex_trylock", "int pthread_mutex_trylock(void *);", false},
    {"pthread_mutex_unlock", "int pthread_mutex_unlock(void *);", false},
    {"pthread_self", "unsigned long pthread_self(void);", false},
    {"putchar", "int putchar(int);", false},
    {"puts", "int puts(const char *);", false},
    {"pwrite", "long pwrite(int, const void *, unsigned long, long);", false},
    {"qsort",
     "void qsort(void *, unsigned long, unsigned long, int (*)(const void *, const void *));",
     false},
    {"raise", "int raise(int);", false},
    {"rand", "int rand(void);", false},
    {"random", "long random(void);", false},
    {"read", "long read(int, void *, unsigned long);", false},
    {"readlink", "long readlink(const char *, char *, unsigned long);", false},
    {"realloc", "void *realloc(void *, unsigned long);", false},
    {"remove", "int remove(const char *);", false},
    {"rename", "int rename(const char *, const char *);", false},
    {"round", "double round(double);", false},
    {"sched_yield", "int sched_yield(void);", false},
    {"setenv", "int setenv(const char *, const char *, int);", false},
    {"sin", "double sin(double);", false},
    {"sleep", "unsigned int sleep(unsigned int);", false},
    {"snprintf", "int snprintf(char *, unsigned long, const char *, ...);", false},
    {"sprintf", "int sprintf(char *, const char *, ...);", false},
    {"sqrt", "double sqrt(double);", false},
    {"srand", "void srand(unsigned int);", false},
    {"sscanf", "int sscanf(const char *, const char *, ...);", false},
    {"stderr", "extern void *stderr;", false},
    {"stdin", "extern void *stdin;", false},
    {"stdout", "extern void *stdout;", false},
    {"strcasecmp", "int strcasecmp(const char *, const char *);", false},
    {"strcat", "char *strcat(char *, const char *);", false},
    {"strchr", "char *strchr(const char *, int);", false},
    {"strcmp", "int strcmp(const char *, const char *);", false},
    {"strcoll", "int strcoll(const char *, const char *);", false},
    {"strcpy", "char *strcpy(char *, const char *);", false},
    {"strcspn", "unsigned long strcspn(const char *, const char *);", false},
    {"strdup", "char *strdup(const char *);", false},
    {"strerror", "char *strerror(int);", false},
    {"strftime", "unsigned long strftime(char *, unsigned long, const char *, const void *);",
     false},
    {"strlen", "unsigned long strlen(const char *);", false},
    {"strncasecmp", "int strncasecmp(const char *, const char *, unsigned long);", false},
    {"strncat", "char *strncat(char *, const char *, unsigned long);", false},
    {"strncmp", "int strncmp(const char *, const char *, unsigned long);", false},
    {"strncpy", "char *strncpy(char *, const char *, unsigned long);", false},
    {"strndup", "char *strndup(const char *, unsigned long);", false},
    {"strnlen", "unsigned long strnlen(const char *, unsigned long);", false},
    {"strpbrk", "char *strpbrk(const char *, const char *);", false},
    {"strrchr", "char *strrchr(const char *, int);", false},
    {"strsep", "char *strsep(char **, const char *);", false},
    {"strsignal", "char *strsignal(int);", false},
    {"strspn", "unsigned long strspn(const char *, const char *);", false},
    {"strstr", "char *strstr(const char *, const char *);", false},
    {"strtod", "double strtod(const char *, char **);", false},
    {"strtok", "char *strtok(char *, const char *);", false},
    {"strtok_r", "char *strtok_r(char *, const char *, char **);", false},
    {"strtol", "long strtol(const char *, char **, int);", false},
    {"strtoll", "long long strtoll(const char *, char **, int);", false},
    {"strtoul", "unsigned long strtoul(const char *, char **, int);", false},
    {"strtoull", "unsigned long long strtoull(const char *, char **, int);", false},
    {"syscall", "long syscall(long, ...);", false},
    {"sysconf", "long sysconf(int);", false},
    {"tan", "double tan(double);", false},
    {"time", "long time(long *);", false},
    {"tolower", "int tolower(int);", false},
    {"toupper", "int toupper(int);", false},
    {"umask", "unsigned int umask(unsigned int);", false},
    {"unlink", "int unlink(const char *);", false},
    {"unsetenv", "int unsetenv(const char *);", false},
    {"usleep", "int usleep(unsigned int);", false},
    {"vprintf", "int vprintf(const char *, void *);", false},
    {"vsnprintf", "int vsnprintf(char *, unsigned long, const char *, void *);", false},
    {"write", "long write(int, const void *, unsigned long);", false},
};

/* Sorted. Numbers as <limits.h>, <stdint.h> and <errno.h> of these ABIs have them. */
static const struct text header_texts[] = {
    {"CHAR_BIT", "#define CHAR_BIT 8", false},
    {"EOF", "#define EOF (-1)", false},
    {"INT_MAX", "#define INT_MAX 2147483647", false},
    {"INT_MIN", "#define INT_MIN (-2147483647 - 1)", false},
    {"LONG_MAX", "#define LONG_MAX 9223372036854775807L", false},
    {"LONG_MIN", "#define LONG_MIN (-9223372036854775807L - 1)", false},
    {"NULL", "#define NULL ((void *)0)", false},
    {"SIZE_MAX", "#define SIZE_MAX 18446744073709551615UL", false},
    {"UINT_MAX", "#define UINT_MAX 4294967295U", false},
    {"ULONG_MAX", "#define ULONG_MAX 18446744073709551615UL", false},
    {"bool", "#define bool _Bool", true},
    {"errno", "#define errno (*__errno_location())", false},
    {"false", "#define false 0", false},
    {"int16_t", "typedef short int16_t;", true},
    {"int32_t", "typedef int int32_t;", true},
    {"int64_t", "typedef long int64_t;", true},
    {"int8_t", "typedef signed char int8_t;", true},
    {"intptr_t", "typedef long intptr_t;", true},
    {"off_t", "typedef long off_t;", true},
    {"offsetof", "#define offsetof(type, member) ((unsigned long)&((type *)0)->member)", false},
    {"pid_t", "typedef int pid_t;", true},
    {"ptrdiff_t", "typedef long ptrdiff_t;", true},
    {"size_t", "typedef unsigned long size_t;", true},
    {"ssize_t", "typedef long ssize_t;", true},
    {"time_t", "typedef long time_t;", true},
    {"true", "#define true 1", false},
    {"uint", "typedef unsigned int uint;", true},
    {"uint16_t", "typedef unsigned short uint16_t;", true},
    {"uint32_t", "typedef unsigned int uint32_t;", true},
    {"uint64_t", "typedef unsigned long uint64_t;", true},
    {"uint8_t", "typedef unsigned char uint8_t;", true},
    {"uintptr_t", "typedef unsigned long uintptr_t;", true},
    {"ulong", "typedef unsigned long ulong;", true},
};

static int compare(const void *name, const void *text)
{
    return strcmp(name, ((const struct text *)text)->name);
}

const char *prototype_find(const char *name, bool *is_function)
{
    const struct text *found = bsearch(name, prototypes, sizeof(prototypes) / sizeof(prototypes[0]),
                                       sizeof(prototypes[0]), compare);
    if (!found)
        return NULL;
    *is_function = strchr(found->text, '(') != NULL;
    return found->text;
}

const char *header_text_find(const char *name, bool *is_type)
{
    const struct text *found =
        bsearch(name, header_texts, sizeof(header_texts) / sizeof(header_texts[0]),
                sizeof(header_texts[0]), compare);
    if (!found)
        return NULL;
    *is_type = found->is_type;
    return found->text;
}

const char *prototype_name(size_t at)
{
    size_t functions = sizeof(prototypes) / sizeof(prototypes[0]);
    size_t texts = sizeof(header_texts) / sizeof(header_texts[0]);
    if (at < functions)
        return prototypes[at].name;
    return at - functions < texts ? header_texts[at - functions].name : NULL;
}
