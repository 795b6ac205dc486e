/*
 * keyset.h
 *	  A set of keys of fixed size, in bounded memory.
 */
#ifndef ZDM_CONSTRAINT_KEYSET_H
#define ZDM_CONSTRAINT_KEYSET_H

/* A key: words, or the bytes of a string. */
typedef struct ZdmKey
{
	uint64		words[2];
	const char *bytes;
	int			len;
} ZdmKey;

typedef struct ZdmKeyset ZdmKeyset;

extern bool zdm_keyset_can_hold(Oid type, Oid collation);
extern bool zdm_keyset_same_encoding(Oid type, Oid other);
extern ZdmKeyset *zdm_keyset_create(MemoryContext mcxt, Oid type, Size max_bytes);
extern bool zdm_keyset_encode(Oid type, Datum value, ZdmKey *key);
extern bool zdm_keyset_add(ZdmKeyset *set, const ZdmKey *key);
extern bool zdm_keyset_has(const ZdmKeyset *set, const ZdmKey *key);

#endif							/* ZDM_CONSTRAINT_KEYSET_H */
