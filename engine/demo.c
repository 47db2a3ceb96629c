#include "engine/demo.h"

#define HTML       "text/html; charset=utf-8"
#define CSS        "text/css; charset=utf-8"
#define JAVASCRIPT "text/javascript; charset=utf-8"
#define SVG        "image/svg+xml"

/* engine/demo_files.S */
#define FILE_BYTES(name) extern const uint8_t demo_##name[], demo_##name##_end[]
FILE_BYTES(page);
FILE_BYTES(style);
FILE_BYTES(main);
FILE_BYTES(room);
FILE_BYTES(view);
FILE_BYTES(icon);
FILE_BYTES(sdk);

void demo_assets(struct http_asset assets[DEMO_ASSETS])
{
    static const struct {
        const char *path, *type;
        const uint8_t *bytes, *end;
    } files[DEMO_ASSETS] = {
        {"/demo", HTML, demo_page, demo_page_end},
        {"/demo/style.css", CSS, demo_style, demo_style_end},
        {"/demo/main.js", JAVASCRIPT, demo_main, demo_main_end},
        {"/demo/room.js", JAVASCRIPT, demo_room, demo_room_end},
        {"/demo/view.js", JAVASCRIPT, demo_view, demo_view_end},
        {"/demo/icon.svg", SVG, demo_icon, demo_icon_end},
        {"/demo/centrifuge.js", JAVASCRIPT, demo_sdk, demo_sdk_end},
    };

    for (unsigned i = 0; i < DEMO_ASSETS; i++) {
        assets[i] = (struct http_asset){.path = files[i].path,
                                        .type = files[i].type,
                                        .bytes = files[i].bytes,
                                        .size = (size_t)(files[i].end - files[i].bytes)};
        http_asset_tag(&assets[i]);
    }
}
