# Where an application processor starts: copied to a page below 1 MiB, entered in real mode with cs = page / 16.
#
# The last words of the page are written by `smp.rs`: page table root, stack, argument, entry.
# Takes the processor to 64-bit mode on a root that maps this page at its physical address and the kernel.

    .section .rodata.trampoline, "a"
    .global trampoline_start
    .global trampoline_end
    .code16
trampoline_start:
    cli
    cld
    movw    %cs, %ax
    movw    %ax, %ds
    xorl    %ebx, %ebx
    movw    %ax, %bx
    shll    $4, %ebx                    # ebx = physical address of this page

    # The descriptors and the far jump know their addresses only now.
    leal    (trampoline_gdt - trampoline_start)(%ebx), %eax
    movl    %eax, (trampoline_gdt_pointer + 2 - trampoline_start)
    leal    (trampoline_long - trampoline_start)(%ebx), %eax
    movl    %eax, (trampoline_target - trampoline_start)

    lgdtl   (trampoline_gdt_pointer - trampoline_start)
    movl    %cr4, %eax
    orl     $0x20, %eax
    movl    %eax, %cr4
    movl    (0xfe0), %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    orl     $0x900, %eax
    wrmsr
    movl    %cr0, %eax
    andl    $0x9fffffff, %eax           # caches on
    orl     $0x80010001, %eax
    movl    %eax, %cr0
    ljmpl   *(trampoline_target - trampoline_start)

    .code64
trampoline_long:
    xorl    %eax, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %ebx, %ebx
    movq    0xfe8(%rbx), %rsp
    movq    0xff0(%rbx), %rdi
    movq    0xff8(%rbx), %rax
    xorl    %ebp, %ebp
    pushq   $0
    jmp     *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00209b0000000000            # 64-bit code
trampoline_gdt_pointer:
    .word 15
    .long 0
trampoline_target:
    .long 0
    .word 8
trampoline_end:
