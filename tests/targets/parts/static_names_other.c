/* The other file of static_names.c: it has a static function of the same name as one there. */
static int __attribute__((noinline, used)) repeated(void)
{
    return 2;
}
