/*
 * A fuzz target is one function of this name; libFuzzer brings a main that
 * calls it with inputs it makes up, replay.c one that calls it with files.
 * It aborts (CHECK) if something that must hold does not.
 */
#ifndef SYNCD_TESTS_FUZZ_FUZZ_H
#define SYNCD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
