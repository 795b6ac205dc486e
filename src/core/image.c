/*
 * image.c
 *	  Would two values be stored differently?
 *
 * Images are compared, not with the type's "=": 'a' and 'A' of a
 * case-insensitive type, or 1.0 and 1.00, are equal and yet not the same, and
 * a type without "=" (json, xml, point) needs no special treatment.
 */
#include "postgres.h"

#include "core/image.h"
#include "utils/datum.h"

/* a function may leave anything in the bytes of a Datum that its type has not */
static bool
by_value_equal(Datum a, Datum b, int16 typlen)
{
	switch (typlen)
	{
		case 1:
			return DatumGetChar(a) == DatumGetChar(b);
		case 2:
			return DatumGetInt16(a) == DatumGetInt16(b);
		case 4:
			return DatumGetInt32(a) == DatumGetInt32(b);
		default:
			return a == b;
	}
}

/*
 * Are two values, neither NULL, stored as the same bytes?  Values that are
 * stored elsewhere (TOAST) are read only when their places differ.
 */
bool
zdm_image_equal(Datum a, Datum b, bool typbyval, int16 typlen)
{
	if (typbyval)
		return by_value_equal(a, b, typlen);
	if (typlen == -1)
	{
		void	   *image = DatumGetPointer(a);
		void	   *other = DatumGetPointer(b);

		if (image == other)
			return true;
		if (!VARATT_IS_EXTERNAL_EXPANDED(image) && !VARATT_IS_EXTERNAL_EXPANDED(other) &&
			VARSIZE_ANY(image) == VARSIZE_ANY(other) &&
			memcmp(image, other, VARSIZE_ANY(image)) == 0)
			return true;
	}
	return datum_image_eq(a, b, typbyval, typlen);
}
