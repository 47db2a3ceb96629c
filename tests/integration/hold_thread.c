/* hold_thread TID holds a thread of another process until stdin ends; says "held" when it does. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    pid_t thread = argc == 2 ? atoi(argv[1]) : 0;

    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) || ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) ||
        waitpid(thread, NULL, __WALL) != thread) {
        perror("hold_thread");
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return ptrace(PTRACE_DETACH, thread, NULL, NULL) ? 1 : 0;
}
