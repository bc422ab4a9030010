/* The other half of compiled.c: a macro that is another one here, and one of which only its. */
#define STEP 7
#define ONLY_HERE 8

int other_step = ONLY_HERE;
