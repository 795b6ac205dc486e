/*
 * keyset.c
 *	  A set of keys in bounded memory: open addressing, whole keys.
 *
 * The set is exact: what it says to have was added.  A set of hashes would now
 * and then say so of a key that was not, and an orphan would pass.  When it is
 * full nothing more is added, so "not in the set" means nothing.
 *
 * Only types are held for which equal and same bits are the same thing, by
 * the default operators: words, and strings under deterministic collations.
 * Integers of all sizes become the same 64 bits, as they are compared across
 * sizes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "constraint/keyset.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#define FIRST_SLOTS 4096

/* strings are kept in blocks; a slot is block, place and 1 */
#define BLOCK_BITS 20
#define BLOCK_BYTES (1 << BLOCK_BITS)
#define MOST_BLOCKS 64
#define LONGEST_STRING 255

struct ZdmKeyset
{
	MemoryContext mcxt;
	int			words;			/* of a key; 0: strings */
	Size		max_slots;
	Size		slots;			/* a power of two */
	Size		used;

	/* words */
	uint64	   *keys;
	uint8	   *taken;

	/* strings: a byte of length, then the bytes */
	uint32	   *places;			/* 0: free */
	char	   *blocks[MOST_BLOCKS];
	int			nblocks;
	int			max_blocks;
	int			filled;			/* bytes of the last block */
};

static int
words_of(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return 1;
		case UUIDOID:
			return 2;
		default:
			return 0;
	}
}

