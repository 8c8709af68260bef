/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Starts and ends the test's broker by its process id; ready means that its port takes a connection.
 */
#include "nats_server.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES    1500
#define START_PAUSE_NS 10000000L
/* Below those that the system gives to outgoing connections: nobody takes the port while the server is
 * stopped, not even one who keeps trying to connect to it. */
#define PORT_FIRST 15000
#define PORT_COUNT 17000

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int free_port(void)
{
    int port = -1;

    for (int i = 0; i < 100 && port < 0; i++) {
        struct sockaddr_in address;
        uint16_t random = 0;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
            random = (uint16_t)getpid();
        address = loopback(PORT_FIRST + (int)(random % PORT_COUNT));
        if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            port = ntohs(address.sin_port);
        if (fd >= 0)
            close(fd);
    }
    return port;
}

static bool answers(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

bool nats_server_init(struct nats_server *server)
{
    *server = (struct nats_server){.port = free_port()};
    snprintf(server->folder, sizeof(server->folder), "/tmp/pollen8-nats-XXXXXX");
    if (server->port < 0 || !mkdtemp(server->folder))
        return false;
    snprintf(server->url, sizeof(server->url), "nats://127.0.0.1:%d", server->port);
    return true;
}

static void run(const struct nats_server *server)
{
    char port[16];
    char log[96];

    snprintf(port, sizeof(port), "%d", server->port);
    snprintf(log, sizeof(log), "%s/nats.log", server->folder);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", server->folder, "-l",
           log, (char *)NULL);
    _exit(127);
}

bool nats_server_start(struct nats_server *server)
{
    const struct timespec pause = {.tv_nsec = START_PAUSE_NS};

    server->pid = fork();
    if (server->pid == 0)
        run(server);
    for (int i = 0; server->pid > 0 && i < START_TRIES; i++) {
        if (answers(server->port))
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            break;
        nanosleep(&pause, NULL);
    }
    server->pid = 0;
    return false;
}

void nats_server_stop(struct nats_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void nats_server_done(struct nats_server *server)
{
    nats_server_stop(server);
    nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
