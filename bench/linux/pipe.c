/* Messages to another process and back: through pipes, and over a socket with a file descriptor in them. */
#include "bench.h"
#include <sys/socket.h>

#define SAMPLES 1000
#define SMALL 64
#define LARGE 4096

static int there[2], back[2];
static char sent[LARGE], received[LARGE];
static char round_number;

static bool transfer(size_t bytes)
{
    memset(sent, ++round_number, 8);
    if (write(there[1], sent, bytes) != (ssize_t)bytes || read(back[0], received, bytes) != (ssize_t)bytes)
        return false;
    return received[0] == round_number && received[bytes - 1] == sent[bytes - 1];
}

static bool small(void) { return transfer(SMALL); }
static bool large(void) { return transfer(LARGE); }

/* Gives back what comes, until the other side is gone. */
static void echo(size_t bytes)
{
    ssize_t got;
    close(there[1]);
    while ((got = read(there[0], received, bytes)) > 0)
        if (write(back[1], received, (size_t)got) != got)
            break;
    _exit(0);
}

static void pipes(const char *row, size_t bytes, bool (*operation)(void))
{
    if (pipe(there) || pipe(back))
        refuse("pipe");
    pid_t peer = fork();
    if (peer == 0)
        echo(bytes);
    measure(row, SAMPLES, 1, operation);
    close(there[1]);
    waitpid(peer, 0, 0);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

static int ends[2], passed;

/* A message of 64 bytes, with the descriptor `file` unless it is -1. */
static bool send_with(int socket, int file)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec data = {sent, SMALL};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (file >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &file, sizeof file);
    }
    return sendmsg(socket, &message, 0) == SMALL;
}

/* Receives a message; the descriptor in it, -1 if there is none, -2 if nothing came. */
static int receive_with(int socket)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {received, SMALL};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int file = -1;
    if (recvmsg(socket, &message, 0) != SMALL)
        return -2;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS)
        memcpy(&file, CMSG_DATA(head), sizeof file);
    return file;
}

static bool pass(void) { return send_with(ends[0], passed) && receive_with(ends[0]) == -1; }

/* Closes every descriptor that comes, and answers only if one came. */
static void take(void)
{
    int file;
    close(ends[0]);
    while ((file = receive_with(ends[1])) >= 0) {
        close(file);
        if (!send_with(ends[1], -1))
            break;
    }
    _exit(0);
}

static void descriptors(void)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
        refuse("socketpair");
    passed = open("/proc/self", O_RDONLY);
    pid_t peer = fork();
    if (peer == 0)
        take();
    close(ends[1]);
    measure("ipc.raw.cap1", SAMPLES, 1, pass);
    close(ends[0]);
    close(passed);
    waitpid(peer, 0, 0);
}

void pipe_rows(void)
{
    pipes("ipc.raw.64", SMALL, small);
    pipes("ipc.raw.4096", LARGE, large);
    descriptors();
}
