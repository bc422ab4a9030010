// BUILD: -rdynamic -fsanitize=thread
/* The same with ThreadSanitizer, which ends a child that makes a thread. */
#include "forker.c"
