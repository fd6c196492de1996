#ifndef ADZE_KERNEL_CHECKS_H
#define ADZE_KERNEL_CHECKS_H
// One check for each row of Sources/CKernels/kernels.inc, run by Swift Testing and by main.c alike.
#include "adze_kernels.h"

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

typedef struct adze_check_result {
  long passed;
  long failed;
  double worst_ulp;         // of float results, where measured
  char first_failure[400];  // empty when nothing failed
} adze_check_result;

/// How many kernels there are, and the name of one.
int adze_check_count(void);
const char *adze_check_name(int index);

/// Runs the check of one kernel against the table of one instruction set.
adze_check_result adze_check_run(int index, const adze_kernels *kernels);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
