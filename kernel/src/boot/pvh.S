# PVH entry: from 32-bit protected mode without paging to `pvh_start` in 64-bit mode at the address that `pvh_move` chooses.
#
# In: ebx = physical address of the start info. Interrupts are off, segments are flat, esp is undefined.
# Out: rdi = that address, rsi = time stamp of the entry.
# The code is linked high and runs low: a symbol's low address is its distance from the entry plus the load address.
# Maps the first 4 GiB at 0 and in the direct map, and the kernel image where it is linked. All of it is
# replaced by the kernel's own tables.

    .section .boot, "ax"
    .code32
    .global pvh_entry
pvh_entry:
    cld
    movl    %ebx, %ebp
    rdtsc
    movl    %eax, %esi
    movl    %edx, %esp                  # There is no stack yet: one more register.

    # Four page directories: 2048 pages of 2 MiB, present, writable.
    movl    $(boot_directories - pvh_entry + {PHYSICAL}), %edi
    movl    $0x83, %eax
    movl    $2048, %ecx
1:  movl    %eax, (%edi)
    addl    $0x200000, %eax
    addl    $8, %edi
    decl    %ecx
    jnz     1b

    # Their parent, shared by the identity map and the direct map.
    movl    $(boot_low - pvh_entry + {PHYSICAL}), %edi
    movl    $(boot_directories - pvh_entry + {PHYSICAL} + 3), %eax
    movl    $4, %ecx
1:  movl    %eax, (%edi)
    addl    $0x1000, %eax
    addl    $8, %edi
    decl    %ecx
    jnz     1b

    # The kernel image: eight pages of 2 MiB from the load address.
    movl    $(boot_image - pvh_entry + {PHYSICAL}), %edi
    movl    $({PHYSICAL} + 0x83), %eax
    movl    $8, %ecx
1:  movl    %eax, (%edi)
    addl    $0x200000, %eax
    addl    $8, %edi
    decl    %ecx
    jnz     1b
    movl    $(boot_high - pvh_entry + {PHYSICAL}), %edi
    movl    $(boot_image - pvh_entry + {PHYSICAL} + 3), 510*8(%edi)
    movl    $(boot_image - pvh_entry + {PHYSICAL} + 0x1003), 511*8(%edi)

    # The root: identity at 0, direct map at 256, kernel at 511.
    movl    $(boot_root - pvh_entry + {PHYSICAL}), %edi
    movl    $(boot_low - pvh_entry + {PHYSICAL} + 3), (%edi)
    movl    $(boot_low - pvh_entry + {PHYSICAL} + 3), 256*8(%edi)
    movl    $(boot_high - pvh_entry + {PHYSICAL} + 3), 511*8(%edi)

    # Long mode: PAE, root, EFER.LME and NXE, paging with write protection.
    movl    %cr4, %eax
    orl     $0x20, %eax
    movl    %eax, %cr4
    movl    %edi, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    orl     $0x900, %eax
    wrmsr
    movl    %cr0, %eax
    orl     $0x80010001, %eax
    movl    %eax, %cr0

    movl    $(boot_gdt_pointer - pvh_entry + {PHYSICAL}), %eax
    lgdt    (%eax)
    ljmpl   $8, $(pvh_long - pvh_entry + {PHYSICAL})

    .code64
pvh_long:
    xorl    %eax, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %esi, %esi
    movl    %esp, %eax
    shlq    $32, %rax
    orq     %rax, %rsi
    movl    %ebp, %ebp

    # Up to the linked address, rbx above this one: where is the kernel to lie?
    movabsq ${DISTANCE}, %rbx
    movq    %rsi, %r12
    leaq    boot_stack_end(%rip), %rsp
    addq    %rbx, %rsp
    leaq    pvh_move(%rip), %rax
    addq    %rbx, %rax
    movq    %rbp, %rdi
    call    *%rax

    # rax above that, the same again.
    addq    %rax, %rbx
    leaq    boot_stack_end(%rip), %rsp
    addq    %rbx, %rsp
    leaq    pvh_start(%rip), %rax
    addq    %rbx, %rax
    movq    %rbp, %rdi
    movq    %r12, %rsi
    xorl    %ebp, %ebp
    pushq   $0
    jmp     *%rax

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209b0000000000       # 64-bit code
boot_gdt_pointer:
    .word 15
    .long boot_gdt - pvh_entry + {PHYSICAL}

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_root:          .skip 4096
    .global boot_low
boot_low:           .skip 4096
boot_high:          .skip 4096
    .global boot_image
boot_image:         .skip 2 * 4096  # All places that the kernel can have: the upper 2 GiB.
    .global boot_directories
boot_directories:   .skip 4 * 4096
    .global boot_guard
boot_guard:         .skip 4096      # The kernel's own page tables leave it out.
    .global boot_stack
boot_stack:         .skip {STACK}
    .global boot_stack_end
boot_stack_end:

# XEN_ELFNOTE_PHYS32_ENTRY: the entry is the first byte of the image.
    .section .note.xen, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad {PHYSICAL}
