/* What churn.c loads and unloads: has storage for each thread, and needs no library itself. */
static _Thread_local int count;

__attribute__((constructor)) static void begin(void)
{
    count = 100;
}

int churn_count(void)
{
    return ++count;
}
