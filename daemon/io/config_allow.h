/* The `allow` sections of a configuration file, as libconfuse reads them. */
#ifndef SYNCD_IO_CONFIG_ALLOW_H
#define SYNCD_IO_CONFIG_ALLOW_H

#include <confuse.h>

#include "daemon/io/allow.h"

#define CONFIG_ALLOW "allow"

/* What may stand in a section, the end and `carrier` included. */
#define CONFIG_ALLOW_OPTIONS (ALLOW_LISTS + 2)

/* Fills the options of a section; `carrier` is one of them. */
void config_allow_options(cfg_opt_t options[CONFIG_ALLOW_OPTIONS],
                          cfg_opt_t carrier);

/* Lets mistakes be reported where they stand. */
void config_allow_validate(cfg_t *cfg);

/* All sections of a file that was read; `given` if there is one. */
void config_allow_take(struct allows *allows, cfg_t *cfg);

#endif
