/*
 * sample.h
 *	  How fast a table can be read, measured now.
 */
#ifndef ZDM_CONSTRAINT_SAMPLE_H
#define ZDM_CONSTRAINT_SAMPLE_H

#include "nodes/pg_list.h"
#include "storage/block.h"
#include "utils/timestamp.h"

typedef struct ZdmScanSample
{
	int64		pages;			/* of all relations that could be looked at */
	BlockNumber blocks;			/* read */
	int64		rows;			/* seen in these */
	double		ms;				/* that it took */
} ZdmScanSample;

extern void zdm_sample_scan(List *relids, ZdmScanSample *sample);
extern int64 zdm_sample_pages(Oid relid);
extern double zdm_sample_ms(const ZdmScanSample *sample, int64 pages);
extern Interval *zdm_sample_interval(double ms);
extern char *zdm_sample_basis(const ZdmScanSample *sample);

#endif							/* ZDM_CONSTRAINT_SAMPLE_H */
