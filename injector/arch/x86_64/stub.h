/* The data in front of the stub's code: offsets for stub.S, filled in by loan.c. All are u64. */
#ifndef INJECTOR_ARCH_X86_64_STUB_H
#define INJECTOR_ARCH_X86_64_STUB_H

#define STUB_HOME_MASK 0
#define STUB_LOAN_MASK 8
#define STUB_WORK 16 /* enum loan_work */
#define STUB_REGION 24
#define STUB_REGION_SIZE 32
#define STUB_THREAD_STACK 40
#define STUB_THREAD_STACK_SIZE 48
#define STUB_DONOR_STACK_TOP 56
#define STUB_MAILBOX 64
#define STUB_VECTOR_STATE 72
#define STUB_HAS_XSAVE 80
#define STUB_BOOTSTRAP 88
#define STUB_ATTR_INIT 96
#define STUB_ATTR_SETDETACHSTATE 104
#define STUB_ATTR_SETSTACK 112
#define STUB_ATTR_DESTROY 120
#define STUB_PTHREAD_CREATE 128
#define STUB_RESTART 136 /* enum below: what a signal handler does to the interrupted call */
#define STUB_HOME_FLAGS 144
#define STUB_HOME_PC 152            /* when the call is issued again, or there was none */
#define STUB_HOME_RESULT 160        /* rax then: the call's number */
#define STUB_INTERRUPTED_PC 168     /* when a handler interrupts it: behind the call */
#define STUB_INTERRUPTED_RESULT 176 /* rax then: -EINTR */
#define STUB_HOME_SP 184
#define STUB_HOME_REGISTERS 192 /* rbx rbp r12 r13 r14 r15 rdi rsi rdx rcx r8 r9 r10 r11 */
#define STUB_ALL_SIGNALS 304
#define STUB_MAGIC 312 /* for MAILBOX_MAGIC */
#define STUB_DONOR 320 /* tid of the borrowed thread in the target's own pid namespace */
#define STUB_DATA_SIZE 336

/* The classes of interrupted calls (signal(7); arch/x86/kernel/signal.c, handle_signal). */
#define RESTART_ALWAYS 0      /* no call, or ERESTARTNOINTR */
#define RESTART_UNLESS_TOLD 1 /* ERESTARTSYS: EINTR for a handler without SA_RESTART */
#define RESTART_NO_HANDLER 2  /* ERESTARTNOHAND, ERESTART_RESTARTBLOCK: EINTR for any handler */

#endif
