/*
 * syncd: options, configuration, wiring, exit statuses.
 *
 * The order of a start: options, configuration, the lock on the socket's path,
 * the store, the socket (from here on clients can connect, and wait), loading,
 * serving. The end undoes it backwards.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/io/load.h"
#include "daemon/io/paths.h"
#include "daemon/io/server.h"
#include "daemon/io/service.h"
#include "proto/check.h"
#include "proto/hash.h"
#include "proto/memory.h"
#include "proto/message.h"

#define EXIT_USAGE 2

/* Large lines that wait for a thread; a commit has a place of its own. */
#define POOL_WAITING_MAX 64

static const char help[] =
    "Usage: syncd [OPTION]...\n"
    "Serves durable queues on a Unix socket. Without options: for you alone.\n"
    "\n"
    "  --socket PATH           where clients connect\n"
    "  --data DIR              the directory that holds syncd.db\n"
    "  --store sqlite|memory   memory keeps nothing over a restart\n"
    "  --config FILE           instead of the usual configuration file\n"
    "  --log stderr|journal    where log lines go\n"
    "  --check-config          print the configuration in force, and exit\n"
    "  --default-config        print a configuration file of all keys, and "
    "exit\n"
    "  --help, --version       print this, or the version, and exit\n"
    "\n"
    "Options come before the configuration file, which is\n"
    "/etc/syncd/syncd.conf for root, else $XDG_CONFIG_HOME/syncd/syncd.conf.\n"
    "SIGTERM and SIGINT end it, SIGHUP reads the configuration again.\n"
    "\n"
    "Exit status: 0 it was told to end; 2 wrong usage; 71 out of memory;\n"
    "73 the socket or the data directory cannot be had, or another syncd has\n"
    "it; 74 the store is damaged or has failed; 78 a mistake in the\n"
    "configuration.\n";

enum action { ACTION_SERVE, ACTION_CHECK, ACTION_EXIT };

/* Everything that lives as long as the daemon. */
struct daemon {
    struct config_source source;
    char config_path[PATH_BYTES];
    struct config config;
    struct log log;
    struct clock clock;
    struct unix_socket socket;
    struct pool *pool;
    struct executor executor; /* of the store; the pool's */
    struct store *store;
    char *discover; /* engine_options.discover */
    struct engine_options options;
    struct engine *engine;
    struct server server;
};

/* Options. */

enum option_value {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_DEFAULT,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {
    {"socket", required_argument, NULL, KEY_socket},
    {"data", required_argument, NULL, KEY_data},
    {"store", required_argument, NULL, KEY_store},
    {"log", required_argument, NULL, KEY_log},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"default-config", no_argument, NULL, OPTION_DEFAULT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int usage(const char *before, const char *what, const char *behind)
{
    (void)fprintf(stderr, "syncd: %s%s%s; 'syncd --help' lists the options\n",
                  before, what, behind);
    return EXIT_USAGE;
}

/* What was printed is the result: losing it is a failure. */
static int end_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("syncd: standard output");
        return EX_IOERR;
    }
    return EXIT_SUCCESS;
}

/* 0, or the exit status of an action that is done. */
static int read_options(int argc, char **argv, struct config_source *source,
                        enum action *action)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case OPTION_CONFIG:
            source->file = optarg;
            source->file_required = true;
            break;
        case OPTION_CHECK:
            *action = ACTION_CHECK;
            break;
        case OPTION_DEFAULT:
            *action = ACTION_EXIT;
            config_print_default(stdout);
            return end_output();
        case OPTION_HELP:
            *action = ACTION_EXIT;
            (void)fputs(help, stdout);
            return end_output();
        case OPTION_VERSION:
            *action = ACTION_EXIT;
            puts("syncd " SYNCD_VERSION);
            return end_output();
        case ':':
            return usage("", argv[optind - 1], " needs a value");
        case '?':
            return usage("there is no option ", argv[optind - 1], "");
        default:
            source->options[option] = optarg;
            break;
        }
    }
    if (optind < argc) {
        return usage("it takes no arguments, but was given '", argv[optind],
                     "'");
    }
    return 0;
}

/* Configuration. */

