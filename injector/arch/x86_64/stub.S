/*
 * What runs inside the target. Both parts are copied into caves; here they are only data.
 *
 * The stub runs on the borrowed thread. It must find its way home alone if manhole-attach is
 * killed, so it depends on nobody, and it has these rules:
 * - all general registers are in the data in front of the code, put there from outside, so all may be
 *   used; the thread's own stack is never touched;
 * - nothing it does may touch the kernel's restart block (no sleep, no timed wait): an interrupted
 *   sleep goes on with its remaining time (kernel/time/hrtimer.c, nanosleep_copyout);
 * - calls and returns are balanced, the way home is a jump through memory: shadow stacks stay right;
 * - while signals may be delivered, the stack pointer is the thread's own.
 */
#include "injector/arch/x86_64/stub.h"
#include "injector/mailbox.h"

#include <sys/syscall.h>

#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SIGSET_BYTES 8
#define SA_RESTART 0x10000000
#define PROT_READ_WRITE 3
#define MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE 0x100022
#define PTHREAD_CREATE_DETACHED 1 /* in glibc and in musl */
#define F_DUPFD_CLOEXEC 1030 /* linux/fcntl.h */
#define IMAGE_FD 1000
#define EEXIST 17
#define EINVAL 22
#define PARK_TICKS 2 /* of 10 ms (USER_HZ is 100): it parks for 10 to 20 ms */
#define PARK_ROUNDS 200000 /* where a seccomp filter keeps times(2) from telling the time */

#define DATA(field) (stub_data + field)(%rip)

    .section .rodata
    .balign 16
    .globl arch_x86_64_stub
    .hidden arch_x86_64_stub
arch_x86_64_stub:
stub_data:
    .zero STUB_DATA_SIZE

    /* Entry. %ebx: result of the work; %r12: the mailbox once it is mapped; %r13: a handler is about
       to run; %r14: where decide goes on. */
    .globl arch_x86_64_stub_entry
    .hidden arch_x86_64_stub_entry
arch_x86_64_stub_entry:
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    movl $SYS_rt_sigprocmask, %eax
    movl $SIG_SETMASK, %edi
    leaq DATA(STUB_LOAN_MASK), %rsi
    xorl %edx, %edx
    movl $SIGSET_BYTES, %r10d
    syscall
    cmpq $0, DATA(STUB_WORK)
    jne unmap

    movl $SYS_mmap, %eax
    movq DATA(STUB_REGION), %rdi
    movq DATA(STUB_REGION_SIZE), %rsi
    movl $PROT_READ_WRITE, %edx
    movl $MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE, %r10d
    movq $-1, %r8
    xorl %r9d, %r9d
    syscall
    cmpq DATA(STUB_REGION), %rax
    je create
    movl %eax, %ebx
    negl %ebx
    cmpq $-4095, %rax
    jae park
    /* A kernel before 4.17 takes the flag for a mere hint and may map elsewhere. */
    movq %rax, %rdi
    movq DATA(STUB_REGION_SIZE), %rsi
    movl $SYS_munmap, %eax
    syscall
    movl $EEXIST, %ebx
    jmp park

create:
    movq DATA(STUB_MAILBOX), %r12
    movq DATA(STUB_MAGIC), %rax
    movq %rax, MAILBOX_MAGIC(%r12)
    movq DATA(STUB_DONOR_STACK_TOP), %rsp
    xorl %ebp, %ebp
    movq DATA(STUB_VECTOR_STATE), %rcx
    movl $-1, %eax
    movl $-1, %edx
    cmpq $0, DATA(STUB_HAS_XSAVE)
    je 1f
    xsave64 (%rcx)
    jmp 2f
1:  fxsave64 (%rcx)
2:  /* The state that a function may expect and a new thread inherits (ABI section 3.2.3). */
    fninit
    movl $0x1f80, MAILBOX_STUB_SCRATCH(%r12)
    ldmxcsr MAILBOX_STUB_SCRATCH(%r12)

    leaq MAILBOX_STUB_ATTR(%r12), %rdi
    call *DATA(STUB_ATTR_INIT)
    leaq MAILBOX_STUB_ATTR(%r12), %rdi
    movl $PTHREAD_CREATE_DETACHED, %esi
    call *DATA(STUB_ATTR_SETDETACHSTATE)
    leaq MAILBOX_STUB_ATTR(%r12), %rdi
    movq DATA(STUB_THREAD_STACK), %rsi
    movq DATA(STUB_THREAD_STACK_SIZE), %rdx
    call *DATA(STUB_ATTR_SETSTACK)
    movl %eax, %ebx
    testl %eax, %eax
    jnz 3f
    leaq MAILBOX_STUB_THREAD(%r12), %rdi
    leaq MAILBOX_STUB_ATTR(%r12), %rsi
    movq DATA(STUB_BOOTSTRAP), %rdx
    movq %r12, %rcx
    call *DATA(STUB_PTHREAD_CREATE)
    movl %eax, %ebx
