/*
 * What libtcc 0.9.27 (git20200814) does wrong and can be put right from outside: the program is
 * linked with --wrap for the functions below, which stand between libtcc's own files.
 *
 * gen_opf (x86_64-gen.c) generates floating point arithmetic and comparisons. It takes a variable
 * as the second operand straight from memory, by a distance of 32 bits from the instruction. Of a
 * variable of the target, which is farther away, the linker of libtcc then takes the address for
 * that of a function and makes a jump to it; what is computed with are the bytes of that jump. So
 * both operands go to registers before: what loads those goes by way of the variable's address.
 */

#include "src/crepl/libtcc_repair.h"

#include <stddef.h>

/* tcc.h: the head of an SValue is its type, the low bits of which are the basic type (VT_BTYPE). */
#define BASIC_TYPE 0x0f
#define TYPE_FLOAT 8
#define TYPE_DOUBLE 9
/* x86_64-gen.c: the class of the SSE registers. */
#define CLASS_FLOAT 0x0002

struct stack_value {
    int type;
};

extern struct stack_value *vtop;
/* Outside of functions, and in typeof: then operands are not where they seem to be. */
extern int nocode_wanted;
void gv2(int first_class, int second_class);
void __real_gen_opf(int operator);
void __wrap_gen_opf(int operator);

void __wrap_gen_opf(int operator)
{
    int type = vtop->type & BASIC_TYPE;
    if (!nocode_wanted && (type == TYPE_FLOAT || type == TYPE_DOUBLE))
        gv2(CLASS_FLOAT, CLASS_FLOAT);
    __real_gen_opf(operator);
}

/* tccgen.c: the labels of the function that is being compiled. An error leaves them where they are
   and frees what they point to; the next function would walk over them. */
extern void *global_label_stack, *local_label_stack;

void libtcc_repair_labels(void)
{
    global_label_stack = NULL;
    local_label_stack = NULL;
}