/* Whether a set can hold keys of that type, compared under that collation. */
bool
zdm_keyset_can_hold(Oid type, Oid collation)
{
	if (type == TEXTOID)
		return OidIsValid(collation) && get_collation_isdeterministic(collation);
	return words_of(type) > 0;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Whether values of the two types that are equal are the same key. */
bool
zdm_keyset_same_encoding(Oid type, Oid other)
{
	return type == other || (is_integer(type) && is_integer(other));
}

/* An error leaves the set as it was. */
static void
allocate(ZdmKeyset *set, Size slots)
{
	if (set->words == 0)
		set->places = MemoryContextAllocExtended(set->mcxt, slots * sizeof(uint32),
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	else
	{
		uint8	   *taken = MemoryContextAllocExtended(set->mcxt, slots, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

		set->keys = MemoryContextAllocExtended(set->mcxt, slots * set->words * sizeof(uint64),
											   MCXT_ALLOC_HUGE);
		set->taken = taken;
	}
	set->slots = slots;
}

/*
 * An empty set in mcxt for a type that it can hold.  It takes at most
 * max_bytes; while it grows, half as much again.
 */
ZdmKeyset *
zdm_keyset_create(MemoryContext mcxt, Oid type, Size max_bytes)
{
	ZdmKeyset  *set = MemoryContextAllocZero(mcxt, sizeof(ZdmKeyset));
	Size		slot_bytes;
	Size		table_bytes = max_bytes;

	set->mcxt = mcxt;
	set->words = words_of(type);
	slot_bytes = set->words * sizeof(uint64) + 1;
	if (set->words == 0)
	{
		slot_bytes = sizeof(uint32);
		table_bytes = max_bytes / 4;
		set->max_blocks = Min((max_bytes - table_bytes) / BLOCK_BYTES, MOST_BLOCKS);
		set->filled = BLOCK_BYTES;
	}
	set->max_slots = FIRST_SLOTS;
	while (set->max_slots * 2 * slot_bytes <= table_bytes)
		set->max_slots *= 2;
	allocate(set, FIRST_SLOTS);
	return set;
}

/* Every bit of the word reaches every bit of the result. */
static inline uint64
mix(uint64 word)
{
	word = (word ^ (word >> 32)) * UINT64CONST(0xd6e8feb86659fd93);
	word = (word ^ (word >> 32)) * UINT64CONST(0xd6e8feb86659fd93);
	return word ^ (word >> 32);
}

static inline uint64
hash_of(const ZdmKeyset *set, const ZdmKey *key)
{
	if (set->words == 0)
		return hash_bytes_extended((const unsigned char *) key->bytes, key->len, 0);
	return mix(set->words == 1 ? key->words[0] : key->words[0] ^ mix(key->words[1]));
}

static inline const char *
string_at(const ZdmKeyset *set, uint32 place)
{
	return set->blocks[(place - 1) >> BLOCK_BITS] + ((place - 1) & (BLOCK_BYTES - 1));
}

static inline bool
is_free(const ZdmKeyset *set, Size slot)
{
	return set->words == 0 ? set->places[slot] == 0 : !set->taken[slot];
}

static inline bool
is_same(const ZdmKeyset *set, Size slot, const ZdmKey *key)
{
	const uint64 *words;

	if (set->words == 0)
	{
		const char *string = string_at(set, set->places[slot]);

		return (uint8) string[0] == key->len && memcmp(string + 1, key->bytes, key->len) == 0;
	}
	words = set->keys + slot * set->words;
	return words[0] == key->words[0] && (set->words == 1 || words[1] == key->words[1]);
}

/* The slot of the key, or the free one where it belongs. */
static inline Size
find_slot(const ZdmKeyset *set, const ZdmKey *key)
{
	Size		slot = hash_of(set, key) & (set->slots - 1);

	while (!is_free(set, slot) && !is_same(set, slot, key))
		slot = (slot + 1) & (set->slots - 1);
	return slot;
}

static void
put_words(ZdmKeyset *set, const uint64 *words)
{
	ZdmKey		key = {.words = {words[0], set->words > 1 ? words[1] : 0}};
	Size		slot = find_slot(set, &key);

	set->taken[slot] = 1;
	memcpy(set->keys + slot * set->words, words, set->words * sizeof(uint64));
}

static void
grow_words(ZdmKeyset *set)
{
	uint64	   *keys = set->keys;
	uint8	   *taken = set->taken;
	Size		slots = set->slots;

	allocate(set, slots * 2);
	for (Size i = 0; i < slots; i++)
	{
		if (taken[i])
			put_words(set, keys + i * set->words);
	}
	pfree(keys);
	pfree(taken);
}

static void
grow_strings(ZdmKeyset *set)
{
	uint32	   *places = set->places;
	Size		slots = set->slots;

	allocate(set, slots * 2);
	for (Size i = 0; i < slots; i++)
	{
		ZdmKey		key;

		if (places[i] == 0)
			continue;
		key.bytes = string_at(set, places[i]) + 1;
		key.len = (uint8) key.bytes[-1];
		set->places[find_slot(set, &key)] = places[i];
	}
	pfree(places);
}

/* Where a string of that length may be put; 0 when there is no room. */
static uint32
reserve(ZdmKeyset *set, int len)
{
	uint32		place;

	if (set->filled + len + 1 > BLOCK_BYTES)
	{
		if (set->nblocks >= set->max_blocks)
			return 0;
		set->blocks[set->nblocks] = MemoryContextAlloc(set->mcxt, BLOCK_BYTES);
		set->nblocks++;
		set->filled = 0;
	}
	place = ((uint32) (set->nblocks - 1) << BLOCK_BITS) + set->filled + 1;
	set->filled += len + 1;
	return place;
}

static bool
put_string(ZdmKeyset *set, Size slot, const ZdmKey *key)
{
	uint32		place = reserve(set, key->len);
	char	   *string;

	if (place == 0)
		return false;
	string = unconstify(char *, string_at(set, place));
	string[0] = (char) key->len;
	memcpy(string + 1, key->bytes, key->len);
	set->places[slot] = place;
	return true;
}

/* False, and the key was not added, when the set is full. */
bool
zdm_keyset_add(ZdmKeyset *set, const ZdmKey *key)
{
	Size		slot = find_slot(set, key);

	if (!is_free(set, slot))
		return true;
	if (set->used >= set->slots / 4 * 3)
	{
		if (set->slots >= set->max_slots)
			return false;
		if (set->words == 0)
			grow_strings(set);
		else
			grow_words(set);
		slot = find_slot(set, key);
	}
	if (set->words == 0)
	{
		if (!put_string(set, slot, key))
			return false;
	}
	else
		put_words(set, key->words);
	set->used++;
	return true;
}

/* Whether the key was added. */
bool
zdm_keyset_has(const ZdmKeyset *set, const ZdmKey *key)
{
	return !is_free(set, find_slot(set, key));
}

static bool
encode_string(Datum value, ZdmKey *key)
{
	struct varlena *string = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_COMPRESSED(string) || VARATT_IS_EXTERNAL(string) ||
		VARSIZE_ANY_EXHDR(string) > LONGEST_STRING)
		return false;
	key->bytes = VARDATA_ANY(string);
	key->len = VARSIZE_ANY_EXHDR(string);
	return true;
}

/*
 * Make a key of a value of a type that a set can hold; it lasts as long as the
 * value.  False for a string that is too long.
 */
bool
zdm_keyset_encode(Oid type, Datum value, ZdmKey *key)
{
	switch (type)
	{
		case INT2OID:
			key->words[0] = (uint64) (int64) DatumGetInt16(value);
			return true;
		case INT4OID:
		case DATEOID:
			key->words[0] = (uint64) (int64) DatumGetInt32(value);
			return true;
		case OIDOID:
			key->words[0] = DatumGetObjectId(value);
			return true;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			key->words[0] = (uint64) DatumGetInt64(value);
			return true;
		case UUIDOID:
			memcpy(key->words, DatumGetUUIDP(value)->data, UUID_LEN);
			return true;
		case TEXTOID:
			return encode_string(value, key);
		default:
			return false;
	}
}
