#include "daemon/io/config_allow.h"

#include <string.h>

#include "proto/memory.h"

void config_allow_options(cfg_opt_t options[CONFIG_ALLOW_OPTIONS],
                          cfg_opt_t carrier)
{
    static const cfg_opt_t end = CFG_END();
    for (enum allow_list list = 0; list < ALLOW_LISTS; list++) {
        options[list] = (cfg_opt_t)CFG_STR_LIST(allow_list_names[list], NULL,
                                                CFGF_NODEFAULT);
    }
    options[ALLOW_LISTS] = carrier;
    options[ALLOW_LISTS + 1] = end;
}

static void words_of(struct allow_words *words, cfg_t *section)
{
    for (enum allow_list list = 0; list < ALLOW_LISTS; list++) {
        unsigned count = cfg_size(section, allow_list_names[list]);
        words->count[list] = count;
        words->at[list] = mem_alloc((count + 1) * sizeof(char *));
        for (unsigned i = 0; i < count; i++) {
            words->at[list][i] =
                cfg_getnstr(section, allow_list_names[list], i);
        }
    }
}

static void words_fini(struct allow_words *words)
{
    for (enum allow_list list = 0; list < ALLOW_LISTS; list++) {
        mem_free(words->at[list]);
    }
}

/* The word that was just read. */
static int on_word(cfg_t *section, cfg_opt_t *option)
{
    char why[300];
    enum allow_list list = 0;
    while (strcmp(allow_list_names[list], cfg_opt_name(option)) != 0) {
        list++;
    }
    const char *word = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
    if (allow_check_word(list, word, why, sizeof(why))) {
        return 0;
    }
    cfg_error(section, "%s", why);
    return -1;
}

/* The section that was just closed. */
static int on_section(cfg_t *cfg, cfg_opt_t *option)
{
    char why[300];
    unsigned count = cfg_opt_size(option);
    struct allow_words words;
    words_of(&words, cfg_opt_getnsec(option, count - 1));
    bool right = allow_check(&words, why, sizeof(why));
    words_fini(&words);
    if (right && count > ALLOWS_MAX) {
        (void)snprintf(why, sizeof(why), "more than %d allow sections",
                       ALLOWS_MAX);
        right = false;
    }
    if (!right) {
        cfg_error(cfg, "%s", why);
    }
    return right ? 0 : -1;
}

void config_allow_validate(cfg_t *cfg)
{
    char path[64];
    for (enum allow_list list = 0; list < ALLOW_LISTS; list++) {
        (void)snprintf(path, sizeof(path), CONFIG_ALLOW "|%s",
                       allow_list_names[list]);
        cfg_set_validate_func(cfg, path, on_word);
    }
    cfg_set_validate_func(cfg, CONFIG_ALLOW, on_section);
}

void config_allow_take(struct allows *allows, cfg_t *cfg)
{
    unsigned count = cfg_size(cfg, CONFIG_ALLOW);
    if (count == 0) {
        return;
    }
    allows_fini(allows);
    allows->given = true;
    for (unsigned i = 0; i < count; i++) {
        struct allow_words words;
        words_of(&words, cfg_getnsec(cfg, CONFIG_ALLOW, i));
        allows_add(allows, &words);
        words_fini(&words);
    }
}
