/* What compilers call on their own. Short, not fast: nothing here moves much. */
    .text

    .macro function name
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    .cfi_startproc
    .endm

    .macro end name
    .cfi_endproc
    .size \name, . - \name
    .endm

    function memcpy
    movq %rdi, %rax
    movq %rdx, %rcx
    rep movsb
    ret
    end memcpy

    function memmove
    movq %rdi, %rax
    movq %rdx, %rcx
    movq %rdi, %r8
    subq %rsi, %r8
    cmpq %rdx, %r8 /* unsigned: below only when the destination starts inside the source */
    jb 1f
    rep movsb
    ret
1:  leaq -1(%rdi,%rdx), %rdi
    leaq -1(%rsi,%rdx), %rsi
    std
    rep movsb
    cld
    ret
    end memmove

    function memset
    movq %rdi, %r8
    movl %esi, %eax
    movq %rdx, %rcx
    rep stosb
    movq %r8, %rax
    ret
    end memset

    /* bcmp: clang's name for a comparison with zero. */
    .globl bcmp
    .hidden bcmp
    .set bcmp, memcmp
    function memcmp
    xorl %ecx, %ecx
1:  cmpq %rdx, %rcx
    je 2f
    movzbl (%rdi,%rcx), %eax
    movzbl (%rsi,%rcx), %r8d
    incq %rcx
    subl %r8d, %eax
    jz 1b
    ret
2:  xorl %eax, %eax
    ret
    end memcmp

    function strlen
    xorl %eax, %eax
1:  cmpb $0, (%rdi,%rax)
    je 2f
    incq %rax
    jmp 1b
2:  ret
    end strlen

    .section .note.GNU-stack, "", @progbits
