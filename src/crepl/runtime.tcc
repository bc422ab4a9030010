/* What libtcc's code calls for operations that it has no instructions for; in C that itself needs
   none of them. */
void *memmove(void *to, const void *from, unsigned long size)
{
    char *t = to;
    const char *f = from;
    if (t < f)
        for (unsigned long i = 0; i < size; i++)
            t[i] = f[i];
    else
        while (size--)
            t[size] = f[size];
    return to;
}
void *memcpy(void *to, const void *from, unsigned long size)
{
    return memmove(to, from, size);
}
void *memset(void *to, int byte, unsigned long size)
{
    for (unsigned long i = 0; i < size; i++)
        ((char *)to)[i] = byte;
    return to;
}
/* 2^63: from there on a number does not fit into a signed one. */
#define HALF 9223372036854775808.0
#define TOP (1ul << 63)
double __floatundidf(unsigned long value)
{
    if ((long)value >= 0)
        return (long)value;
    double half = (long)((value >> 1) | (value & 1));
    return half + half;
}
float __floatundisf(unsigned long value)
{
    if ((long)value >= 0)
        return (long)value;
    float half = (long)((value >> 1) | (value & 1));
    return half + half;
}
long double __floatundixf(unsigned long value)
{
    long double result = (long)value;
    return (long)value >= 0 ? result : result + 2.0L * HALF;
}
unsigned long __fixunsdfdi(double value)
{
    return value < HALF ? (unsigned long)(long)value : (unsigned long)(long)(value - HALF) ^ TOP;
}
unsigned long __fixunssfdi(float value)
{
    return __fixunsdfdi(value);
}
unsigned long __fixunsxfdi(long double value)
{
    return value < HALF ? (unsigned long)(long)value : (unsigned long)(long)(value - HALF) ^ TOP;
}
long __fixsfdi(float value)
{
    return (long)value;
}
long __fixdfdi(double value)
{
    return (long)value;
}
long __fixxfdi(long double value)
{
    return (long)value;
}
/* The next argument of a va_list: System V ABI, AMD64 supplement, 3.5.7; `kind` as libtcc says it:
   0 in a general register, 1 in a vector register, 2 on the stack. */
struct manhole_va_list {
    unsigned general, vector;
    char *stack, *saved;
};
void *__va_arg(__builtin_va_list arguments, int kind, int size, int align)
{
    struct manhole_va_list *list = (struct manhole_va_list *)arguments;
    size = (size + 7) & ~7;
    align = (align + 7) & ~7;
    if (kind == 0 && list->general + size <= 48) {
        list->general += size;
        return list->saved + list->general - size;
    }
    if (kind == 1 && list->vector < 48 + 128) {
        list->vector += 16;
        return list->saved + list->vector - 16;
    }
    char *place = (char *)(((unsigned long)list->stack + align - 1) & -(unsigned long)align);
    list->stack = place + size;
    return place;
}
