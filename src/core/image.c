/*
 * image.c
 *	  Whether two values would be stored differently.
 *
 * Images are compared, not by the type's "=": 'a' and 'A' of a case-insensitive
 * type, or 1.0 and 1.00, are equal and yet not the same, and a type without
 * "=" (json, xml, point) needs no special treatment.
 *
 * The image of a row type is not its bytes: the header of a row may still say
 * where it was read from, and by whom it was written.  So rows, and what is
 * made of rows, are compared part by part.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "core/image.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef enum ImageKind
{
	IMAGE_BYTES,
	IMAGE_ROW,
	IMAGE_ARRAY					/* of rows, or of what has rows in it */
} ImageKind;

struct ZdmImageType
{
	ImageKind	kind;
	int16		typlen;
	bool		typbyval;
	ZdmImageType *element;		/* of an array */
	Oid			element_type;
	int16		element_len;
	bool		element_byval;
	char		element_align;
};

static void
learn_array(ZdmImageType *image, Oid element, MemoryContext mcxt)
{
	ZdmImageType *inner = zdm_image_type(element, mcxt);

	if (inner->kind == IMAGE_BYTES)
		return;
	image->kind = IMAGE_ARRAY;
	image->element = inner;
	image->element_type = element;
	get_typlenbyvalalign(element, &image->element_len, &image->element_byval, &image->element_align);
}

/* Needs a transaction. */
ZdmImageType *
zdm_image_type(Oid type, MemoryContext mcxt)
{
	ZdmImageType *image = MemoryContextAllocZero(mcxt, sizeof(ZdmImageType));
	Oid			base = getBaseType(type);
	Oid			element = get_base_element_type(base);

	get_typlenbyval(type, &image->typlen, &image->typbyval);
	if (type_is_rowtype(base))
		image->kind = IMAGE_ROW;
	else if (OidIsValid(element))
		learn_array(image, element, mcxt);
	return image;
}

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

/* Values that are stored elsewhere (TOAST) are read only when their places differ. */
static bool
bytes_equal(Datum a, Datum b, bool typbyval, int16 typlen)
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

static bool
rows_differ(HeapTupleHeader a, HeapTupleHeader b)
{
	Oid			type = HeapTupleHeaderGetTypeId(a);
	int32		typmod = HeapTupleHeaderGetTypMod(a);
	TupleDesc	desc;
	HeapTupleData tuples[2];
	bool		differ = false;

	check_stack_depth();
	if (type != HeapTupleHeaderGetTypeId(b) || typmod != HeapTupleHeaderGetTypMod(b))
		return true;
	for (int i = 0; i < 2; i++)
	{
		tuples[i].t_data = i == 0 ? a : b;
		tuples[i].t_len = HeapTupleHeaderGetDatumLength(tuples[i].t_data);
		ItemPointerSetInvalid(&tuples[i].t_self);
		tuples[i].t_tableOid = InvalidOid;
	}
	desc = lookup_rowtype_tupdesc(type, typmod);
	for (int i = 0; i < desc->natts && !differ; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		null_a;
		bool		null_b;
		Datum		value_a;
		Datum		value_b;

		if (att->attisdropped)
			continue;
		value_a = heap_getattr(&tuples[0], i + 1, desc, &null_a);
		value_b = heap_getattr(&tuples[1], i + 1, desc, &null_b);
		if (null_a || null_b)
			differ = null_a != null_b;
		else
			differ = zdm_image_differs(zdm_image_type(att->atttypid, CurrentMemoryContext), value_a, value_b);
	}
	ReleaseTupleDesc(desc);
	return differ;
}

static bool
arrays_differ(const ZdmImageType *type, ArrayType *a, ArrayType *b)
{
	Datum	   *values[2];
	bool	   *nulls[2];
	int			count[2];

	if (ARR_NDIM(a) != ARR_NDIM(b) ||
		memcmp(ARR_DIMS(a), ARR_DIMS(b), sizeof(int) * ARR_NDIM(a)) != 0 ||
		memcmp(ARR_LBOUND(a), ARR_LBOUND(b), sizeof(int) * ARR_NDIM(a)) != 0)
		return true;
	deconstruct_array(a, type->element_type, type->element_len, type->element_byval, type->element_align,
					  &values[0], &nulls[0], &count[0]);
	deconstruct_array(b, type->element_type, type->element_len, type->element_byval, type->element_align,
					  &values[1], &nulls[1], &count[1]);
	for (int i = 0; i < count[0]; i++)
	{
		if (nulls[0][i] || nulls[1][i])
		{
			if (nulls[0][i] != nulls[1][i])
				return true;
		}
		else if (zdm_image_differs(type->element, values[0][i], values[1][i]))
			return true;
	}
	return false;
}

/* Neither value is NULL.  Allocates in the current memory context. */
bool
zdm_image_differs(const ZdmImageType *type, Datum a, Datum b)
{
	switch (type->kind)
	{
		case IMAGE_ROW:
			return rows_differ(DatumGetHeapTupleHeader(a), DatumGetHeapTupleHeader(b));
		case IMAGE_ARRAY:
			return arrays_differ(type, DatumGetArrayTypeP(a), DatumGetArrayTypeP(b));
		default:
			return !bytes_equal(a, b, type->typbyval, type->typlen);
	}
}
