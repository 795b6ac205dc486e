/*
 * image.h
 *	  Whether two values would be stored differently.
 */
#ifndef ZDM_CORE_IMAGE_H
#define ZDM_CORE_IMAGE_H

/* what is known of a type, for the life of a memory context */
typedef struct ZdmImageType ZdmImageType;

extern ZdmImageType *zdm_image_type(Oid type, MemoryContext mcxt);
extern bool zdm_image_differs(const ZdmImageType *type, Datum a, Datum b);

#endif							/* ZDM_CORE_IMAGE_H */
