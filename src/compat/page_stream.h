/*
 * page_stream.h
 *	  Version differences in reading the pages of a table one after the other.
 *
 * From 17 on, reads are combined and come ahead of need; before, the operating
 * system does that.
 */
#ifndef ZDM_COMPAT_PAGE_STREAM_H
#define ZDM_COMPAT_PAGE_STREAM_H

#include "storage/bufmgr.h"
#if PG_VERSION_NUM >= 170000
#include "storage/read_stream.h"
#endif

typedef struct ZdmPageStream
{
	Relation	rel;
	BufferAccessStrategy strategy;	/* may be NULL */
	BlockNumber next;
	BlockNumber end;			/* exclusive */
#if PG_VERSION_NUM >= 170000
	ReadStream *stream;
#endif
} ZdmPageStream;

#if PG_VERSION_NUM >= 170000
static inline BlockNumber
zdm_compat_next_block(ReadStream * stream, void *private_data, void *per_buffer_data)
{
	ZdmPageStream *pages = private_data;

	return pages->next < pages->end ? pages->next++ : InvalidBlockNumber;
}
#endif

/* rel, strategy, next and end are set; pages stays where it is. */
static inline void
zdm_compat_page_stream_begin(ZdmPageStream *pages)
{
#if PG_VERSION_NUM >= 170000
	pages->stream = read_stream_begin_relation(READ_STREAM_SEQUENTIAL, pages->strategy, pages->rel,
											   MAIN_FORKNUM, zdm_compat_next_block, pages, 0);
#endif
}

/* The next page, pinned; InvalidBuffer after the last one. */
static inline Buffer
zdm_compat_page_stream_next(ZdmPageStream *pages)
{
#if PG_VERSION_NUM >= 170000
	return read_stream_next_buffer(pages->stream, NULL);
#else
	if (pages->next >= pages->end)
		return InvalidBuffer;
	return ReadBufferExtended(pages->rel, MAIN_FORKNUM, pages->next++, RBM_NORMAL, pages->strategy);
#endif
}

static inline void
zdm_compat_page_stream_end(ZdmPageStream *pages)
{
#if PG_VERSION_NUM >= 170000
	read_stream_end(pages->stream);
#endif
}

#endif							/* ZDM_COMPAT_PAGE_STREAM_H */
