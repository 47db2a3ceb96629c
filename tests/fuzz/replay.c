/* The main of a fuzz target in a build without libFuzzer: runs each file of each directory named
 * (or each file) through the target, so that a corpus is a test under every compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0, capacity = 1 << 16, got;
    uint8_t *bytes = malloc(capacity);

    if (!file || !bytes) {
        perror(path);
        exit(1);
    }
    while ((got = fread(bytes + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size < capacity)
            continue;
        bytes = realloc(bytes, capacity *= 2);
        if (!bytes) {
            perror(path);
            exit(1);
        }
    }
    fclose(file);

    /* In memory of its own size: a sanitizer sees what reads beyond. Named first, so that the log
     * of a crash ends with the file that did it. */
    uint8_t *input = malloc(size ? size : 1);
    if (!input) {
        perror(path);
        exit(1);
    }
    memcpy(input, bytes, size);
    free(bytes);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
}

static unsigned run_directory(const char *path, DIR *directory)
{
    char name[4096];
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        run_file(name);
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);

        if (directory) {
            count += run_directory(argv[i], directory);
            closedir(directory);
        } else {
            run_file(argv[i]);
            count++;
        }
    }
    printf("%u inputs\n", count);
    return count ? 0 : 1; /* a corpus that is not found is no pass */
}
