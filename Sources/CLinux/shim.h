#pragma once
// What Glibc's Swift module map leaves out.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static inline int adze_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  extern int accept4(int, struct sockaddr *, socklen_t *, int);
  return accept4(fd, address, length, flags);
}

// Child processes and the allocator.
#include <malloc.h>
#include <spawn.h>

static inline int adze_pipe_close_on_exec(int descriptors[2]) {
  extern int pipe2(int[2], int);
  return pipe2(descriptors, O_CLOEXEC);
}

static inline int adze_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
  extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

static inline int adze_spawn_change_directory(posix_spawn_file_actions_t *actions, const char *path) {
  extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
  return posix_spawn_file_actions_addchdir_np(actions, path);
}

static inline void adze_malloc_trim(void) { malloc_trim(0); }

static inline void adze_name_thread(unsigned long thread, const char *name) {
  extern int pthread_setname_np(unsigned long, const char *);
  pthread_setname_np(thread, name);
}
