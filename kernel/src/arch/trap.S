# Entry from exceptions and interrupts, and back.
#
# A stub for each vector pushes an error code where the processor does not, then the vector. From user mode the
# processor's stack is the end of the current thread's `Frame` (TSS.RSP0), so everything lands in the thread's context,
# and the kernel goes on behind `enter_user`. From kernel mode the frame lies on the kernel stack.
# Vectors with a stack of their own (NMI, double fault, machine check) can strike between `swapgs` and a stack switch:
# they look at the GS base itself, and do not come back.

    .macro  save_registers
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rbx
    pushq   %rbp
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    .endm

    .macro  restore_registers
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rbp
    popq    %rbx
    popq    %rdx
    popq    %rcx
    popq    %rax
    .endm

    .text
    .balign 16
    .global trap_stubs
trap_stubs:
    .set    number, 0
    .rept   256
    .balign 16
    .if     number == 8 || (number >= 10 && number <= 14) || number == 17 || number == 21 || number == 29 || number == 30
    .else
    pushq   $0
    .endif
    pushq   $number
    .if     number == 2 || number == 8 || number == 18
    jmp     fatal_common
    .else
    jmp     trap_common
    .endif
    .set    number, number + 1
    .endr

    .balign 16
trap_common:
    testb   $3, 24(%rsp)
    jz      1f
    swapgs
    save_registers
    movq    %gs:{KERNEL_STACK}, %rsp
    pushq   $2                          # No flag of the program stays, above all not AC, which lifts SMAP.
    popfq
    popq    %rbp
    popq    %rbx
    ret

1:  save_registers
    cld
    movq    %rsp, %rdi
    movq    %rsp, %rbx
    andq    $-16, %rsp
    call    kernel_trap
    movq    %rbx, %rsp
    restore_registers
    addq    $16, %rsp
    iretq

fatal_common:
    save_registers
    cld
    movl    $0xc0000101, %ecx
    rdmsr
    testl   %edx, %edx
    js      1f
    swapgs
1:  movq    %rsp, %rdi
    andq    $-16, %rsp
    call    fatal_trap
    ud2

# enter_user(frame): runs user mode from `frame` until the processor comes back into the kernel, which fills the frame.
# In: rdi = frame. Clobbers everything but rbx, rbp, rsp. Interrupts are off.
    .balign 16
    .global enter_user
enter_user:
    pushq   %rbx
    pushq   %rbp
    movq    %rsp, %gs:{KERNEL_STACK}
    cmpq    ${SYSTEM_CALL}, {VECTOR}(%rdi)
    movq    %rdi, %rsp
    je      1f
    restore_registers
    addq    $16, %rsp
    swapgs
    iretq

    # A voluntary entry returns by sysretq: rcx and r11 are lost by contract.
1:  popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    addq    $8, %rsp
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rbp
    popq    %rbx
    popq    %rdx
    addq    $8, %rsp
    popq    %rax
    movq    16(%rsp), %rcx
    movq    32(%rsp), %r11
    movq    40(%rsp), %rsp
    swapgs
    sysretq

# The target of `syscall`: fills the current frame and goes on behind `enter_user`.
# In: rcx = user rip, r11 = user rflags, rsp = user stack. CS and SS in the frame are constant.
    .balign 16
    .global system_call_entry
system_call_entry:
    swapgs
    movq    %rsp, %gs:{USER_STACK}
    movq    %gs:{FRAME_END}, %rsp
    movq    %rcx, -40(%rsp)
    movq    %r11, -24(%rsp)
    movq    ${SYSTEM_CALL}, -56(%rsp)
    leaq    -56(%rsp), %rsp
    pushq   %rax
    movq    %gs:{USER_STACK}, %rcx
    movq    %rcx, 48(%rsp)
    leaq    -8(%rsp), %rsp
    pushq   %rdx
    pushq   %rbx
    pushq   %rbp
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    leaq    -8(%rsp), %rsp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %gs:{KERNEL_STACK}, %rsp
    popq    %rbp
    popq    %rbx
    ret
