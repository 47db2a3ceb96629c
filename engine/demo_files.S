/* The demo page's files as they lie in demo/, each ended by a label. The SDK goes out with its
 * licence before it: the copy that a browser gets has the notice that MIT asks for. */
    .section .rodata

#define FILE(name, file) \
    .global demo_##name, demo_##name##_end; \
demo_##name: .incbin file; \
demo_##name##_end:

FILE(page, "index.html")
FILE(style, "style.css")
FILE(main, "main.js")
FILE(room, "room.js")
FILE(view, "view.js")
FILE(icon, "icon.svg")

    .global demo_sdk, demo_sdk_end
demo_sdk:
    .ascii "/*!\n"
    .incbin "centrifuge/LICENSE"
    .ascii "*/\n"
    .incbin "centrifuge/centrifuge.js"
demo_sdk_end:

    .section .note.GNU-stack, "", %progbits
