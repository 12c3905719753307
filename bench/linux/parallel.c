/* What two processors do at the same time. */
#include "bench.h"

void parallel_rows(void) {}
