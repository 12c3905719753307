# A guest of a few instructions, for tests of the harness itself. It says "ready", then obeys each byte on the serial line:
# q: ends with code 42   p: ends like a panic   r: resets   s: is silent for ever   else: echoes the byte.

        .set    SERIAL, 0x3f8
        .set    LINE_STATUS, SERIAL + 5
        .set    DEBUG_EXIT, 0xf4

        .section .note.pvh, "a", @note
        .long   4, 4, 18                        # name bytes, content bytes, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .long   start

        .text
        .globl  start
start:  movl    $ready, %esi
greet:  lodsb
        testb   %al, %al
        jz      obey
        call    say
        jmp     greet

obey:   movw    $LINE_STATUS, %dx
        inb     %dx, %al
        testb   $1, %al                         # a byte has come
        jz      obey
        movw    $SERIAL, %dx
        inb     %dx, %al
        cmpb    $'q', %al
        movl    $1 + 42, %ebx
        je      finish
        cmpb    $'p', %al
        movl    $0x7f, %ebx
        je      finish
        cmpb    $'r', %al
        je      reset
        cmpb    $'s', %al
        je      silent
        call    say
        jmp     obey

say:    movw    $SERIAL, %dx
        outb    %al, %dx
        ret

finish: movl    %ebx, %eax
        movw    $DEBUG_EXIT, %dx
        outl    %eax, %dx

silent: hlt
        jmp     silent

reset:  lidt    nothing                         # without a handler, an exception resets the machine
        ud2

nothing: .long  0, 0
ready:  .asciz  "ready\n"
