#pragma once
// What Glibc's Swift module map leaves out.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int adze_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  extern int accept4(int, struct sockaddr *, socklen_t *, int);
  return accept4(fd, address, length, flags);
}
