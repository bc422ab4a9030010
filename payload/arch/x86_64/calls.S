/*
 * System V ABI, AMD64 supplement: integer arguments in rdi rsi rdx rcx r8 r9; rbx rbp r12-r15, the
 * x87 control word and the control bits of MXCSR belong to the caller (section 3.2).
 */
    .text

    .globl arch_syscall
    .hidden arch_syscall
    .type arch_syscall, @function
arch_syscall:
    .cfi_startproc
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    movq %r8, %r10
    movq %r9, %r8
    movq 8(%rsp), %r9
    syscall
    ret
    .cfi_endproc
    .size arch_syscall, . - arch_syscall

/* The distance from the stack pointer kept in struct arch_frame up to the saved frame pointer. */
#define FRAME_BYTES 72

    .globl arch_guarded_call
    .hidden arch_guarded_call
    .type arch_guarded_call, @function
arch_guarded_call:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    pushq %rbx
    .cfi_offset %rbx, -24
    pushq %r12
    .cfi_offset %r12, -32
    pushq %r13
    .cfi_offset %r13, -40
    pushq %r14
    .cfi_offset %r14, -48
    pushq %r15
    .cfi_offset %r15, -56
    subq $32, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %r8, 8(%rsp)
    movq %rdi, 16(%rsp)
    movq %rsp, (%rdi) /* from here on the call may be left */
    movq %rsi, %r11
    movq %rdx, %r10
    testq %rcx, %rcx
    jz 1f
    movq %rcx, %rsp
1:  andq $-16, %rsp
    movq (%r10), %rdi
    movq 8(%r10), %rsi
    movq 16(%r10), %rdx
    movq 24(%r10), %rcx
    movq 32(%r10), %r8
    movq 40(%r10), %r9
    xorl %eax, %eax /* variadic functions: no vector registers used */
    call *%r11
    leaq -FRAME_BYTES(%rbp), %rsp
    movq 8(%rsp), %rdx
    movq %rax, (%rdx)
    xorl %eax, %eax
    jmp arch_guarded_leave

/* Entered by rt_sigreturn with the stack pointer of the frame; every other register is lost. */
    .globl arch_guarded_landing
    .hidden arch_guarded_landing
arch_guarded_landing:
    leaq FRAME_BYTES(%rsp), %rbp
    cld
    movl $1, %eax

arch_guarded_leave:
    movq 16(%rsp), %rdx
    movq $0, (%rdx) /* and from here on not */
    fninit
    fldcw 4(%rsp)
    ldmxcsr (%rsp)
    addq $32, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size arch_guarded_call, . - arch_guarded_call

/*
 * The kernel enters a handler with rdi, rsi, rdx = signal, siginfo, context, and the address of the
 * restorer as return address (arch/x86/kernel/signal_64.c, x64_setup_rt_frame).
 */
    .globl arch_signal_entry
    .hidden arch_signal_entry
    .type arch_signal_entry, @function
arch_signal_entry:
    .cfi_startproc
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    cld
    call signals_dispatch /* struct signal_chain in rax and rdx */
    movq %rax, %r8
    movq %rdx, %r9
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    testq %r8, %r8
    jz 2f
    testq %r9, %r9
    jz 1f
    movq %r9, (%rsp)
1:  xorl %eax, %eax
    jmp *%r8
2:  ret
    .cfi_endproc
    .size arch_signal_entry, . - arch_signal_entry

/*
 * Without CFI and with a nop before it: libgcc (config/i386/linux-unwind.h) and gdb then know a
 * signal frame by these bytes.
 */
    .p2align 4
    nop
    .globl arch_signal_return
    .hidden arch_signal_return
    .type arch_signal_return, @function
arch_signal_return:
    .byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00 /* movq $15, %rax */
    .byte 0x0f, 0x05                               /* syscall */
    .size arch_signal_return, . - arch_signal_return

/* By their numbers in unwind tables: see code.c. */
    .globl arch_own_registers
    .hidden arch_own_registers
    .type arch_own_registers, @function
arch_own_registers:
    .cfi_startproc
    movq %rbx, 24(%rdi)
    movq %rbp, 48(%rdi)
    leaq 8(%rsp), %rax
    movq %rax, 56(%rdi)
    movq %r12, 96(%rdi)
    movq %r13, 104(%rdi)
    movq %r14, 112(%rdi)
    movq %r15, 120(%rdi)
    movq (%rsp), %rax
    movq %rax, 128(%rdi)
    ret
    .cfi_endproc
    .size arch_own_registers, . - arch_own_registers

    .section .note.GNU-stack, "", @progbits
