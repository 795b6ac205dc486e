/*
 * image.h
 *	  Would two values be stored differently?
 */
#ifndef ZDM_CORE_IMAGE_H
#define ZDM_CORE_IMAGE_H

extern bool zdm_image_equal(Datum a, Datum b, bool typbyval, int16 typlen);

#endif							/* ZDM_CORE_IMAGE_H */