3:  leaq MAILBOX_STUB_ATTR(%r12), %rdi
    call *DATA(STUB_ATTR_DESTROY)

    movq DATA(STUB_VECTOR_STATE), %rcx
    movl $-1, %eax
    movl $-1, %edx
    cmpq $0, DATA(STUB_HAS_XSAVE)
    je 4f
    xrstor64 (%rcx)
    jmp 5f
4:  fxrstor64 (%rcx)
5:  movl %ebx, MAILBOX_CREATE_RESULT(%r12)
    movq DATA(STUB_HOME_SP), %rsp
    movl $DONOR_PARKED, MAILBOX_DONOR_STATE(%r12)
    jmp park

unmap:
    /* The way home is chosen while there is memory for it. */
    movq DATA(STUB_MAILBOX), %r12
    leaq 6f(%rip), %r14
    jmp decide
6:  movq DATA(STUB_REGION), %rdi
    movq DATA(STUB_REGION_SIZE), %rsi
    movl $SYS_munmap, %eax
    syscall
    movl %eax, %ebx
    negl %ebx
    xorl %r12d, %r12d
    jmp park

    /*
     * Will a signal that waits for the end of the loan run a handler, and does that make the
     * interrupted call return EINTR? As the kernel would: arch/x86/kernel/signal.c, handle_signal.
     */
decide:
    xorl %r13d, %r13d
    cmpq $RESTART_ALWAYS, DATA(STUB_RESTART)
    je 10f
    movl $SYS_rt_sigpending, %eax
    leaq MAILBOX_STUB_SCRATCH(%r12), %rdi
    movl $SIGSET_BYTES, %esi
    syscall
    testq %rax, %rax
    jnz 10f
    movq DATA(STUB_HOME_MASK), %rbp
    notq %rbp
    andq MAILBOX_STUB_SCRATCH(%r12), %rbp
8:  bsfq %rbp, %rdi
    jz 10f
    leaq -1(%rbp), %rax
    andq %rax, %rbp
    incl %edi
    movl $SYS_rt_sigaction, %eax
    xorl %esi, %esi
    leaq MAILBOX_STUB_SCRATCH(%r12), %rdx /* handler, flags, restorer, mask */
    movl $SIGSET_BYTES, %r10d
    syscall
    cmpq $1, MAILBOX_STUB_SCRATCH(%r12) /* SIG_DFL, SIG_IGN */
    jbe 8b
    cmpq $RESTART_NO_HANDLER, DATA(STUB_RESTART)
    je 9f
    testl $SA_RESTART, MAILBOX_STUB_SCRATCH + 8(%r12)
    jnz 8b
9:  movl $1, %r13d
10: jmp *%r14

    /* Waits to be fetched, with no memory and no sleep. */
    .globl arch_x86_64_stub_park
    .hidden arch_x86_64_stub_park
arch_x86_64_stub_park:
park:
    movl $SYS_times, %eax
    xorl %edi, %edi
    syscall
    movq %rax, %r15
    movl $PARK_ROUNDS, %ebp
7:  decl %ebp
    jz 11f
    movl $SYS_sched_yield, %eax
    syscall
    movl $SYS_times, %eax
    xorl %edi, %edi
    syscall
    subq %r15, %rax
    cmpq $PARK_TICKS, %rax
    jb 7b

    /* Nobody came: home alone. */
11: testq %r12, %r12
    jz leave
    leaq leave(%rip), %r14
    jmp decide

    /*
     * The flags first, from the data itself, since popf needs a stack; a system call and mov leave
     * them alone. With the mask a waiting signal's handler runs, here, as if it were in the call.
     */
    .macro go_home pc, result
    leaq DATA(STUB_HOME_FLAGS), %rsp
    popfq
    movq DATA(STUB_HOME_SP), %rsp
    movl $SYS_rt_sigprocmask, %eax
    movl $SIG_SETMASK, %edi
    leaq DATA(STUB_HOME_MASK), %rsi
    movl $0, %edx
    movl $SIGSET_BYTES, %r10d
    syscall
    movq DATA(\result), %rax
    movq DATA(STUB_HOME_REGISTERS + 0), %rbx
    movq DATA(STUB_HOME_REGISTERS + 8), %rbp
    movq DATA(STUB_HOME_REGISTERS + 16), %r12
    movq DATA(STUB_HOME_REGISTERS + 24), %r13
    movq DATA(STUB_HOME_REGISTERS + 32), %r14
    movq DATA(STUB_HOME_REGISTERS + 40), %r15
    movq DATA(STUB_HOME_REGISTERS + 48), %rdi
    movq DATA(STUB_HOME_REGISTERS + 56), %rsi
    movq DATA(STUB_HOME_REGISTERS + 64), %rdx
    movq DATA(STUB_HOME_REGISTERS + 72), %rcx
    movq DATA(STUB_HOME_REGISTERS + 80), %r8
    movq DATA(STUB_HOME_REGISTERS + 88), %r9
    movq DATA(STUB_HOME_REGISTERS + 96), %r10
    movq DATA(STUB_HOME_REGISTERS + 104), %r11
    jmp *DATA(\pc)
    .endm

    .globl arch_x86_64_stub_leave
    .hidden arch_x86_64_stub_leave
