/*
 * reach.h - how to get at sources: what their servers are told, and how long
 * and how fast.
 */
#ifndef VM_SOURCE_REACH_H
#define VM_SOURCE_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/curl_http.h"

struct vm_reach {
	struct vm_http_access access;
	uint64_t stall_ms; /* 0: 30 s */
	uint64_t max_rate; /* of one transfer, bytes a second; 0: any */
	unsigned parallel; /* connections for one file; 0: as mirrors are */
	bool insecure;	   /* http without a digest is fine */
};

#endif
