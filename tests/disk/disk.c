/* A disk that is slow, full, failing or about to lose its power, for one process (LD_PRELOAD).
 *
 * Only files below DISK_ROOT are meant. DISK_CONTROL is a folder; a file in it switches a fault on:
 *   fsync_ms     every sync takes so many milliseconds more
 *   fsync_eio    every sync fails with EIO, and what was written since the last one never reaches
 *                the disk, as on Linux: later syncs succeed without it, until it is written again
 *   write_enospc every write that would be stored fails with ENOSPC
 *   shadow/      every sync that succeeds copies the file there: what a power cut would leave
 *   log          is appended to: "sync NAME RESULT", and "reused NAME" when a descriptor is synced
 *                again after a sync of it failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char failed[65536];

/* What was written since the last sync, and what a failed sync lost, by file name. */
struct range {
    char name[64];
    off64_t at;
    off64_t end;
};
enum { RANGES = 65536 }; /* a checkpoint of 256 MiB, page by page */
static struct range written[RANGES], lost[RANGES];
static int written_count, lost_count;
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;

/* A commit and a checkpoint sync one file at a time from two threads; their copies must not mix. */
static pthread_mutex_t copies = PTHREAD_MUTEX_INITIALIZER;

static void add(struct range *table, int *count, const char *name, off64_t at, off64_t end) {
    if (*count == RANGES) {
        static const char why[] = "disk.c: more unsynced writes than its table holds\n";
        if (write(2, why, sizeof why - 1) < 0) _exit(1);
        abort();
    }
    struct range *range = &table[(*count)++];
    snprintf(range->name, sizeof range->name, "%s", name);
    range->at = at;
    range->end = end;
}

static void note_write(const char *name, off64_t at, off64_t end) {
    pthread_mutex_lock(&tables);
    add(written, &written_count, name, at, end);
    for (int i = 0; i < lost_count; i++)
        if (!strcmp(lost[i].name, name) && at <= lost[i].at && lost[i].end <= end)
            lost[i--] = lost[--lost_count];
    pthread_mutex_unlock(&tables);
}

static void note_sync(const char *name, int succeeded) {
    pthread_mutex_lock(&tables);
    for (int i = 0; i < written_count; i++)
        if (!strcmp(written[i].name, name)) {
            if (!succeeded) add(lost, &lost_count, name, written[i].at, written[i].end);
            written[i--] = written[--written_count];
        }
    pthread_mutex_unlock(&tables);
}

static const char *control(void) { return getenv("DISK_CONTROL"); }

static int switched(const char *name, char *path, size_t size) {
    if (!control()) return 0;
    snprintf(path, size, "%s/%s", control(), name);
    return access(path, F_OK) == 0;
}

/* The file's name below DISK_ROOT, or NULL where the descriptor is none of it. */
static const char *name_of(int fd, char *path, size_t size) {
    char link[64];
    const char *root = getenv("DISK_ROOT");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (!root || length <= 0) return NULL;
    path[length] = 0;
    size_t rooted = strlen(root);
    return strncmp(path, root, rooted) == 0 && path[rooted] == '/' ? path + rooted + 1 : NULL;
}

static void note(const char *what, const char *name, const char *result) {
    char path[4096], line[4300];
    if (!switched("log", path, sizeof path)) return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    int length = snprintf(line, sizeof line, "%s %s %s\n", what, name, result);
    if (write(fd, line, length) < 0) abort();
    close(fd);
}

static void shadow(const char *from, const char *name) {
    char folder[4096], to[8300], fresh[8310], buffer[65536];
    struct stat status;
    if (!switched("shadow", folder, sizeof folder)) return;
    if (stat(from, &status) || !S_ISREG(status.st_mode)) return;
    snprintf(to, sizeof to, "%s/%s", folder, name);
    snprintf(fresh, sizeof fresh, "%s.new", to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t (*put)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
        if (put(out, buffer, got) != got) abort();
    pthread_mutex_lock(&tables);
    for (int i = 0; i < lost_count; i++)
        for (off64_t at = lost[i].at; !strcmp(lost[i].name, name) && at < lost[i].end; at++) {
            ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
            if (at < status.st_size && real(out, "", 1, at) != 1) abort();
        }
    pthread_mutex_unlock(&tables);
    close(in);
    close(out);
    rename(fresh, to);
}

static int sync_file(int fd, const char *function) {
    char path[4096], setting[4096], text[16] = "";
    int (*real)(int) = dlsym(RTLD_NEXT, function);
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return real(fd);
    if (fd < (int)sizeof failed && failed[fd]) note("reused", name, "-");
    if (switched("fsync_ms", setting, sizeof setting)) {
        int file = open(setting, O_RDONLY | O_CLOEXEC);
        if (read(file, text, sizeof text - 1) < 0) abort();
        close(file);
        long ms = atol(text);
        struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    if (switched("fsync_eio", setting, sizeof setting)) {
        if (fd < (int)sizeof failed) failed[fd] = 1;
        note_sync(name, 0);
        note("sync", name, "EIO");
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    note_sync(name, result == 0);
    pthread_mutex_lock(&copies);
    if (result == 0) shadow(path, name);
    pthread_mutex_unlock(&copies);
    note("sync", name, "0");
    return result;
}

int fsync(int fd) { return sync_file(fd, "fsync"); }
int fdatasync(int fd) { return sync_file(fd, "fdatasync"); }

int close(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < (int)sizeof failed) failed[fd] = 0;
    return real(fd);
}

static int full(int fd) {
    char path[4096], setting[4096];
    return switched("write_enospc", setting, sizeof setting) && name_of(fd, path, sizeof path) &&
           !strstr(path, "-shm");
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    char path[4096];
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    if (full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    const char *name = name_of(fd, path, sizeof path);
    if (name && !strstr(name, "-shm")) note_write(name, at, at + size);
    return real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return pwrite64(fd, data, size, at);
}