arch_x86_64_stub_leave:
leave:
    /* The stack pointer is of no use to a handler for the next instructions: block even those
       signals that the loan lets through. */
    movl $SYS_rt_sigprocmask, %eax
    movl $SIG_SETMASK, %edi
    leaq DATA(STUB_ALL_SIGNALS), %rsi
    xorl %edx, %edx
    movl $SIGSET_BYTES, %r10d
    syscall
    testl %r13d, %r13d
    jnz interrupted
    go_home STUB_HOME_PC, STUB_HOME_RESULT
interrupted:
    go_home STUB_INTERRUPTED_PC, STUB_INTERRUPTED_RESULT
    .globl arch_x86_64_stub_end
    .hidden arch_x86_64_stub_end
arch_x86_64_stub_end:

/*
 * The start routine of the bootstrap thread: an ordinary function, with an ordinary stack, that
 * takes its time. %rbx: the mailbox; %rbp: the handle; %r12d: 1 when this call has loaded it.
 */
    .balign 16
    .globl arch_x86_64_bootstrap
    .hidden arch_x86_64_bootstrap
arch_x86_64_bootstrap:
    endbr64
    pushq %rbx
    pushq %rbp
    pushq %r12
    movq %rdi, %rbx
    xorl %r12d, %r12d
    /* glibc's SIGCANCEL was blocked for the borrowed thread only (loan.c). */
    movl $SYS_rt_sigprocmask, %eax
    movl $SIG_UNBLOCK, %edi
    leaq signal_32(%rip), %rsi
    xorl %edx, %edx
    movl $SIGSET_BYTES, %r10d
    syscall
    movl $SYS_gettid, %eax
    syscall
    movl %eax, MAILBOX_TID(%rbx)
    movq $0, MAILBOX_SLEEP(%rbx)
    movq $1000000, MAILBOX_SLEEP + 8(%rbx)
    movl $BOOTSTRAP_STARTED, MAILBOX_STATE(%rbx)
    movl $ORDER_NONE, %esi
    call wait_for_order
    jc abandoned
    cmpl $ORDER_LOAD, %eax
    jne call_function

    /* On EINVAL: a kernel before 6.3 does not know MFD_NOEXEC_SEAL (8). MFD_CLOEXEC is 1. */
    movl $9, %esi
1:  movl $SYS_memfd_create, %eax
    leaq memfd_name(%rip), %rdi
    syscall
    cmpl $-EINVAL, %eax
    jne 2f
    cmpl $9, %esi
    jne 2f
    movl $1, %esi
    jmp 1b
2:  movl %eax, MAILBOX_FD(%rbx)
    movl $BOOTSTRAP_MEMFD_FAILED, %ecx
    testl %eax, %eax
    js finish
    /* Its number becomes the payload's name in the loader's list, where debuggers find it and open
       it as a descriptor of their own: it must not be one that they have (gdb would read from a
       pipe for ever). Without room for that it stays where it is. */
    movl %eax, %edi
    movl $SYS_fcntl, %eax
    movl $F_DUPFD_CLOEXEC, %esi
    movl $IMAGE_FD, %edx
    syscall
    testl %eax, %eax
    js 4f
    movl %eax, MAILBOX_FD(%rbx)
    movl $SYS_close, %eax
    syscall
4:  movl $BOOTSTRAP_WANTS_IMAGE, MAILBOX_STATE(%rbx)
    movl $ORDER_LOAD, %esi
    call wait_for_order
    jc close_and_abandon

    movl $BOOTSTRAP_LOADING, MAILBOX_STATE(%rbx)
    leaq MAILBOX_PATH(%rbx), %rdi
    movl MAILBOX_DLOPEN_FLAGS(%rbx), %esi
    call *MAILBOX_DLOPEN(%rbx)
    movq %rax, %rbp
    testq %rax, %rax
    jnz 3f
    call copy_dlerror