static int read_config(struct daemon *daemon, enum action action)
{
    struct config_error error;
    if (daemon->source.file == NULL && paths_config(daemon->config_path) == 0) {
        daemon->source.file = daemon->config_path;
    }
    if (config_load(&daemon->config, &daemon->source, &error) < 0) {
        log_line(&daemon->log, LOG_ERR, "%s", error.text);
        /* Options are checked like the file; theirs is wrong usage. */
        struct config_source file_only = daemon->source;
        memset(file_only.options, 0, sizeof(file_only.options));
        if (config_load(&daemon->config, &file_only, &error) < 0) {
            return EX_CONFIG;
        }
        config_fini(&daemon->config);
        return EXIT_USAGE;
    }
    if (action == ACTION_CHECK) {
        config_print(&daemon->config, stdout);
        return end_output();
    }
    log_init(&daemon->log, (enum log_target)daemon->config.log,
             (int)daemon->config.log_level);
    return 0;
}

/* The parts, in the order they are made. */

static void raise_nofile(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        /* Refused: then fewer clients can be let in. */
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Until the loop handles them, and in the threads for good. */
static void block_signals(void)
{
    sigset_t set;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error to report */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void unblock_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static int refuse(struct daemon *daemon, int status, const char *why)
{
    log_line(&daemon->log, LOG_ERR, "%s", why);
    service_notify("STATUS=%s", why);
    return status;
}

/* Takes what the manager hands in, or locks the path of our own socket. */
static int claim_socket(struct daemon *daemon)
{
    int fd = service_listen_fd();
    if (fd == -2) {
        return refuse(daemon, EX_CONFIG,
                      "the service manager must hand in exactly one listening "
                      "Unix stream socket");
    }
    if (fd >= 0) {
        unix_socket_adopt(&daemon->socket, fd);
        return 0;
    }
    char path[PATH_BYTES];
    struct paths_error paths_error;
    struct unix_socket_error error;
    const char *given = daemon->config.socket;
    if (given[0] == '\0' && paths_socket(path, &paths_error) < 0) {
        return refuse(daemon, EX_CANTCREAT, paths_error.text);
    }
    if (unix_socket_lock(&daemon->socket, given[0] != '\0' ? given : path,
                         &error) < 0) {
        return refuse(daemon, EX_CANTCREAT, error.text);
    }
    return 0;
}

static int make_socket(struct daemon *daemon)
{
    struct unix_socket_error error;
    if (!daemon->socket.inherited &&
        unix_socket_listen(&daemon->socket, (mode_t)daemon->config.socket_mode,
                           daemon->config.socket_group, &error) < 0) {
        return refuse(daemon, EX_CANTCREAT, error.text);
    }
    return 0;
}

static int open_store(struct daemon *daemon)
{
    char path[PATH_BYTES];
    struct paths_error paths_error;
    struct store_error error;
    if (daemon->config.store == CONFIG_STORE_MEMORY) {
        daemon->store = store_memory_open(&daemon->executor);
        return 0;
    }
    const char *dir = daemon->config.data;
    if (dir[0] == '\0') {
        dir = path;
        if (paths_data(path, &paths_error) < 0) {
            return refuse(daemon, EX_CANTCREAT, paths_error.text);
        }
    }
    if (paths_make(dir, &paths_error) < 0) {
        return refuse(daemon, EX_CANTCREAT, paths_error.text);
    }
    daemon->store = store_sqlite_open(dir, &daemon->executor, &error);
    return daemon->store != NULL ? 0 : refuse(daemon, EX_CANTCREAT, error.text);
}

static void make_engine(struct daemon *daemon)
{
    struct engine_options *opts = &daemon->options;
    size_t len;
    *opts = engine_options_default;
    server_engine_limits(opts, &daemon->config);
    ssize_t got = getrandom(&opts->seed, sizeof(opts->seed), 0);
    CHECK(got == (ssize_t)sizeof(opts->seed));
    daemon->discover = message_discover(SYNCD_VERSION, &len);
    opts->discover = (struct slice){daemon->discover, len};
    opts->started_at_us = daemon->clock.unix_us;
    opts->pid = (uint32_t)getpid();
    opts->version = SYNCD_VERSION;
    opts->store = daemon->store->ops->name;
    opts->forgetful = daemon->config.store == CONFIG_STORE_MEMORY;
    daemon->engine = engine_new(opts);
}

/* 0, or the exit status; `*stopped`: told to end while loading. */
static int load_engine(struct daemon *daemon, bool *stopped)
{
    struct store_error error;
    switch (load(daemon->store, daemon->engine, &error)) {
    case LOAD_DONE:
        engine_loaded(daemon->engine, clock_now_us(&daemon->clock));
        return 0;
    case LOAD_FAILED:
        return refuse(daemon, EX_IOERR, error.text);
    case LOAD_STOPPED:
        *stopped = true;
        break;
    }
    return 0;
}

static int serve(struct daemon *daemon)
{
    struct server_setup setup = {
        .log = &daemon->log,
        .config = &daemon->config,
        .source = &daemon->source,
        .clock = &daemon->clock,
        .socket = &daemon->socket,
        .store = daemon->store,
        .pool = daemon->pool,
        .engine = daemon->engine,
        .options = daemon->options,
    };
    if (server_init(&daemon->server, &setup) < 0) {
        return EX_OSERR;
    }
    unblock_signals();
    const char *where =
        daemon->socket.inherited ? "the socket handed in" : daemon->socket.path;
    log_line(&daemon->log, LOG_INFO, "serving on %s", where);
    service_notify("READY=1\nSTATUS=Serving on %s", where);
    server_run(&daemon->server);
    /* The threads first: they must not wake a loop that has gone. */
    pool_free(daemon->pool);
    daemon->pool = NULL;
    server_fini(&daemon->server);
    log_line(&daemon->log, LOG_INFO, "stopped");
    return EXIT_SUCCESS;
}

static int run(struct daemon *daemon)
{
    bool stopped = false;
    int status = claim_socket(daemon);
    if (status != 0) {
        return status;
    }
    daemon->pool = pool_new((size_t)daemon->config.threads, POOL_WAITING_MAX);
    if (daemon->pool == NULL) {
        return refuse(daemon, EX_OSERR, "cannot have the threads asked for");
    }
    daemon->executor = pool_executor(daemon->pool);
    status = open_store(daemon);
    if (status == 0) {
        status = make_socket(daemon);
    }
    if (status == 0) {
        clock_start(&daemon->clock);
        make_engine(daemon);
        status = load_engine(daemon, &stopped);
    }
    return status == 0 && !stopped ? serve(daemon) : status;
}

static void clean_up(struct daemon *daemon)
{
    unix_socket_close(&daemon->socket);
    pool_free(daemon->pool);
    store_close(daemon->store);
    engine_free(daemon->engine);
    mem_free(daemon->discover);
    unix_socket_unlock(&daemon->socket);
    config_fini(&daemon->config);
}

static void *take_zeroed(size_t count, size_t size)
{
    CHECK(size == 0 || count <= SIZE_MAX / size);
    return mem_zalloc(count * size);
}

/* Whoever finds no memory, we or a library: the process ends in one way. */
static void take_memory(void)
{
    message_take_memory();
    store_sqlite_take_memory();
    int rc =
        uv_replace_allocator(mem_alloc, mem_realloc, take_zeroed, mem_free);
    CHECK(rc == 0);
}

/* Before the first table is made. */
static void take_hash_key(void)
{
    struct hash_key key;
    ssize_t got = getrandom(&key, sizeof(key), 0);
    CHECK(got == (ssize_t)sizeof(key));
    hash_set_key(key);
}

int main(int argc, char **argv)
{
    take_memory();
    take_hash_key();
    struct daemon *daemon = mem_zalloc(sizeof(*daemon));
    enum action action = ACTION_SERVE;
    umask(0077);
    unix_socket_init(&daemon->socket);
    log_init(&daemon->log, LOG_TO_STDERR, LOG_INFO - LOG_ERR);
    int status = read_options(argc, argv, &daemon->source, &action);
    if (status == 0 && action != ACTION_EXIT) {
        status = read_config(daemon, action);
        if (status == 0 && action == ACTION_SERVE) {
            raise_nofile();
            block_signals();
            status = run(daemon);
        }
        clean_up(daemon);
    }
    mem_free(daemon);
    return status;
}
