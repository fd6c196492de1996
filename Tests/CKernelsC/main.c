// Checks every kernel of every instruction set that this CPU has, without Swift.
// usage: kernel-checks [--list] [--sample N]   (--list: the worst error of each float kernel; --sample: one of N problems)
#include "check.h"

#include <stdio.h>

int main(int count, char **arguments) {
  bool lists = false;
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "--list") == 0) lists = true;
    else if (strcmp(arguments[i], "--sample") == 0 && i + 1 < count) sample_step = atoi(arguments[++i]);
  }
  if (sample_step < 1) return 2;
  long passed = 0, failed = 0;
  for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
    const adze_kernels *kernels = adze_kernels_for((adze_isa)isa);
    if (!kernels) {
      printf("SKIPPED %s: this CPU or build does not have it\n", adze_isa_name((adze_isa)isa));
      continue;
    }
    long isa_passed = 0, isa_failed = 0;
    for (int i = 0; i < adze_check_count(); i++) {
      const adze_check_result result = adze_check_run(i, kernels);
      isa_passed += result.passed;
      isa_failed += result.failed;
      if (result.failed) printf("FAILED %ld: %s\n", result.failed, result.first_failure);
      if (result.passed + result.failed == 0) {
        printf("FAILED %s %s: nothing was checked\n", adze_check_name(i), kernels->name);
        isa_failed++;
      }
      if (lists && result.worst_ulp > 0) {
        printf("  %-20s %-10s worst error %.2f ulp\n", adze_check_name(i), kernels->name, result.worst_ulp);
      }
    }
    printf("%s: %ld passed, %ld failed\n", kernels->name, isa_passed, isa_failed);
    passed += isa_passed;
    failed += isa_failed;
  }
  printf("%ld passed, %ld failed\n", passed, failed);
  return failed != 0;
}