3:  movl $SYS_close, %eax
    movl MAILBOX_FD(%rbx), %edi
    syscall
    movl $BOOTSTRAP_DLOPEN_FAILED, %ecx
    testq %rbp, %rbp
    jz finish
    movq %rbp, MAILBOX_HANDLE(%rbx)
    movl $1, %r12d
    cmpl $0, MAILBOX_ABANDON(%rbx)
    jne unload_and_abandon

call_function:
    movq MAILBOX_HANDLE(%rbx), %rbp
    movq MAILBOX_FUNCTION_ADDRESS(%rbx), %rax
    testq %rax, %rax
    jnz 4f
    movq %rbp, %rdi
    leaq MAILBOX_FUNCTION(%rbx), %rsi
    call *MAILBOX_DLSYM(%rbx)
    testq %rax, %rax
    jnz 4f
    call copy_dlerror
    movl $BOOTSTRAP_DLSYM_FAILED, %ecx
    testl %r12d, %r12d
    jnz unload
    jmp finish
4:  movl $BOOTSTRAP_CALLING, MAILBOX_STATE(%rbx)
    leaq MAILBOX_ARGUMENT(%rbx), %rdi
    movq MAILBOX_ARGUMENT_SIZE(%rbx), %rsi
    leaq MAILBOX_MESSAGE(%rbx), %rdx
    movl $MAILBOX_MESSAGE_SIZE, %ecx
    call *%rax
    movl %eax, MAILBOX_RESULT(%rbx)
    movl $BOOTSTRAP_DONE, %ecx
    testl %eax, %eax
    jnz 5f
    cmpl $0, MAILBOX_UNLOAD(%rbx)
    jne unload
    jmp finish
5:  testl %r12d, %r12d /* it failed: what this call has loaded, it unloads again */
    jnz unload
    jmp finish

unload_and_abandon:
    movl $BOOTSTRAP_ABANDONED, %ecx
unload:
    movl %ecx, %r12d
    movl $BOOTSTRAP_UNLOADING, MAILBOX_STATE(%rbx)
    movq %rbp, %rdi
    call *MAILBOX_DLCLOSE(%rbx)
    movl %r12d, %ecx
    testl %eax, %eax
    jnz finish
    movl $1, MAILBOX_CLOSED(%rbx)
    jmp finish

close_and_abandon:
    movl $SYS_close, %eax
    movl MAILBOX_FD(%rbx), %edi
    syscall
abandoned:
    movl $BOOTSTRAP_ABANDONED, %ecx
finish:
    movl %ecx, MAILBOX_STATE(%rbx)
    xorl %eax, %eax
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* Waits until the order is another one than %esi, with a limit. %eax: the order; carry: in vain. */
wait_for_order:
    pushq %r13
    pushq %r14
    movl %esi, %r13d
    movl $BOOTSTRAP_WAIT_ROUNDS, %r14d
1:  cmpl $0, MAILBOX_ABANDON(%rbx)
    jne 2f
    movl MAILBOX_ORDER(%rbx), %eax
    cmpl %r13d, %eax
    jne 3f
    movl $SYS_nanosleep, %eax
    leaq MAILBOX_SLEEP(%rbx), %rdi
    xorl %esi, %esi
    syscall
    decl %r14d
    jnz 1b
2:  stc
    jmp 4f
3:  clc
4:  popq %r14
    popq %r13
    ret

/* The text of dlerror goes into the message, cut off where that ends. */
copy_dlerror:
    movb $0, MAILBOX_MESSAGE(%rbx)
    cmpq $0, MAILBOX_DLERROR(%rbx)
    je 3f
    subq $8, %rsp
    call *MAILBOX_DLERROR(%rbx)
    addq $8, %rsp
    testq %rax, %rax
    jz 3f
    xorl %ecx, %ecx
1:  movb (%rax, %rcx), %dl
    movb %dl, MAILBOX_MESSAGE(%rbx, %rcx)
    testb %dl, %dl
    jz 3f
    incl %ecx
    cmpl $MAILBOX_MESSAGE_SIZE - 1, %ecx
    jb 1b
    movb $0, MAILBOX_MESSAGE(%rbx, %rcx)
3:  ret

    .balign 8
signal_32:
    .quad 1 << 31
memfd_name:
    .asciz "libmanhole.so"
    .globl arch_x86_64_bootstrap_end
    .hidden arch_x86_64_bootstrap_end
arch_x86_64_bootstrap_end:

    .section .note.GNU-stack, "", @progbits
