#ifndef COVEY_CMILTER_SHIM_H
#define COVEY_CMILTER_SHIM_H
#include <libmilter/mfapi.h>
#endif
